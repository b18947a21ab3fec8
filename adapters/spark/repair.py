"""Rows of the lake's copy brought back to what the source holds, at a point where both are otherwise equal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from psycopg import sql

from adapters.iceberg.commits import FENCE, FOLDED, REPAIR, check_fence, without_retry
from adapters.iceberg.types import arrow_schema, current_columns
from adapters.postgres.arrow_reader import lock_statement, read_query, select_list
from adapters.postgres.connection import connect, translated
from cutwater.core.errors import BadInput
from inventory.model import TableMapping
from reconciliation.encoding import key_fields, value_of
from waves.ports import Fence, Outcome

if TYPE_CHECKING:
    import pyarrow as pa

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
        pin.execute(lock_statement(list(known.values())))  # before the snapshot: to it a rewritten table looks empty
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
        if not keys:
            return {"keys": 0, "rows": 0}
        wanted = [_typed(mapping, key) for key in keys]
        query += sql.SQL(" WHERE ") + _predicate(mapping, wanted)
    _, rows = read_query(stream.dsn, mapping, query.as_string(None), stream.wave, exported=pin[1])
    table = without_retry(stream.catalog.load_table(mapping.target))
    check_fence(table, fence.token)
    rows = rows.cast(arrow_schema(current_columns(mapping)))
    # What is asked for, and what is about to be written, in its exact form: nothing can stand there twice.
    where = _filter(mapping, [*_padded(mapping, wanted), *_keys_of(mapping, rows)]) if mapping.key else AlwaysTrue()
    table.overwrite(
        rows, overwrite_filter=where, snapshot_properties={FOLDED: pin[0], REPAIR: run, FENCE: str(fence.token)}
    )
    return {"keys": len(keys), "rows": rows.num_rows}


def _typed(mapping: TableMapping, key: Sequence[Any]) -> tuple[Any, ...]:
    """Canonical texts (days, microseconds, hex: reconciliation.encoding) as values."""
    return tuple(
        value_of(field, value) if isinstance(value, str) else value
        for field, value in zip(key_fields(mapping), key, strict=True)
    )


def _predicate(mapping: TableMapping, keys: Sequence[tuple[Any, ...]]) -> sql.Composable:
    """The keys in the source's own types: a text of another form would find nothing, and the copy's row would go."""
    kinds = {column.name: column.pg_type for column in mapping.columns}
    names = sql.SQL(", ").join(map(sql.Identifier, mapping.key))
    rows = (
        sql.SQL(", ").join(
            sql.SQL("CAST({} AS {})").format(sql.Literal(_literal(value)), sql.SQL(kinds[name]))
            for name, value in zip(mapping.key, key, strict=True)
        )
        for key in keys
    )
    return sql.SQL("({}) IN ({})").format(names, sql.SQL(", ").join(sql.SQL("({})").format(row) for row in rows))


def _literal(value: Any) -> str:
    return "\\x" + value.hex() if isinstance(value, bytes) else str(value)


def _padded(mapping: TableMapping, keys: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The copy holds char(n) with its blanks; the canonical text has none."""
    widths = []
    for field in key_fields(mapping):
        kind = next(c.pg_type for c in mapping.columns if c.name == field.name)
        found = re.search(r"\((\d+)\)", kind)
        widths.append(int(found[1]) if field.padded and found else 0)
    return [tuple(v.ljust(w) if w else v for v, w in zip(key, widths, strict=True)) for key in keys]


def _keys_of(mapping: TableMapping, rows: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(rows[name].to_pylist() for name in mapping.key), strict=True))


def _filter(mapping: TableMapping, keys: Sequence[tuple[Any, ...]]) -> Any:
    from pyiceberg.expressions import And, EqualTo, In, Or

    chosen = sorted(set(keys), key=repr)
    if len(mapping.key) == 1:
        return In(term=mapping.key[0], literals=[key[0] for key in chosen])
    rows = [
        And(*(EqualTo(term=name, value=value) for name, value in zip(mapping.key, key, strict=True))) for key in chosen
    ]
    return Or(*rows) if len(rows) > 1 else rows[0]
