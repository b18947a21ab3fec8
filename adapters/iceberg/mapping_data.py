"""Mappings travel through plans and journals as plain data; here they become values again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inventory.model import ColumnMapping, FieldClass, TableMapping


def mapping_of(data: Mapping[str, Any]) -> TableMapping:
    """From the plan's plain form (see `dataclasses.asdict`)."""
    columns = tuple(
        ColumnMapping(c["name"], c["pg_type"], c["lake_type"], bool(c["nullable"]), FieldClass(c["field_class"]))
        for c in data["columns"]
    )
    return TableMapping(data["source_schema"], data["source_table"], data["target"], tuple(data["key"]), columns)
