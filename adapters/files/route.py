"""Where incoming payment files go: a marker beside them, set with an epoch, followed by the file gateway.

Senders deliver into one folder. The gateway moves each complete file by a rename into the inbox of the side that the marker
`.cutwater-route.json` names; while it says dark, files stay where they were delivered. The gateway says in
`.cutwater-acted.json` which route it acts on, between two moves: once it has said dark, no file is on its way. This form is
all that a bank's own file gateway has to follow; sandbox/file_gateway.py is one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adapters.files.feed_source import UNFINISHED
from cutwater.core.errors import BadInput, LeaseHeld, Unavailable
from waves.ports import Fence, Outcome, Waiting

MARKER, ACTED = ".cutwater-route.json", ".cutwater-acted.json"
SIDES = ("legacy", "tobe", "dark")
WITHIN_SECONDS, POLL_SECONDS = 5.0, 0.05


@dataclass(frozen=True)
class FileRoute:
    """side: legacy, tobe or dark. A folder without a marker delivers to the legacy side."""

    side: str = "legacy"
    epoch: int = 0
    token: int = 0
    wave: str = ""


def read_route(folder: Path, name: str = MARKER) -> FileRoute | None:
    """None where there is none. Raises BadInput CW3321 for one that cannot be read, Unavailable CW3320 for a folder that
    does not answer."""
    try:
        return FileRoute(**json.loads((folder / name).read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise BadInput(
            "CW3321", f"{folder / name} holds no route", cause=str(error)[:120],
            state="no file is moved while it cannot be read", next="restore it, or remove it: files go to the legacy side then",
        ) from error  # fmt: skip
    except OSError as error:
        raise _away(folder, error) from error


def write_route(folder: Path, route: FileRoute, name: str = MARKER) -> None:
    """A reader sees the old one or the new one, also after a crash. Raises Unavailable CW3320."""
    part = folder / f"{name}.part"
    try:
        with part.open("w", encoding="utf-8") as out:
            json.dump(asdict(route), out)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, folder / name)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _away(folder, error) from error


def complete_files(folder: Path) -> list[Path]:
    """Complete files in order of arrival; hidden ones and those that are still written are none."""
    return [path for _, _, path in sorted(_arrived(folder))]


def _arrived(folder: Path) -> Iterator[tuple[int, str, Path]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.endswith(UNFINISHED):
                continue
            try:
                if entry.is_file(follow_symlinks=False):
                    yield entry.stat(follow_symlinks=False).st_mtime_ns, entry.name, Path(entry.path)
            except FileNotFoundError:  # moved since the listing
                continue


class FilesRoute:
    """Action `files.route` {wave, feed, incoming, side, epoch}: out are feed, side, epoch and held (how many files were waiting
    when the side opened). root: what `incoming` is below of.

    Raises LeaseHeld CW3322 where a later runner or epoch stands there, Waiting CW3323 until the gateway acts on it and, for a
    side that opens, until what was held has left.
    """

    def __init__(self, root: str, within: float = WITHIN_SECONDS) -> None:
        self.root, self.within = Path(root), within

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        folder, wanted = self._of(args, fence.token)
        stored = read_route(folder) or FileRoute()
        _refuse_late(str(args["feed"]), stored, wanted)
        held = _count(folder) if stored.side == "dark" and wanted.side != "dark" else 0
        if stored != wanted:
            write_route(folder, wanted)
        deadline = time.monotonic() + self.within
        while why := self._missing(folder, wanted):
            if time.monotonic() > deadline:
                raise Waiting(
                    "CW3323", f"the file gateway has not yet taken the route of {args['feed']}: {_told(wanted)}", cause=why,
                    state="the marker is written; no file is lost, and none is moved twice", next="nothing: it is asked again",
                )  # fmt: skip
            time.sleep(POLL_SECONDS)
        return _outcome(args, held)

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        """The outcome where the marker stands and the gateway acts on it."""
        folder, wanted = self._of(args, fence.token)
        stored = read_route(folder) or FileRoute()
        if (stored.side, stored.epoch, stored.wave) != (wanted.side, wanted.epoch, wanted.wave):
            return None
        return None if self._missing(folder, stored) else _outcome(args, 0)

    def describe(self, args: Mapping[str, Any]) -> str:
        to = "hold them where they are delivered" if args["side"] == "dark" else f"move them to the {args['side']} side"
        return f"set {args['incoming']}/{MARKER} to {args['side']}, epoch {args['epoch']}: {args['feed']}'s files, {to}"

    def _of(self, args: Mapping[str, Any], token: int) -> tuple[Path, FileRoute]:
        if args["side"] not in SIDES:
            raise BadInput("CW3321", f"files go to {', '.join(SIDES)}, not to {args['side']!r}")
        wanted = FileRoute(str(args["side"]), int(args["epoch"]), token, str(args["wave"]))
        return self.root / str(args["incoming"]), wanted

    def _missing(self, folder: Path, wanted: FileRoute) -> str:
        """What the gateway still owes."""
        acted = read_route(folder, ACTED)
        if acted is None or (acted.side, acted.epoch) != (wanted.side, wanted.epoch):
            return "it has said nothing" if acted is None else f"it acts on {_told(acted)}"
        if wanted.side == "dark":
            return ""
        opened = _stamp(folder)
        late = sum(1 for at, _, _ in _arrived(folder) if at < opened)
        return f"{late} files that were held have not left" if late else ""


def _stamp(folder: Path) -> int:
    return (folder / MARKER).stat().st_mtime_ns


def _count(folder: Path) -> int:
    try:
        return len(complete_files(folder))
    except OSError as error:
        raise _away(folder, error) from error


def _refuse_late(feed: str, stored: FileRoute, wanted: FileRoute) -> None:
    late = stored.token > wanted.token or stored.epoch > wanted.epoch
    other = bool(stored.wave) and stored.wave != wanted.wave and stored.side == "dark"
    if late or other or (stored.epoch == wanted.epoch and stored.side != wanted.side):
        raise LeaseHeld(
            "CW3322", f"the route of {feed}'s files is not ours to set",
            cause=f"it stands at {_told(stored)}, wanted was {_told(wanted)}", state="it was left as it is",
            next=f"cutwater wave status {wanted.wave}",
        )  # fmt: skip


def _told(route: FileRoute) -> str:
    return f"{route.side}, epoch {route.epoch}, token {route.token}" + (f" of {route.wave}" if route.wave else "")


def _outcome(args: Mapping[str, Any], held: int) -> Outcome:
    return {"feed": str(args["feed"]), "side": str(args["side"]), "epoch": int(args["epoch"]), "held": held}


def _away(folder: Path, error: OSError) -> Unavailable:
    return Unavailable(
        "CW3320", f"the folder {folder} of incoming files does not answer", cause=error.strerror or type(error).__name__,
        state="files stay where they were delivered", next="look at its mount, rights and space; it is tried again",
    )  # fmt: skip
