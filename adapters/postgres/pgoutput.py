"""pgoutput, protocol version 1, decoded to values: what `pg_logical_slot_peek_binary_changes` returns.

Source: PostgreSQL documentation, "Logical Replication Message Formats". Values arrive in text form.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cutwater.core.errors import Refused

_PG_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Unchanged:
    """The marker of a TOAST column that an update did not touch: its value is not in the stream."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED = Unchanged()
Value = str | None | Unchanged


@dataclass(frozen=True)
class Begin:
    final_lsn: int
    committed_at: datetime
    xid32: int


@dataclass(frozen=True)
class Commit:
    lsn: int
    end_lsn: int


@dataclass(frozen=True)
class Relation:
    """A table as the stream describes it. columns: (name, type oid, type modifier, is part of the identity)."""

    oid: int
    schema: str
    table: str
    identity: str  # d default, n nothing, f full, i index
    columns: tuple[tuple[str, int, int, bool], ...]


@dataclass(frozen=True)
class Insert:
    relation: int
    new: tuple[Value, ...]


@dataclass(frozen=True)
class Update:
    """old: the old key or row where the stream carries it (identity FULL, or the key changed), else None."""

    relation: int
    old: tuple[Value, ...] | None
    new: tuple[Value, ...]


@dataclass(frozen=True)
class Delete:
    relation: int
    old: tuple[Value, ...]


@dataclass(frozen=True)
class Truncate:
    relations: tuple[int, ...]


@dataclass(frozen=True)
class Message:
    """`pg_logical_emit_message`."""

    transactional: bool
    lsn: int
    prefix: str
    content: bytes


@dataclass(frozen=True)
class Origin:
    name: str


@dataclass(frozen=True)
class TypeName:
    oid: int
    name: str


Decoded = Begin | Commit | Relation | Insert | Update | Delete | Truncate | Message | Origin | TypeName


def decode(data: bytes) -> Decoded:
    """One message. Raises Refused (CW3120) for a kind that this decoder does not know: nothing is skipped."""
    kind = data[:1]
    reader = _READERS.get(kind)
    if reader is None:
        raise Refused(
            "CW3120", f"the change stream holds a message of unknown kind {kind!r}", state="the slot has not moved"
        )
    return reader(data)


def _begin(data: bytes) -> Begin:
    final, micros, xid = struct.unpack_from("!QqI", data, 1)
    return Begin(final, _PG_EPOCH + timedelta(microseconds=micros), xid)


def _commit(data: bytes) -> Commit:
    _flags, lsn, end, _micros = struct.unpack_from("!BQQq", data, 1)
    return Commit(lsn, end)


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(0, at)
    return data[at:end].decode("utf-8"), end + 1


def _relation(data: bytes) -> Relation:
    (oid,) = struct.unpack_from("!I", data, 1)
    schema, at = _text(data, 5)
    table, at = _text(data, at)
    identity, (count,) = chr(data[at]), struct.unpack_from("!H", data, at + 1)
    at += 3
    columns = []
    for _ in range(count):
        part_of_key = data[at] == 1
        name, at = _text(data, at + 1)
        type_oid, modifier = struct.unpack_from("!Ii", data, at)
        at += 8
        columns.append((name, type_oid, modifier, part_of_key))
    return Relation(oid, schema or "pg_catalog", table, identity, tuple(columns))


def _row(data: bytes, at: int) -> tuple[tuple[Value, ...], int]:
    (count,) = struct.unpack_from("!H", data, at)
    at += 2
    values: list[Value] = []
    for _ in range(count):
        mark = data[at]
        at += 1
        if mark == 0x74:  # t: text
            (size,) = struct.unpack_from("!I", data, at)
            at += 4
            values.append(data[at : at + size].decode("utf-8"))
            at += size
        elif mark == 0x6E:  # n: NULL
            values.append(None)
        elif mark == 0x75:  # u: unchanged TOAST
            values.append(UNCHANGED)
        else:
            raise Refused(
                "CW3120",
                f"the change stream holds a value of unknown form {chr(mark)!r}",
                state="the slot has not moved",
            )
    return tuple(values), at


def _insert(data: bytes) -> Insert:
    (oid,) = struct.unpack_from("!I", data, 1)
    new, _ = _row(data, 6)
    return Insert(oid, new)


def _update(data: bytes) -> Update:
    (oid,) = struct.unpack_from("!I", data, 1)
    old, at = None, 5
    if data[at : at + 1] in (b"K", b"O"):
        old, at = _row(data, at + 1)
    new, _ = _row(data, at + 1)
    return Update(oid, old, new)


def _delete(data: bytes) -> Delete:
    (oid,) = struct.unpack_from("!I", data, 1)
    old, _ = _row(data, 6)
    return Delete(oid, old)


def _truncate(data: bytes) -> Truncate:
    count, _options = struct.unpack_from("!IB", data, 1)
    return Truncate(struct.unpack_from(f"!{count}I", data, 6))


def _message(data: bytes) -> Message:
    flags, lsn = struct.unpack_from("!BQ", data, 1)
    prefix, at = _text(data, 10)
    (size,) = struct.unpack_from("!I", data, at)
    return Message(bool(flags & 1), lsn, prefix, data[at + 4 : at + 4 + size])


def _origin(data: bytes) -> Origin:
    return Origin(_text(data, 9)[0])


def _type(data: bytes) -> TypeName:
    (oid,) = struct.unpack_from("!I", data, 1)
    schema, at = _text(data, 5)
    name, _ = _text(data, at)
    return TypeName(oid, f"{schema}.{name}" if schema else name)


_READERS: dict[bytes, Callable[[bytes], Decoded]] = {
    b"B": _begin,
    b"C": _commit,
    b"R": _relation,
    b"I": _insert,
    b"U": _update,
    b"D": _delete,
    b"T": _truncate,
    b"M": _message,
    b"O": _origin,
    b"Y": _type,
}
