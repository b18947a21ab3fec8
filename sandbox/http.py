"""One question over HTTP, for health checks."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException

from sandbox.layout import HOST


def wrong(port: int, path: str, timeout_seconds: float = 3.0) -> str:
    """ "" when GET `path` answers 200, else what is wrong. Never goes through a proxy: it is our own machine."""
    connection = HTTPConnection(HOST, port, timeout=timeout_seconds)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
    except (OSError, HTTPException) as error:
        return f"no answer from {HOST}:{port}: {error}"
    finally:
        connection.close()
    return "" if answer.status == 200 else f"{path} answered {answer.status}"
