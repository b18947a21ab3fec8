"""A file gateway: moves what senders deliver into the inbox of the side that the route's marker names.

    python -m sandbox.file_gateway INCOMING LEGACY TOBE

Each file is moved by one rename, which is delivery and removal at once: killed anywhere, it stands in exactly one folder. In
order of arrival. While the marker says dark, or cannot be read, files stay. What it acts on is said between two moves.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from adapters.files.route import ACTED, FileRoute, complete_files, read_route, write_route
from cutwater.core.errors import CutwaterError

POLL_SECONDS = 0.1


@dataclass
class FileGateway:
    """One folder of incoming files. inboxes: side -> folder, on the same file system: a rename is no copy."""

    incoming: Path
    inboxes: dict[str, Path]

    def turn(self) -> int:
        """Moves what may be moved now; how many files that was. Raises Unavailable, BadInput as `read_route`."""
        moved, acted = 0, read_route(self.incoming, ACTED)
        while True:
            route = read_route(self.incoming) or FileRoute()
            if acted != route:
                write_route(self.incoming, route, ACTED)
                acted = route
            done = self._move(route)
            moved += done
            if not done:
                return moved

    def _move(self, route: FileRoute) -> int:
        """What has arrived, while the route stays the same."""
        inbox, moved = self.inboxes.get(route.side), 0
        for path in complete_files(self.incoming) if inbox is not None else ():
            if (read_route(self.incoming) or FileRoute()) != route:
                break
            if inbox is not None and not (inbox / path.name).exists():  # a name that is taken waits until it was read
                os.rename(path, inbox / path.name)
                moved += 1
        return moved


def main(argv: list[str]) -> None:
    """Runs until it is ended; trouble is said once, and tried again."""
    gateway = FileGateway(Path(argv[0]), {"legacy": Path(argv[1]), "tobe": Path(argv[2])})
    stopping, said = threading.Event(), ""
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    while not stopping.is_set():
        try:
            gateway.turn()
            said = ""
        except (CutwaterError, OSError) as error:
            if str(error) != said:
                said = str(error)
                print(said, file=sys.stderr, flush=True)
        stopping.wait(POLL_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1:])
