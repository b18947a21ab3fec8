"""SWIFT's archive as four feeds: {in,out}/<yyyymmdd>/<lt12>_<session4>_<seq6>.fin|.ack|.xml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from adapters.files.feed_source import FolderSource
from cutwater.core.clock import Clock, utc_now

_NAME = re.compile(r"(?P<lt>[A-Z0-9]{12})_(?P<session>[0-9]{4})_(?P<sequence>[0-9]{6})\.(?P<kind>fin|ack|xml)")


def envelope(name: str) -> dict[str, Any]:
    """LT, session and sequence number (OSN received, ISN sent) from the archive's name.

    An ACK or NAK has no OSN of its own: its name is the sent message's, kept as the header `answers`, so that it neither
    fills nor makes a gap.
    """
    match = _NAME.fullmatch(name.rpartition("/")[2])
    if match is None:
        return {}
    if match["kind"] == "ack":
        return {"headers": {"answers": f"{match['lt']}_{match['session']}_{match['sequence']}"}}
    return {"lt": match["lt"], "session": match["session"], "sequence": int(match["sequence"])}


def swift_sources(swift_dir: Path, settle: float = 1.0, clock: Clock = utc_now) -> list[FolderSource]:
    """fin-in (with the ACKs), fin-out, mx-in, mx-out."""
    feeds = (
        ("swift:fin-in", "in", (".fin", ".ack")),
        ("swift:fin-out", "out", (".fin",)),
        ("swift:mx-in", "in", (".xml",)),
        ("swift:mx-out", "out", (".xml",)),
    )
    return [
        FolderSource(stream, swift_dir / side, suffixes, depth=1, settle=settle, envelope=envelope, clock=clock)
        for stream, side, suffixes in feeds
    ]
