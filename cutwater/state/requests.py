"""Requests: how a command speaks to the wave's runner, which is another process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select, update

from cutwater.core.clock import iso, parse_iso
from cutwater.core.errors import BadInput
from cutwater.state.database import Database, dump, load
from cutwater.state.models import Request
from cutwater.state.records import RequestRow


class Requests:
    """Ask, answer, look at the result. Each request is answered once: the first answer stands."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def ask(self, wave: str, kind: str, payload: Mapping[str, Any] | None = None) -> int:
        """Leaves a request and returns its id."""
        with self.database.write() as connection:
            result = connection.execute(
                insert(Request)
                .values(
                    wave=wave,
                    kind=kind,
                    payload=dump(payload or {}, f"the request {kind}"),
                    state="open",
                    asked_at=iso(self.database.now(connection)),
                )
                .returning(Request.id)
            )
            return int(result.scalar_one())

    def pending(self, wave: str) -> list[RequestRow]:
        """The wave's open requests, oldest first."""
        query = select(Request.__table__).where(Request.wave == wave, Request.state == "open").order_by(Request.id)
        with self.database.read() as connection:
            return [_request(row) for row in connection.execute(query)]

    def answer(self, request_id: int, payload: Mapping[str, Any]) -> None:
        self._settle(request_id, "answered", payload)

    def fail(self, request_id: int, error: Mapping[str, Any]) -> None:
        self._settle(request_id, "failed", error)

    def result(self, request_id: int) -> RequestRow:
        """The request as it stands; raises BadInput CW2009 where there is none of that id."""
        with self.database.read() as connection:
            row = connection.execute(select(Request.__table__).where(Request.id == request_id)).one_or_none()
        if row is None:
            raise BadInput("CW2009", f"there is no request {request_id}", next="cutwater wave status")
        return _request(row)

    def _settle(self, request_id: int, state: str, answer: Mapping[str, Any]) -> None:
        with self.database.write() as connection:
            connection.execute(
                update(Request)
                .where(Request.id == request_id, Request.state == "open")
                .values(
                    state=state,
                    answer=dump(answer, f"the answer to request {request_id}"),
                    answered_at=iso(self.database.now(connection)),
                )
            )


def _request(row: Any) -> RequestRow:
    return RequestRow(
        row.id,
        row.wave,
        row.kind,
        load(row.payload),
        row.state,
        parse_iso(row.asked_at),
        load(row.answer) if row.answer is not None else None,
        parse_iso(row.answered_at) if row.answered_at is not None else None,
    )
