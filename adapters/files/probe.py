"""A marked file in a drop or an archive: written aside and renamed, so that nobody reads a half one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from adapters.probe.message_file import MarkedFile
from cutwater.core.errors import Unavailable
from waves.ports import Outcome


@dataclass(frozen=True)
class FileProbe:
    """roots: `drop` and `swift` -> folder. send and find answer with the place: stream and name, as the feed names it."""

    roots: Mapping[str, str]

    def send(self, probe: MarkedFile, known: Mapping[str, str]) -> Outcome:
        """Raises Unavailable (CW3067) where the folder cannot be written."""
        path = self._path(probe)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.part")
            part.write_bytes(probe.text.encode("utf-8"))
            os.replace(part, path)
        except OSError as error:
            raise Unavailable(
                "CW3067", f"the probe {path.name} could not be delivered", cause=error.strerror or type(error).__name__,
                state="nothing is dark", next="look at the folder's rights and space; it is tried again",
            ) from error  # fmt: skip
        return self._place(probe)

    def find(self, probe: MarkedFile, known: Mapping[str, str]) -> Outcome | None:
        return self._place(probe) if self._path(probe).exists() else None

    def _path(self, probe: MarkedFile) -> Path:
        return Path(self.roots[probe.through]) / probe.folder / probe.name

    def _place(self, probe: MarkedFile) -> Outcome:
        """A dated archive's names begin with the day's folder."""
        day = probe.folder.rpartition("/")[2]
        name = f"{day}/{probe.name}" if probe.through == "swift" else probe.name
        return {"stream": probe.stream, "name": name}
