"""The source systems' side of the feeds in one object: topics from the broker, files from their folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters.files.listing import FileListing
from adapters.kafka.watermarks import Watermarks
from reconciliation.ports import SourceFile


class Sources:
    """Implements `reconciliation.ports.FeedSources`."""

    def __init__(self, topics: Watermarks, files: FileListing) -> None:
        self.topics, self._files = topics, files

    def ends(self, stream: str) -> Mapping[int, tuple[int, int]]:
        return self.topics.ends(stream.split(":", 1)[1])

    def missing_really(self, stream: str, partition: int, offsets: Sequence[tuple[int, int]]) -> Sequence[int]:
        return self.topics.holding(stream.split(":", 1)[1], partition, offsets)

    def files(self, stream: str) -> Sequence[SourceFile]:
        return self._files.files(stream)
