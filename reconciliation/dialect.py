# ruff: noqa: S608 - this module compiles SQL: identifiers are quoted, numbers are integers, no value is ever spliced in
"""What the SQL dialects share: a table becomes canonical texts, an encoding, two lanes, a sum per bucket."""

from __future__ import annotations

import secrets
import string
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inventory.model import TableMapping
from reconciliation.digests import LANE_DIGITS, SPREAD, is_whole, shift_of
from reconciliation.encoding import LENGTH_PREFIXED, Field, Kind, compared, key_fields

GROUP = 50  # fields that are chained without parentheses


def quote(name: str) -> str:
    """A quoted SQL identifier (the same in both dialects)."""
    return '"' + name.replace('"', '""') + '"'


def currency_column(mapping: TableMapping) -> str | None:
    """The column by which money is summed: the one named `currency`, where there is one."""
    return next((item.name for item in compared(mapping) if item.name == "currency" and item.kind is Kind.TEXT), None)


def summed(mapping: TableMapping) -> tuple[Field, ...]:
    """The columns with control totals: decimals, and whole numbers that are no part of the key."""
    return tuple(
        item
        for item in compared(mapping)
        if item.kind is Kind.DECIMAL or (item.kind is Kind.INT and item.name not in mapping.key)
    )


def repeated(relation: str, mapping: TableMapping) -> str:
    """SELECT of how many rows stand beyond the first of their key."""
    key = ", ".join(quote(name) for name in mapping.key)
    return f"SELECT sum(n - 1) FROM (SELECT count(*) AS n FROM {relation} AS t GROUP BY {key} HAVING count(*) > 1) AS x"


@dataclass(frozen=True)
class Marks:
    """What stands between two texts, and for NULL: a control character that texts hardly ever hold, and letters that nobody
    knows before the run."""

    between: str
    null: str

    @staticmethod
    def drawn() -> Marks:
        """New ones, for one run."""
        letters = "".join(secrets.choice(_LETTERS) for _ in range(3))
        return Marks(f"\x1f{letters}", f"\x1e{letters}")


_LETTERS = string.ascii_letters + string.digits


