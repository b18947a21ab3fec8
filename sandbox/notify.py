"""The bank's notification service on both platforms: tells customers, exactly once, what the topics say of their payments.

    python -m sandbox.notify FOLDER HOST PORT

The old one reads the hub's topics as the group `payhub-notify`, its successor as `tobe-notify`; which of them reads follows
the route. The hand-over of the offsets is the cutover's (waves.steps.switch). GET /health tells how both stand.
"""

from __future__ import annotations

import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from sandbox.http import wrong
from sandbox.layout import HOST, Layout
from sandbox.specs import Launch

GROUPS = {"legacy": "payhub-notify", "tobe": "tobe-notify"}


class Notify:
    """Well when it runs: a broker that is away is no illness of its own."""

    name = "notify"
    stop_signal = signal.SIGTERM

    def prepare(self, layout: Layout) -> Launch:
        folder = layout.data / "notify"
        folder.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-m", "sandbox.notify", str(layout.home), HOST, str(layout.port(self.name))]
        return Launch(argv, cwd=folder)

    def healthy(self, layout: Layout) -> str:
        return wrong(layout.ports()[self.name], "/health")

    def settle(self, layout: Layout) -> None:
        return None


def main(argv: list[str]) -> None:
    """Serves until it is ended; both readers leave their groups then."""
    from sandbox.estate.model import TOPIC_INITIATED, TOPIC_STATUS
    from sandbox.notify_book import Book, hold_file, path_of
    from sandbox.notify_reader import Reader, RouteView

    layout = Layout(Path(argv[0]))
    route = RouteView(lambda: f"http://{HOST}:{layout.ports()['gateway']}", hold_file(layout).exists)
    topics = [TOPIC_INITIATED, TOPIC_STATUS]

    def reader(side: str) -> Reader:
        kafka = lambda: f"{HOST}:{layout.ports()['kafka']}"  # noqa: E731 - asked anew: a port may change
        book = lambda: Book(path_of(layout, side))  # noqa: E731 - made in the reader's own thread
        return Reader(side, GROUPS[side], topics, side == "legacy", book, kafka, route)

    readers = [reader(side) for side in GROUPS]

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({item.side: item.facts for item in readers}).encode()
            self.send_response(200 if all(item.is_alive() for item in readers) else 503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer((argv[1], int(argv[2])), Answer)
    signal.signal(signal.SIGTERM, lambda *_: Thread(target=server.shutdown).start())
    for item in readers:
        item.start()
    server.serve_forever()
    for item in readers:
        item.stopping.set()
    for item in readers:
        item.join(10)


if __name__ == "__main__":
    main(sys.argv[1:])
