"""Sequences of the side that is to take writes: above everything that either side has handed out, with a margin.

Rows that come by reverse sync or by copy bring their numbers along and never advance a sequence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from adapters.postgres import fence_schema as schema
from adapters.postgres.connection import Connection, connect, translated, where
from adapters.postgres.fence_schema import Sides, dsn_of
from cutwater.core.errors import Refused
from waves.ports import Fence, Outcome

Column = tuple[str, str, str]  # schema, table, column
Pair = Mapping[str, Sequence[str]]  # side -> its column

# Owned and identity sequences depend on their column; where a default only calls nextval, the default depends on the sequence.
_SEQUENCES = """
SELECT DISTINCT k.nspname::text, c.relname::text, a.attname::text, sk.nspname::text, sc.relname::text,
  s.seqincrement, s.seqmin, s.seqmax, s.seqstart
FROM pg_sequence s JOIN pg_class sc ON sc.oid = s.seqrelid JOIN pg_namespace sk ON sk.oid = sc.relnamespace
JOIN (
  SELECT d.objid AS seq, d.refobjid AS rel, d.refobjsubid AS num FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
  UNION
  SELECT d.refobjid, f.adrelid, f.adnum FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid
    WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
) o ON o.seq = s.seqrelid
JOIN pg_attribute a ON a.attrelid = o.rel AND a.attnum = o.num
JOIN pg_class c ON c.oid = o.rel JOIN pg_namespace k ON k.oid = c.relnamespace
WHERE NOT a.attisdropped AND k.nspname NOT IN ('pg_catalog', 'information_schema') AND c.relkind IN ('r', 'p') ORDER BY 1, 2, 3, 4, 5
"""


@dataclass(frozen=True)
class Owned:
    """A sequence and the column that it feeds."""

    column: Column
    name: tuple[str, str]
    increment: int
    least: int
    most: int
    start: int


class RaiseSequences:
    """`sequences.raise` {to, margin, from?}: `to` and `from` are sides; without `from` it is the other one of two.

    pairs: columns of both sides that share their numbers, [{side: [schema, table, column], ...}, ...].

    Every owned, identity or default sequence of the receiving side is set so that its next value lies more than `margin` above both
    columns' greatest value and the giving side's last one. None is ever lowered, so a repetition changes nothing. Without
    pairs: the columns that both sides have under one name. Raises LeaseHeld (CW3402), Refused (CW3411) where the sequence ends
    below. Out: sequences, raised: {name: [before, after]}.
    """

    def __init__(self, sides: Sides, pairs: Sequence[Pair] | None = None) -> None:
        self.sides, self.pairs = sides, pairs

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        giver, taker, margin, wave = self._giver(args), str(args["to"]), int(args["margin"]), fence.wave
        giving, taking = dsn_of(self.sides, giver), dsn_of(self.sides, taker)
        named = args.get("pairs") or self.pairs
        pairs = None if named is None else {_column(pair[taker]): _column(pair[giver]) for pair in named}
        with (
            connect(giving, wave) as old,
            connect(taking, wave) as new,
            translated(f"raising the sequences of {where(taking)}", "those that were raised stay so"),
        ):
            theirs, raised, seen = list(owned(old)), {}, set()
            fed: set[Column] = set()
            for mine, column in _paired(owned(new), {o.column for o in theirs}, pairs):
                numbers = [_furthest(new, mine.column, mine.increment), _furthest(old, column, mine.increment)]
                numbers += [_last(old, o.name) for o in theirs if o.column == column]
                known = [number for number in numbers if number is not None]
                before, after = _raise(new, mine, _target(mine, known, margin), wave, fence.token)
                seen.add(mine.name)
                fed.add(mine.column)
                if before != after:
                    raised[".".join(mine.name)] = [before, after]
        if pairs is not None and (lost := set(pairs) - fed):
            raise _no_sequence(taker, lost)
        return {"sequences": len(seen), "raised": raised}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # doing it again changes nothing

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"raise the sequences of {args['to']} above those of {self._giver(args)} by {args['margin']}"

    def _giver(self, args: Mapping[str, Any]) -> str:
        others = [side for side in self.sides if side != args["to"]]
        return str(args.get("from") or (others[0] if len(others) == 1 else ""))


def _no_sequence(side: str, lost: set[Column]) -> Refused:
    """A pair that was named and does nothing would let both sides hand out one number."""
    return Refused(
        "CW3411",
        f"no sequence of {side} feeds {', '.join('.'.join(column) for column in sorted(lost))}",
        cause="the wave file pairs this column with one of the other side",
        state="the other sequences were raised",
        next="mend the pairs in the wave file, then plan again",
    )


def owned(db: Connection) -> Iterator[Owned]:
    """Every sequence that feeds a column of the database."""
    for s, t, c, ss, sn, increment, least, most, start in db.execute(_SEQUENCES).fetchall():
        yield Owned((s, t, c), (ss, sn), increment, least, most, start)


def _paired(
    mine: Iterator[Owned], theirs: set[Column], named: Mapping[Column, Column] | None
) -> Iterator[tuple[Owned, Column]]:
    for sequence in mine:
        if named is None and sequence.column in theirs:
            yield sequence, sequence.column
        elif named is not None and sequence.column in named:
            yield sequence, named[sequence.column]


def _column(parts: Sequence[str]) -> Column:
    schema_name, table, column = parts
    return schema_name, table, column


def _furthest(db: Connection, column: Column, increment: int) -> int | None:
    """The greatest value of a column; the least one where its sequence counts down."""
    found = db.execute(
        sql.SQL("SELECT {}({})::numeric FROM {}").format(
            sql.SQL("max" if increment > 0 else "min"), sql.Identifier(column[2]), sql.Identifier(*column[:2])
        )
    ).fetchone()
    return None if found is None or found[0] is None else int(found[0])


def _last(db: Connection, name: tuple[str, str]) -> int | None:
    found = db.execute(sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(*name))).fetchone()
    return int(found[0]) if found and found[1] else None


def _target(mine: Owned, known: list[int], margin: int) -> int | None:
    """The value that the sequence must have handed out at least, in its own steps; None where there is nothing to be above."""
    if not known:
        return None
    up = mine.increment > 0
    wanted = max(known) + margin if up else min(known) - margin
    steps = -(-(wanted - mine.start) // mine.increment)  # rounded up: two sides that share the numbers keep their own
    target = mine.start + max(steps, 0) * mine.increment
    if not mine.least <= target <= mine.most:
        raise Refused(
            "CW3411",
            f"the sequence {'.'.join(mine.name)} ends at {mine.most if up else mine.least}, it would have to reach {target}",
            cause=f"the greatest value of {'.'.join(mine.column)} on both sides, and the margin of {margin}",
            state="it was left as it is",
            next="ALTER SEQUENCE ... AS bigint, or raise its MAXVALUE, then cutwater wave resume",
        )
    return target


def _raise(db: Connection, mine: Owned, target: int | None, wave: str, token: int) -> tuple[int | None, int | None]:
    before = _last(db, mine.name)
    if target is None or (before is not None and (before >= target if mine.increment > 0 else before <= target)):
        return before, before
    name = sql.Identifier(*mine.name)
    behind = sql.SQL("<" if mine.increment > 0 else ">")
    with db.transaction():
        schema.check_token(schema.read(db, wave, "FOR SHARE"), wave, token)
        db.execute(
            sql.SQL("SELECT setval({}::regclass, {}) FROM {} AS s WHERE NOT s.is_called OR s.last_value {} {}").format(
                sql.Literal(name.as_string(db)), sql.Literal(target), name, behind, sql.Literal(target)
            )
        )
    return before, _last(db, mine.name)
