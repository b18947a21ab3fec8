"""In which order the tables of a wave are copied: what is referred to comes first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inventory.model import Asset


def parents_first(tables: Sequence[Asset]) -> tuple[list[Asset], dict[str, str]]:
    """Tables in an order that follows their foreign keys (by name among equals), and why each stands where it does.

    A cycle of foreign keys is broken at its first name: copies need no order to be right, it only makes the lake
    readable earlier.
    """
    waiting = {item.id: {str(key["references"]) for key in references(item)} - {item.id} for item in tables}
    by_id, done, reasons = {item.id: item for item in tables}, list[Asset](), dict[str, str]()
    while waiting:
        ready = sorted(name for name, parents in waiting.items() if not parents & waiting.keys())
        name = ready[0] if ready else min(waiting)
        inside = sorted(parent.split(".", 1)[-1] for parent in waiting[name] if parent in by_id)
        if not ready:
            reasons[name] = "foreign keys form a cycle: begun at its first name"
        elif inside:
            reasons[name] = f"after {', '.join(inside)}, which it refers to"
        else:
            reasons[name] = "refers to no other table of the wave"
        done.append(by_id[name])
        del waiting[name]
    return done, reasons


def references(table: Asset) -> list[Mapping[str, Any]]:
    """The foreign keys of a table, `references` as an asset id."""
    found = table.structure.get("foreign_keys")
    keys: list[Mapping[str, Any]] = list(found) if isinstance(found, list | tuple) else []
    schema = table.name.split(".", 1)[0]
    return [{**key, "references": _asset_id(str(key["references"]), schema)} for key in keys]


def _asset_id(name: str, schema: str) -> str:
    if name.startswith("postgres:"):
        return name
    return f"postgres:{name}" if "." in name else f"postgres:{schema}.{name}"
