"""The lake's types in their three spellings: ours (`long`, `decimal(23,5)`), Arrow's and PyIceberg's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cutwater.core.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa

    from inventory.model import TableMapping
    from lakehouse.tables import Column

_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")


def arrow_type(lake_type: str) -> pa.DataType:
    """Raises BadInput (CW3202) for a type that the lake has no carrier for."""
    import pyarrow as pa

    simple = {
        "long": pa.int64(),
        "int": pa.int32(),
        "string": pa.string(),
        "date": pa.date32(),
        "timestamptz": pa.timestamp("us", tz="UTC"),
        "timestamp": pa.timestamp("us"),
        "boolean": pa.bool_(),
        "binary": pa.binary(),
        "double": pa.float64(),
        "float": pa.float32(),
    }
    if match := _DECIMAL.fullmatch(lake_type):
        return pa.decimal128(int(match[1]), int(match[2]))
    if lake_type not in simple:
        raise BadInput("CW3202", f"the lake has no type {lake_type!r}", next="map the column to another type")
    return simple[lake_type]


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """The Arrow schema of a table's definition."""
    import pyarrow as pa

    return pa.schema([pa.field(c.name, arrow_type(c.type), nullable=not c.required) for c in columns])


def current_columns(mapping: TableMapping) -> list[Column]:
    """The columns of `legacy.<table>`: the source's own, key columns required."""
    from lakehouse.tables import Column

    return [Column(c.name, c.lake_type, c.name in mapping.key) for c in mapping.columns]


def change_columns(mapping: TableMapping) -> list[Column]:
    """The columns of `legacy_changes.<table>`: ours in front, the source's all nullable (a DELETE carries its key alone)."""
    from lakehouse.tables import CHANGE_COLUMNS, Column

    return [*CHANGE_COLUMNS, *(Column(c.name, c.lake_type) for c in mapping.columns)]
