"""The fold as SQL: the changes of a window, one row per key, merged into the current table.

A window is what the new snapshot sees and the last fold's did not; at the first fold, what the range's own copy did
not see. The exact SQL is asserted in tests without Spark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.iceberg.catalog import NAME
from adapters.postgres.change_batch import listed
from adapters.postgres.snapshot import PgSnapshot
from inventory.model import TableMapping

_CAN_BE_UNCHANGED = ("string", "binary")


@dataclass(frozen=True)
class CopiedRange:
    """A range of the first key column and the snapshot that it was copied in; `upper` None is open."""

    upper: int | None
    snapshot: PgSnapshot


def range_of(key: int | None, ranges: Sequence[CopiedRange]) -> CopiedRange:
    """The range that a key was copied in; the same rule as the CASE of `window`."""
    if key is None:
        return ranges[-1]
    return next((item for item in ranges[:-1] if item.upper is not None and key < item.upper), ranges[-1])


def quoted(name: str) -> str:
    """A Spark identifier."""
    return "`" + name.replace("`", "``") + "`"


def table(name: str) -> str:
    return ".".join(quoted(part) for part in (NAME, *name.split(".")))


def window(mapping: TableMapping, now: PgSnapshot, ranges: Sequence[CopiedRange]) -> str:
    """The predicate over a change table; `ranges` ascending, a single open one after the first fold."""
    floor = min(item.snapshot.xmin for item in ranges)
    if len(ranges) == 1:
        known = ranges[0].snapshot.sql("_xid")
    else:
        key = quoted(mapping.key[0])
        cases = " ".join(f"WHEN {key} < {item.upper} THEN {item.snapshot.sql('_xid')}" for item in ranges[:-1])
        known = f"CASE {cases} ELSE {ranges[-1].snapshot.sql('_xid')} END"
    return f"_xid >= {floor} AND {now.sql('_xid')} AND NOT {known}"


def merge(mapping: TableMapping, where: str) -> str:
    """The MERGE of a keyed table. A row whose large value is nowhere to be found fails the statement."""
    keys, names = list(mapping.key), [c.name for c in mapping.columns]
    loose = {c.name for c in mapping.columns if c.lake_type in _CAN_BE_UNCHANGED and c.name not in keys}
    picked = ["max_by(_op, _ord) AS _op"]
    for name in names:
        if name in keys:
            continue
        if name in loose:
            present = f"FILTER (WHERE NOT array_contains(_kept, '{_text(listed(name))}'))"
            picked.append(f"max_by({quoted(name)}, _ord) {present} AS {quoted(name)}")
            picked.append(f"count(1) {present} > 0 AS {quoted('_has_' + name)}")
        else:
            picked.append(f"max_by({quoted(name)}, _ord) AS {quoted(name)}")
    by = ", ".join(map(quoted, keys))
    on = " AND ".join(f"t.{quoted(k)} = s.{quoted(k)}" for k in keys)
    sets = ", ".join(f"t.{quoted(n)} = {_kept(n, loose)}" for n in names if n not in keys)
    values = ", ".join(_new(n, loose) for n in names)
    update = f" WHEN MATCHED THEN UPDATE SET {sets}" if sets else ""
    return (
        f"MERGE INTO {table(mapping.target)} t USING (SELECT {by}, {', '.join(picked)} FROM (SELECT *, struct(_lsn, _seq) AS _ord, "
        f"split(coalesce(_unchanged, ''), ',') AS _kept FROM {table(mapping.changes)} WHERE {where}) GROUP BY {by}) s ON {on}"
        f" WHEN MATCHED AND s._op = 'D' THEN DELETE{update}"
        f" WHEN NOT MATCHED AND s._op <> 'D' THEN INSERT ({', '.join(map(quoted, names))}) VALUES ({values})"
    )


def rebuild(mapping: TableMapping, where: str) -> str:
    """A table without key as a multiset: rows now + inserted - deleted; a delete of what is not there fails."""
    names = ", ".join(quoted(c.name) for c in mapping.columns)
    return (
        f"INSERT OVERWRITE {table(mapping.target)} SELECT {names} FROM (SELECT {names}, sum(_n) AS _n FROM ("
        f"SELECT {names}, 1 AS _n FROM {table(mapping.target)} UNION ALL "
        f"SELECT {names}, CASE _op WHEN 'D' THEN -1 ELSE 1 END AS _n FROM {table(mapping.changes)} WHERE {where}) GROUP BY {names})"
        " LATERAL VIEW explode(CASE WHEN _n < 0 THEN raise_error('a row was deleted that the copy does not hold')"
        " WHEN _n = 0 THEN array() ELSE sequence(1, CAST(_n AS INT)) END) copies AS _copy"
    )


def _text(name: str) -> str:
    return name.replace("\\", "\\\\").replace("'", "\\'")


def _kept(name: str, loose: set[str]) -> str:
    new = f"s.{quoted(name)}"
    return f"CASE WHEN s.{quoted('_has_' + name)} THEN {new} ELSE t.{quoted(name)} END" if name in loose else new


def _new(name: str, loose: set[str]) -> str:
    new = f"s.{quoted(name)}"
    if name not in loose:
        return new
    return f"CASE WHEN s.{quoted('_has_' + name)} THEN {new} ELSE raise_error('{_text(name)}: its value is neither in the copy nor in the stream') END"
