"""Encoding v1 in PostgreSQL (14 or newer: EXTRACT of an epoch is numeric, hence exact, from 14 on)."""

from __future__ import annotations

from reconciliation.dialect import Dialect, Marks, quote
from reconciliation.encoding import Field, Kind


class PostgresDialect(Dialect):
    """`server`: server_version_num; from 160000 on hex text is cast to an integer directly, which is faster. filled: columns that
    hold no NULL."""

    fence = "OFFSET 0"

    def __init__(self, server: int = 160000, marks: Marks | None = None, filled: frozenset[str] = frozenset()) -> None:
        self.server, self.marks, self.filled = server, marks, filled

    def text(self, field: Field) -> str:
        name = quote(field.name)
        match field.kind:
            case Kind.INT:
                return f"{name}::text"
            case Kind.DECIMAL:
                return self._decimal(field, name)
            case Kind.DATE:
                return f"CASE WHEN isfinite({name}) THEN ({name} - DATE '1970-01-01')::text ELSE {name}::text END"
            case Kind.INSTANT | Kind.LOCAL:
                # EXTRACT is exact but slow. A double holds the seconds of these years to a quarter of a microsecond (2^32 s have
                # an ulp of 0.5 us), so rounding gives the same digits; outside them, and above all after 2255, it would not.
                quick = f"(date_part('epoch', {name}) * 1000000)::int8::text"
                exact = f"(extract(epoch FROM {name}) * 1000000)::int8::text"
                near = f"{name} BETWEEN '1900-01-01 00:00:00+00' AND '2100-01-01 00:00:00+00'"
                return f"CASE WHEN {near} THEN {quick} WHEN isfinite({name}) THEN {exact} ELSE {name}::text END"
            case Kind.BOOL:
                return f"CASE WHEN {name} THEN '1' WHEN NOT {name} THEN '0' END"
            case Kind.BINARY:
                return f"encode({name}, 'hex')"
            case Kind.FLOAT:
                return f"CASE WHEN {name} = 'NaN' THEN 'NaN' ELSE encode(float{field.width}send({name}), 'hex') END"
            case Kind.TEXT if field.printed:
                return f"CASE WHEN {name} IS DISTINCT FROM NULL THEN format('%s', {name}) END"
            case Kind.TEXT:
                text = f"{name}::text"  # of char(n) this drops the padding: it is no part of the value
                return f"rtrim({text}, ' ')" if field.padded else text

    def _decimal(self, field: Field, name: str) -> str:
        if field.pg_scale == field.scale:
            return f"{name}::text"
        padded = f"round({name}, {field.scale})::text"
        if field.pg_scale is not None and field.pg_scale < field.scale:
            return padded
        # Wider than the lake's type: digits that do not fit are shown as a difference, never rounded away.
        return f"CASE WHEN round({name}, {field.scale}) = {name} THEN {padded} ELSE trim_scale({name})::text END"

    def bytes_in(self, text: str) -> str:
        return f"octet_length({text})"

    def word(self, field: Field, null: str) -> str:
        # Nothing is cast that concat_ws writes as it is: each cast is a copy of the text, for every row.
        if field.name not in self.filled:
            return super().word(field, null)
        plain = field.kind is Kind.INT or (field.kind is Kind.DECIMAL and field.pg_scale == field.scale)
        return quote(field.name) if plain else self.text(field)

    def whole(self, column: str) -> str:
        return f"{column}::int8"

    def lane(self, digest: str, start: int) -> str:
        digits = f"substr({digest}, {start}, 15)"
        return f"('0x' || {digits})::int8" if self.server >= 160000 else f"('x0' || {digits})::bit(64)::int8"
