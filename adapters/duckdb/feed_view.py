# ruff: noqa: S608 - relations are made by LakeReader; streams are parameters
"""The lake's side of the feeds: raw.message, raw.intake and core.payment_event at one snapshot each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from adapters.duckdb.lake import LakeReader
from cutwater.core.clock import iso
from reconciliation.encoding import EPOCH, MICROSECOND
from reconciliation.ports import Intake, IntakeRow, LakeEvent, LakeMessage

# The tap writes raw, then events, then the outcome: read in the opposite order, what an outcome names is there.
INTAKE, EVENTS, RAW = "raw.intake", "core.payment_event", "raw.message"
MOST_ROWS = 5_000  # of each sort: many harmless duplicates must not hide one conflict

_RUNS = """
SELECT part, min(place), max(place) + 1 FROM (
  SELECT part, place, place - row_number() OVER (PARTITION BY part ORDER BY place) AS island
  FROM (SELECT DISTINCT "partition" AS part, "offset" AS place FROM {raw} WHERE stream = ? AND "offset" IS NOT NULL)
) GROUP BY part, island ORDER BY 1, 2
"""
_ROWS = """
WITH i AS (SELECT * FROM {intake} WHERE stream = ?),
e AS (SELECT message_id, count(*) AS n FROM {events} WHERE stream = ? GROUP BY 1),
m AS (SELECT message_id, any_value(coalesce(file_name, position)) AS name, any_value(epoch_us(received_at)) AS received_at
      FROM {raw} WHERE stream = ? GROUP BY 1)
SELECT m.message_id, m.name, m.received_at, coalesce(i.outcome, ''), coalesce(i.events, 0), coalesce(i.duplicates, 0),
       coalesce(e.n, 0), coalesce(i.findings, ''), coalesce(i.control, '')
FROM m LEFT JOIN i USING (message_id) LEFT JOIN e USING (message_id)
WHERE i.outcome IS NULL OR i.outcome NOT IN ('accepted', 'control') OR i.duplicates > 0
   OR (i.outcome = 'accepted' AND coalesce(e.n, 0) <> i.events - i.duplicates)
   OR coalesce(i.findings, '') LIKE '%control_total%'
QUALIFY row_number() OVER (PARTITION BY
    CASE WHEN i.outcome IS NULL THEN 'undecided' WHEN i.outcome NOT IN ('accepted', 'duplicate') THEN 'refused'
         WHEN i.outcome = 'accepted' AND coalesce(e.n, 0) <> i.events - i.duplicates THEN 'unbooked'
         WHEN coalesce(i.findings, '') LIKE '%control_total%' THEN 'total' ELSE 'known' END
    ORDER BY m.received_at, m.message_id) <= {most}
ORDER BY m.received_at, m.message_id
"""


class LakeFeedView:
    """One snapshot per table until `refresh`; answers are kept until then."""

    def __init__(self, reader: LakeReader) -> None:
        self.reader = reader
        self._pins: dict[str, int | None] = {}

    def refresh(self) -> Mapping[str, str]:
        for name in (INTAKE, EVENTS, RAW):
            self._pins[name] = self.reader.current(name)
        return {name: "none" if found is None else str(found) for name, found in sorted(self._pins.items())}

    def offsets(self, stream: str) -> Mapping[int, Sequence[tuple[int, int]]]:
        runs: dict[int, list[tuple[int, int]]] = {}
        for part, first, past in self.reader.query(_RUNS.format(raw=self._at(RAW)), [stream]):
            runs.setdefault(int(part), []).append((int(first), int(past)))
        return runs

    def messages(self, stream: str) -> Sequence[LakeMessage]:
        query = (
            "SELECT message_id, coalesce(file_name, position), sha256, epoch_us(received_at), coalesce(lt, ''), "
            f"coalesce(session, ''), sequence FROM {self._at(RAW)} WHERE stream = ? ORDER BY 2, 1"
        )
        return [
            LakeMessage(str(ident), str(name), str(sha), _text(at), str(lt), str(session), _whole(number))
            for ident, name, sha, at, lt, session, number in self.reader.query(query, [stream])
        ]

    def intake(self, stream: str) -> Intake:
        raw, intake, events = self._at(RAW), self._at(INTAKE), self._at(EVENTS)
        ((messages, distinct),) = self.reader.query(
            f"SELECT count(*), count(DISTINCT message_id) FROM {raw} WHERE stream = ?", [stream]
        )
        outcomes = self.reader.query(
            f"SELECT coalesce(i.outcome, ''), count(*) FROM (SELECT DISTINCT message_id FROM {raw} WHERE stream = ?) m "
            f"LEFT JOIN (SELECT * FROM {intake} WHERE stream = ?) i USING (message_id) GROUP BY 1",
            [stream, stream],
        )
        ((doubled,),) = self.reader.query(
            f"SELECT count(*) - count(DISTINCT event_key) FROM {events} WHERE stream = ?", [stream]
        )
        rows = self.reader.query(
            _ROWS.format(raw=raw, intake=intake, events=events, most=MOST_ROWS), [stream, stream, stream]
        )
        return Intake(
            messages=int(distinct),
            outcomes={str(name): int(number) for name, number in outcomes},
            doubled=int(messages) - int(distinct),
            events_doubled=int(doubled),
            rows=tuple(
                IntakeRow(
                    str(ident), str(name), _text(at), str(outcome), int(n), int(known), int(booked), found, control
                )
                for ident, name, at, outcome, n, known, booked, found, control in rows
            ),
        )

    def events(self, streams: Sequence[str], kind: str) -> Sequence[LakeEvent]:
        places = ", ".join("?" for _ in streams)
        query = (
            "SELECT coalesce(uetr, ''), coalesce(instruction_id, ''), coalesce(status, ''), amount, coalesce(currency, ''), "
            f"epoch_us(event_time), message_id FROM {self._at(EVENTS)} WHERE stream IN ({places}) AND kind = ?"
        )
        rows = self.reader.query(query, [*streams, kind])
        return [
            LakeEvent(uetr, instruction, status, amount, currency, _instant(micros), message)
            for uetr, instruction, status, amount, currency, micros, message in rows
        ]

    def _at(self, name: str) -> str:
        if name not in self._pins:
            self.refresh()
        return self.reader.relation(name, self._pins[name])


def _instant(micros: int | None) -> datetime | None:
    """Instants come as integers: DuckDB's own conversion needs a time zone library that we do not carry."""
    return None if micros is None else EPOCH + micros * MICROSECOND


def _text(micros: int | None) -> str:
    found = _instant(micros)
    return "" if found is None else iso(found)


def _whole(value: int | None) -> int | None:
    return None if value is None else int(value)
