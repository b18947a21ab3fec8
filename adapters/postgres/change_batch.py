"""Decoded changes collected column by column, typed by Arrow at the end of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from adapters.iceberg.types import arrow_schema, arrow_type, change_columns
from adapters.postgres.arrow_reader import wider
from adapters.postgres.pgoutput import UNCHANGED, Relation, Value
from cutwater.core.errors import BadInput, Refused
from inventory.model import TableMapping

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class TableChanges:
    """The changes of one table in one batch; values stay text until `arrow` types them."""

    mapping: TableMapping
    lsn: list[int] = field(default_factory=list)
    seq: list[int] = field(default_factory=list)
    xid: list[int] = field(default_factory=list)
    op: list[str] = field(default_factory=list)
    at: list[datetime] = field(default_factory=list)
    unchanged: list[str | None] = field(default_factory=list)
    values: list[list[str | None]] = field(default_factory=list)

    def add(self, op: str, lsn: int, seq: int, xid: int, at: datetime, row: tuple[Value, ...]) -> None:
        self.lsn.append(lsn)
        self.seq.append(seq)
        self.xid.append(xid)
        self.op.append(op)
        self.at.append(at)
        names = [column.name for column, value in zip(self.mapping.columns, row, strict=True) if value is UNCHANGED]
        self.unchanged.append(",".join(map(listed, names)) or None)
        self.values.append([None if value is UNCHANGED else value for value in row])  # type: ignore[misc]

    def __len__(self) -> int:
        return len(self.op)

    def arrow(self) -> pa.Table:
        """Raises BadInput (CW3127) for a value that its lake type cannot carry: nothing is rounded or nulled."""
        import pyarrow as pa

        schema = arrow_schema(change_columns(self.mapping))
        front: list[Any] = [self.lsn, self.seq, self.xid, self.op, self.at, self.unchanged]
        arrays = [pa.array(items, kind.type) for items, kind in zip(front, schema, strict=False)]
        columns = list(zip(*self.values, strict=True)) if self.values else [() for _ in self.mapping.columns]
        for declared, texts in zip(self.mapping.columns, columns, strict=True):
            arrays.append(typed_column(self.mapping, declared.name, declared.lake_type, texts))
        return pa.Table.from_arrays(arrays, schema=schema)


def typed_column(mapping: TableMapping, name: str, lake_type: str, texts: Sequence[str | None]) -> pa.Array:
    """PostgreSQL's text forms as an Arrow array of the lake's type; raises BadInput (CW3127)."""
    import pyarrow as pa

    try:
        if lake_type == "boolean":
            return pa.array([None if text is None else text == "t" for text in texts], pa.bool_())
        if lake_type == "binary":
            return pa.array(
                [None if text is None else bytes.fromhex(text.removeprefix("\\x")) for text in texts], pa.binary()
            )
        plain = pa.array(texts, pa.string())
        return plain if lake_type == "string" else plain.cast(arrow_type(lake_type), safe=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise BadInput(
            "CW3127",
            f"{mapping.asset_id}.{name} holds a value that {lake_type} cannot carry",
            cause=str(error).splitlines()[0][:120],
            state="the change stream stands before this change; nothing was rounded",
            next=wider(mapping, name),
        ) from error


def listed(name: str) -> str:
    """A column's name as it stands in the comma-separated list `_unchanged`."""
    return name.replace("%", "%25").replace(",", "%2C")


def check_relation(relation: Relation, mapping: TableMapping, types: Sequence[str]) -> None:
    """DDL shows as a relation of another shape: refused (CW3128) with the columns' names.

    So is a replica identity that no longer carries the key (CW3117): its DELETEs would find no row.
    """
    found, planned = [name for name, *_ in relation.columns], [c.name for c in mapping.columns]
    carried = {name for name, _, _, part_of_identity in relation.columns if part_of_identity}
    if relation.identity != "f" and not (mapping.key and set(mapping.key) <= carried):
        raise Refused(
            "CW3117",
            f"the replica identity of {mapping.asset_id} was changed: its DELETEs and UPDATEs can no longer be followed",
            state="the change stream stands before this change; the slot keeps everything after it",
            money="nothing switched; customers are on the old platform",
            next="cutwater wave abandon, set the replica identity back, then plan again",
        )
    retyped = [
        f"{c.name} is now {kind}"
        for c, name, kind in zip(mapping.columns, found, types, strict=False)
        if c.name == name and c.pg_type != kind
    ]
    if found == planned and not retyped:
        return
    added, gone = sorted(set(found) - set(planned)), sorted(set(planned) - set(found))
    words = "; ".join(
        part
        for part in (
            f"added {', '.join(added)}" if added else "",
            f"gone {', '.join(gone)}" if gone else "",
            ", ".join(retyped),
        )
        if part
    )
    raise Refused(
        "CW3128",
        f"{mapping.asset_id} was altered while its changes are followed",
        cause=words or "its columns stand in another order",
        state="the change stream stands before this change; the slot keeps everything after it",
        money="nothing switched; customers are on the old platform",
        next="undo the change, or cutwater wave abandon and plan again with the new shape",
    )


def filled(new: tuple[Value, ...], old: tuple[Value, ...] | None) -> tuple[Value, ...]:
    """With REPLICA IDENTITY FULL the old row carries what the new one leaves out as unchanged."""
    if old is None:
        return new
    return tuple(
        before if value is UNCHANGED and before is not None else value for value, before in zip(new, old, strict=True)
    )
