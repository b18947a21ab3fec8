# ruff: noqa: S608 - names of relations are our own
"""Both sides of the feeds for a run that follows a basis: what came since, and nothing twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.duckdb.feed_view import LakeFeedView
from adapters.duckdb.lake import LakeReader
from cutwater.core.errors import Inconclusive
from reconciliation.basis import Basis, FeedBasis
from reconciliation.feeds import basename
from reconciliation.ports import FeedSources, LakeMessage, SourceFile


class LakeFeedsSince(LakeFeedView):
    """Reads the files that were appended to the feed tables since the basis's marks. What the basis has judged by name is
    left out, but for the files that a gap behind them would be seen by."""

    def __init__(self, reader: LakeReader, basis: Basis) -> None:
        super().__init__(reader)
        self.basis = basis
        self._relations: dict[str, str] = {}

    def refresh(self) -> Mapping[str, str]:
        self._relations.clear()
        return super().refresh()

    def messages(self, stream: str) -> Sequence[LakeMessage]:
        known = self.basis.feeds.get(stream, FeedBasis())
        fresh = [item for item in super().messages(stream) if basename(item.name) not in known.files]
        return [*(_anchor(item) for item in known.anchors), *fresh]

    def _at(self, name: str) -> str:
        if name not in self._pins:
            self.refresh()
        if name not in self._relations:
            if name not in self.basis.marks:
                raise Inconclusive("CW4017", f"the basis has no mark of {name}")
            added = self.reader.added(name, self.basis.marks[name], self._pins[name])
            # Many small files, asked many times: once into memory, without what the messages say.
            self._relations[name] = f"since_{name.replace('.', '_')}"
            kept = "* EXCLUDE (payload)" if "payload" in self.reader.schema(name) else "*"
            self.reader.query(f"CREATE OR REPLACE TEMP TABLE {self._relations[name]} AS SELECT {kept} FROM {added}")
        return self._relations[name]


class SourcesSince:
    """`reconciliation.ports.FeedSources` from the basis's ends on."""

    def __init__(self, sources: FeedSources, basis: Basis) -> None:
        self.sources, self.basis = sources, basis

    def ends(self, stream: str) -> Mapping[int, tuple[int, int]]:
        past = self.basis.feeds.get(stream, FeedBasis()).past
        return {
            number: (min(max(begin, past.get(number, begin)), end), end)
            for number, (begin, end) in self.sources.ends(stream).items()
        }

    def missing_really(self, stream: str, partition: int, offsets: Sequence[tuple[int, int]]) -> Sequence[int]:
        return self.sources.missing_really(stream, partition, offsets)

    def files(self, stream: str) -> Sequence[SourceFile]:
        """New files, and those that were written to since the basis saw them."""
        known = self.basis.feeds.get(stream, FeedBasis())
        fresh = [
            item
            for item in self.sources.files(stream)
            if basename(item.name) not in known.files or known.files[basename(item.name)] != item.modified_at
        ]
        return [*(_file(item) for item in known.anchors), *fresh]


def _file(item: Mapping[str, Any]) -> SourceFile:
    return SourceFile(**item)


def _anchor(item: Mapping[str, Any]) -> LakeMessage:
    file = _file(item)
    return LakeMessage("basis", file.name, file.sha256, file.modified_at, file.lt, file.session, file.sequence)
