"""What an ad hoc comparison asks of its two places, and of the lane that joins rows where many differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from inventory.model import TableMapping
from reconciliation.adhoc_rows import Difference
from reconciliation.dialect import Marks
from reconciliation.equality import Equality
from reconciliation.forms import Form
from reconciliation.ports import Pin, PinnedPair, TableSide


class TextSide(TableSide, Protocol):
    """A side whose rows can be streamed."""

    def texts(
        self, mapping: TableMapping, pin: Pin, buckets: int, wanted: Sequence[int]
    ) -> AbstractContextManager[Any]:
        """Canonical texts of the compared fields, as Arrow record batches: of the wanted buckets (buckets = 1: of all rows)."""


class LocatedSide(TextSide, Protocol):
    """A side that says its own columns. forms, derived, marks: set before it is compared. moved: bytes that were read from it so far.
    derived: column -> the SQL that stands for it."""

    types: dict[str, str]
    key: tuple[str, ...]
    forms: dict[str, Form]
    derived: dict[str, str]
    marks: Marks | None
    moved: int

    def described(self, expression: str) -> str:
        """The type of an expression over the table. Raises BadInput CW4034."""

    def repeated(self, mapping: TableMapping) -> int:
        """Rows beyond the first of their key."""

    def unchanged(self) -> str:
        """What happened to it since it was pinned, in words; '' where nothing did."""


class TextMaker(Protocol):
    """Makes the copy in which differences are planted; marks: those of the sides."""

    marks: Marks | None

    def copy_of(self, mapping: TableMapping, rows: Sequence[Mapping[str, Any]]) -> AbstractContextManager[TextSide]:
        """A side that holds exactly `rows`; gone when the block ends."""


class Joined(Protocol):
    """Two sides joined. rows: differing rows by class, as `document` names them; fields: differing values per column."""

    rows: Counter[str]
    fields: Counter[str]

    def differences(self, most: int | None) -> Iterator[Difference]:
        """The first `most` differences, in the order of the source's rows; None: all."""

    def equal(self, most: int) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """Up to `most` pairs of (source's, target's) rows that were found equal, spread over the table."""


class Joiner(Protocol):
    """Joins by key what two sides stream, in bounded memory."""

    def joined(
        self,
        mapping: TableMapping,
        source: TextSide,
        target: TextSide,
        pair: PinnedPair,
        buckets: int,
        wanted: Sequence[int],
        equality: Equality,
    ) -> AbstractContextManager[Joined]:
        """Raises Unavailable where a side cannot be read to its end, or the disk is full."""
