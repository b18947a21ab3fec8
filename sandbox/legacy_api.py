from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
import sys, uvicorn


def main(a):
    app = Starlette(routes=[Route("/health", lambda r: JSONResponse({}))])
    uvicorn.run(app, host=a[1], port=int(a[2]), log_level="warning")


main(sys.argv[1:])
