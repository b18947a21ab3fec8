"""Rows of the lake's copy brought back to what the source holds, at a point where both are otherwise equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from psycopg import sql

from adapters.iceberg.commits import FENCE, FOLDED, REPAIR, check_fence
from adapters.iceberg.types import arrow_schema, current_columns
from adapters.postgres.backfill import read_query, select_list
from adapters.postgres.connection import connect, translated
from cutwater.core.errors import BadInput
from inventory.model import TableMapping
from waves.ports import Fence, Outcome

if TYPE_CHECKING:
    from adapters.spark.fold import FoldingStream


def repair(stream: FoldingStream, tables: Mapping[str, Sequence[Sequence[Any]]], run: str, fence: Fence) -> Outcome:
    """For each key: the source's row at the pin replaces whatever the copy holds; no row there, none here.

    tables: {target: [[key values in the mapping's order], ...]}; for a table without key the list is ignored and the
    whole table is read again. Each commit carries `cutwater.repair` = the reconciliation run that asked for it.
    """
    done: dict[str, Any] = {}
    known = {m.target: m for m in stream.tables.values()}
    with (
        stream.lock,
        connect(stream.dsn, stream.wave, autocommit=False) as pin,
        translated("repairing rows", "what was repaired before stays repaired"),
    ):
        pin.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        snapshot, exported = pin.execute("SELECT pg_current_snapshot()::text, pg_export_snapshot()").fetchone() or (
            "",
            "",
        )
        stream.drain_to(stream.emit_marker(), fence)
        stream.fold(snapshot, fence)
        for target, keys in sorted(tables.items()):
            if target not in known:
                raise BadInput(
                    "CW3208",
                    f"{target} is no table of this wave",
                    state="nothing was repaired",
                    next="cutwater reconcile breaks",
                )
            done[target] = _repair_table(stream, known[target], keys, (snapshot, exported), run, fence)
    return {"tables": done, "pg_snapshot": snapshot}


def _repair_table(
    stream: FoldingStream,
    mapping: TableMapping,
    keys: Sequence[Sequence[Any]],
    pin: tuple[str, str],
    run: str,
    fence: Fence,
) -> dict[str, int]:
    from pyiceberg.expressions import AlwaysTrue

    query = sql.SQL("SELECT {c} FROM {t}").format(
        c=select_list(mapping), t=sql.Identifier(mapping.source_schema, mapping.source_table)
    )
    if mapping.key:
        names = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(k)) for k in mapping.key)
        wanted = sql.SQL(", ").join(
            sql.SQL("({})").format(sql.SQL(", ").join(sql.Literal(str(v)) for v in key)) for key in keys
        )
        query += sql.SQL(" WHERE ({}) IN ({})").format(names, wanted)
    _, rows = read_query(stream.dsn, mapping, query.as_string(None), stream.wave, exported=pin[1])
    table = stream.catalog.load_table(mapping.target)
    check_fence(table, fence.token)
    where = _filter(mapping, keys) if mapping.key else AlwaysTrue()
    rows = rows.cast(arrow_schema(current_columns(mapping)))
    table.overwrite(
        rows, overwrite_filter=where, snapshot_properties={FOLDED: pin[0], REPAIR: run, FENCE: str(fence.token)}
    )
    return {"keys": len(keys), "rows": rows.num_rows}


def _filter(mapping: TableMapping, keys: Sequence[Sequence[Any]]) -> Any:
    from pyiceberg.expressions import And, EqualTo, Or

    kinds = {c.name: c.lake_type for c in mapping.columns}
    found: Any = None
    for key in keys:
        one: Any = None
        for name, value in zip(mapping.key, key, strict=True):
            typed = int(value) if kinds[name] in ("long", "int") else value
            term = EqualTo(term=name, value=typed)
            one = term if one is None else And(one, term)
        found = one if found is None else Or(found, one)
    return found
