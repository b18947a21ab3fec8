# ruff: noqa: S608 - this module compiles SQL: identifiers are quoted, numbers are integers, no value is ever spliced in
"""What the SQL dialects share: a table becomes canonical texts, an encoding, two lanes, a sum per bucket."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from inventory.model import TableMapping
from reconciliation.digests import LANE_DIGITS, shift_of
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


class Dialect(ABC):
    """Compiles the canonical encoding. `relation` is SQL that may stand after FROM; it is made by the adapter."""

    fence = ""  # keeps the planner from evaluating an inner expression twice

    @abstractmethod
    def text(self, field: Field) -> str:
        """SQL for the canonical text of a column; NULL stays NULL."""

    @abstractmethod
    def bytes_in(self, text: str) -> str:
        """SQL for the length in bytes of a text."""

    @abstractmethod
    def lane(self, digest: str, start: int) -> str:
        """SQL for 15 hex digits of `digest` from `start` (1-based) as a 64-bit integer."""

    def encoded(self, field: Field, text: str) -> str:
        """SQL for a field's encoding, `text` being a column that holds its canonical text."""
        tag = field.kind.value
        if field.kind in LENGTH_PREFIXED:
            return f"coalesce('{tag}' || {self.bytes_in(text)} || ':' || {text}, '{tag}!')"
        return f"coalesce('{tag}' || {text} || ';', '{tag}!')"

    def row(self, fields: Sequence[Field], names: dict[str, str]) -> str:
        """SQL for the encoding of several fields."""
        parts = [self.encoded(item, names[item.name]) for item in fields]
        if len(parts) <= GROUP:
            return " || ".join(parts)
        # Parsers bound how deep an expression may be, and a chain of n is n deep.
        groups = (parts[at : at + GROUP] for at in range(0, len(parts), GROUP))
        return " || ".join(f"({' || '.join(group)})" for group in groups)

    def _lanes(self, relation: str, mapping: TableMapping, extra: str = "") -> str:
        """SELECT of `extra`, k (the key's first lane), a and b (the row's lanes), one line per row."""
        fields = compared(mapping)
        names = {item.name: f"c{number}" for number, item in enumerate(fields)}
        values = ", ".join(f"{self.text(item)} AS {names[item.name]}" for item in fields)
        row = self.row(fields, names)
        key = self.row(key_fields(mapping), names) if mapping.key else ""
        hashes = f"md5({row}) AS h" + (f", md5({key}) AS g" if key else "")
        carried = f"{extra}, " if extra else ""
        ordered = ", ".join(names.values()) + ", " if extra else ""
        inner = f"SELECT {values} FROM {relation} AS t {self.fence}"
        middle = f"SELECT {ordered}{hashes} FROM ({inner}) AS v {self.fence}"
        return (
            f"SELECT {carried}{self.lane('g' if key else 'h', 1)} AS k, {self.lane('h', 1)} AS a, "
            f"{self.lane('h', LANE_DIGITS + 1)} AS b FROM ({middle}) AS w {self.fence}"
        )

    def digests(self, relation: str, mapping: TableMapping, buckets: int) -> str:
        """SELECT bucket, count, sum of lane a, sum of lane b; the sums are exact in both dialects."""
        return (
            f"SELECT k >> {shift_of(buckets)} AS bucket, count(*) AS n, sum(a) AS a, sum(b) AS b "
            f"FROM ({self._lanes(relation, mapping)}) AS x GROUP BY 1"
        )

    def rows(self, relation: str, mapping: TableMapping, buckets: int, wanted: Sequence[int]) -> str:
        """SELECT of the canonical texts (in the order of the compared fields) of the rows in the wanted buckets.

        With a key only the key is hashed to choose the rows; without one the whole row has to be.
        """
        fields = compared(mapping)
        chosen = ", ".join(str(int(number)) for number in sorted(wanted))
        if buckets > 1 and not mapping.key:
            names = ", ".join(f"c{number}" for number in range(len(fields)))
            return f"SELECT {names} FROM ({self._lanes(relation, mapping, names)}) AS x WHERE k >> {shift_of(buckets)} IN ({chosen})"
        values = ", ".join(self.text(item) for item in fields)
        if buckets == 1:
            return f"SELECT {values} FROM {relation} AS t"
        key = " || ".join(self.encoded(item, self.text(item)) for item in key_fields(mapping))
        return f"SELECT {values} FROM {relation} AS t WHERE {self.lane(f'md5({key})', 1)} >> {shift_of(buckets)} IN ({chosen})"

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
