"""Encoding v1 in DuckDB: the lake side. SUM of a BIGINT is a HUGEINT, exact; of a UHUGEINT it would be a double."""

from __future__ import annotations

from reconciliation.dialect import Dialect, Marks, quote
from reconciliation.encoding import Field, Kind


class DuckDialect(Dialect):
    """The columns have the types of the Iceberg schema; PostgreSQL's jsonb, uuid and enums are VARCHAR here."""

    def __init__(self, marks: Marks | None = None) -> None:
        self.marks = marks

    def text(self, field: Field) -> str:
        name = quote(field.name)
        match field.kind:
            case Kind.INT | Kind.DECIMAL:
                return f"{name}::VARCHAR"
            case Kind.DATE:
                return f"CASE WHEN isfinite({name}) THEN ({name} - DATE '1970-01-01')::VARCHAR ELSE {name}::VARCHAR END"
            case Kind.INSTANT | Kind.LOCAL:
                return f"CASE WHEN isfinite({name}) THEN epoch_us({name})::VARCHAR ELSE {name}::VARCHAR END"
            case Kind.BOOL:
                return f"CASE WHEN {name} THEN '1' WHEN NOT {name} THEN '0' END"
            case Kind.BINARY:
                return f"lower(hex({name}))"
            case Kind.FLOAT:
                bits = f"{name}::BIT::{'UINTEGER' if field.width == 4 else 'UBIGINT'}"
                digits = f"lower(lpad(to_hex({bits}), {2 * field.width}, '0'))"
                return f"CASE WHEN isnan({name}) THEN 'NaN' ELSE {digits} END"
            case Kind.TEXT:
                text = f"lower({name}::VARCHAR)" if field.uuid else name
                return f"rtrim({text}, ' ')" if field.padded else text

    def bytes_in(self, text: str) -> str:
        return f"strlen({text})"

    def whole(self, column: str) -> str:
        return f"{column}::BIGINT"

    def lane(self, digest: str, start: int) -> str:
        return f"('0x' || substr({digest}, {start}, 15))::BIGINT"