class Dialect(ABC):
    """Compiles the canonical encoding. `relation` is SQL that may stand after FROM; it is made by the adapter.

    marks: rows are digested by their texts with these marks between them, where both sides are asked by one run; without them
    by the canonical encoding.
    """

    fence = ""  # keeps the planner from evaluating an inner expression twice
    marks: Marks | None = None

    @abstractmethod
    def text(self, field: Field) -> str:
        """SQL for the canonical text of a column; NULL stays NULL."""

    @abstractmethod
    def bytes_in(self, text: str) -> str:
        """SQL for the length in bytes of a text."""

    @abstractmethod
    def lane(self, digest: str, start: int) -> str:
        """SQL for 15 hex digits of `digest` from `start` (1-based) as a 64-bit integer."""

    @abstractmethod
    def whole(self, column: str) -> str:
        """SQL for a 64-bit integer of a column of whole numbers, or of their texts."""

    def encoded(self, field: Field, text: str) -> str:
        """SQL for a field's encoding, `text` being a column that holds its canonical text."""
        tag = field.kind.value
        if field.kind in LENGTH_PREFIXED:
            return f"coalesce('{tag}' || {self.bytes_in(text)} || ':' || {text}, '{tag}!')"
        return f"coalesce('{tag}' || {text} || ';', '{tag}!')"

    def row(self, fields: Sequence[Field], names: Mapping[str, str]) -> str:
        """SQL for the encoding of several fields."""
        parts = [self.encoded(item, names[item.name]) for item in fields]
        if len(parts) <= GROUP:
            return " || ".join(parts)
        # Parsers bound how deep an expression may be, and a chain of n is n deep.
        groups = (parts[at : at + GROUP] for at in range(0, len(parts), GROUP))
        return " || ".join(f"({' || '.join(group)})" for group in groups)

    def joined(self, marks: Marks, words: Sequence[str]) -> str:
        """SQL for several texts with marks between them. In groups: PostgreSQL takes a hundred arguments at the most."""
        while len(words) > GROUP:
            words = [
                f"concat_ws('{marks.between}', {', '.join(words[at : at + GROUP])})"
                for at in range(0, len(words), GROUP)
            ]
        return f"concat_ws('{marks.between}', {', '.join(words)})"

    def word(self, field: Field, null: str) -> str:
        """SQL for a field's text, `null` (SQL) standing for NULL."""
        return f"coalesce({self.text(field)}, {null})"

    def bucket(self, mapping: TableMapping, buckets: int, names: Mapping[str, str]) -> str:
        """SQL for the bucket of a row by its key. names: of the columns that hold the key's canonical texts."""
        key = key_fields(mapping)
        if not is_whole(mapping):
            return f"{self.lane(f'md5({self.row(key, names)})', 1)} >> {shift_of(buckets)}"
        parts = (f"coalesce(abs({self.whole(names[item.name])} % {SPREAD}), 0)" for item in key)
        total = " + ".join(part if not at else f"{2 * at + 1} * {part}" for at, part in enumerate(parts))
        return f"({total}) & {buckets - 1}"

    def _digested(self, relation: str, mapping: TableMapping, buckets: int, extra: bool = False) -> str:
        """SELECT of bucket and h (the row's hash), one line per row; extra: of the canonical texts c0, c1, ... as well."""
        fields = compared(mapping)
        # Without a key the row's own hash numbers its bucket: Python has to come to the same number.
        marks = self.marks if mapping.key else None
        if marks is not None and not extra and is_whole(mapping):
            bucket = self.bucket(mapping, buckets, {item.name: quote(item.name) for item in fields})
            row = self.joined(marks, [self.word(item, f"'{marks.null}'") for item in fields])
            return f"SELECT {bucket} AS bucket, md5({row}) AS h FROM {relation} AS t {self.fence}"
        names = {item.name: f"c{number}" for number, item in enumerate(fields)}
        texts = ", ".join(f"{self.text(item)} AS {names[item.name]}" for item in fields)
        if marks is not None:
            row = self.joined(marks, [f"coalesce({name}, '{marks.null}')" for name in names.values()])
        else:
            row = self.row(fields, names)
        carried = "".join(f"{name}, " for name in names.values()) if extra else ""
        bucket = self.bucket(mapping, buckets, names) + " AS bucket, " if mapping.key else ""
        inner = f"SELECT {texts} FROM {relation} AS t {self.fence}"
        found = f"SELECT {carried}{bucket}md5({row}) AS h FROM ({inner}) AS v {self.fence}"
        if mapping.key:
            return found
        return (
            f"SELECT {carried}{self.lane('h', 1)} >> {shift_of(buckets)} AS bucket, h FROM ({found}) AS u {self.fence}"
        )

    def digests(self, relation: str, mapping: TableMapping, buckets: int) -> str:
        """SELECT bucket, count, sum of lane a, sum of lane b; the sums are exact in both dialects."""
        return (
            f"SELECT bucket, count(*) AS n, sum({self.lane('h', 1)}) AS a, sum({self.lane('h', LANE_DIGITS + 1)}) AS b "
            f"FROM ({self._digested(relation, mapping, buckets)}) AS x GROUP BY 1"
        )

    def rows(self, relation: str, mapping: TableMapping, buckets: int, wanted: Sequence[int]) -> str:
        """SELECT of the canonical texts (in the order of the compared fields) of the rows in the wanted buckets.

        With a key only the key is looked at to choose the rows; without one the whole row has to be hashed.
        """
        fields = compared(mapping)
        chosen = ", ".join(str(int(number)) for number in sorted(wanted))
        if buckets > 1 and not mapping.key:
            names = ", ".join(f"c{number}" for number in range(len(fields)))
            return f"SELECT {names} FROM ({self._digested(relation, mapping, buckets, True)}) AS x WHERE bucket IN ({chosen})"
        values = ", ".join(self.text(item) for item in fields)
        if buckets == 1:
            return f"SELECT {values} FROM {relation} AS t"
        texts = {item.name: quote(item.name) if is_whole(mapping) else self.text(item) for item in key_fields(mapping)}
        return f"SELECT {values} FROM {relation} AS t WHERE {self.bucket(mapping, buckets, texts)} IN ({chosen})"

    def encodings(self, relation: str, mapping: TableMapping) -> str:
        """SELECT of each row's encoding: for the property tests."""
        fields = compared(mapping)
        names = {item.name: f"c{number}" for number, item in enumerate(fields)}
        values = ", ".join(f"{self.text(item)} AS {names[item.name]}" for item in fields)
        return f"SELECT {self.row(fields, names)} FROM (SELECT {values} FROM {relation} AS t) AS v"

    def totals(self, relation: str, mapping: TableMapping) -> str:
        """SELECT currency ('' without one), rows, then the exact sum of each summed column."""
        by = currency_column(mapping)
        every = {item.name: item for item in compared(mapping)}
        currency = f"coalesce({self.text(every[by])}, '')" if by else "''"
        sums = "".join(f", sum({quote(item.name)})" for item in summed(mapping))
        return f"SELECT {currency} AS currency, count(*){sums} FROM {relation} AS t GROUP BY 1"
