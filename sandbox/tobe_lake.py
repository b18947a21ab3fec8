"""What the To-Be API reads from the lake: the serving table legacy.payment, and what was begun on the legacy side.

The lake is behind by its streams' lag, and says so. It is asked for what the store does not know; where it does not answer
or holds no copy yet, nothing is known from it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cutwater.core.clock import iso, utc_now
from cutwater.core.config import Endpoints
from cutwater.core.errors import CutwaterError

if TYPE_CHECKING:
    from pyiceberg.table import Table

PAYMENT, STATUS, ACCOUNT = "legacy.payment", "legacy.payment_status", "legacy.account"
_PAYMENT_FIELDS = ("payment_id", "uetr", "status", "amount", "currency", "end_to_end_id", "value_date", "updated_at")
_STATUS_FIELDS = ("payment_id", "seq", "status", "reason_code", "reported_by", "occurred_at")
_MILLISECOND = timedelta(milliseconds=1)


class NoCopy(LookupError):
    """The lake has no such table (yet), or its catalog does not answer."""


class Lake:
    """`endpoints` is asked at the first use: servers' ports may be others after a restart."""

    def __init__(self, endpoints: Callable[[], Endpoints]) -> None:
        self.endpoints = endpoints
        self._catalog: Any = None
        self._guard = threading.Lock()

    def warm(self) -> None:
        """Loads the reader and opens the catalog, so that the first client does not wait for it."""
        with suppress(NoCopy):
            self._table(PAYMENT)

    def serving(self, uetr: str) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """The payment's row in the serving table, and what it is as of: {snapshot, as_of, lag_ms}. Raises NoCopy."""
        table = self._table(PAYMENT)
        snapshot = table.current_snapshot()
        if snapshot is None:
            raise NoCopy(f"{PAYMENT} was never written")
        at = datetime.fromtimestamp(snapshot.timestamp_ms // 1000, UTC).replace(
            microsecond=snapshot.timestamp_ms % 1000 * 1000
        )
        lag = max(0, (utc_now() - at) // _MILLISECOND)
        rows = _rows(table, "uetr", uetr, _PAYMENT_FIELDS)
        return (rows[0] if rows else None), {"snapshot": snapshot.snapshot_id, "as_of": iso(at), "lag_ms": lag}

    def payment(self, uetr: str) -> dict[str, Any] | None:
        """The payment's row in the lake; None where it is not there or the lake is not."""
        try:
            rows = _rows(self._table(PAYMENT), "uetr", uetr, _PAYMENT_FIELDS)
        except NoCopy:
            return None
        return rows[0] if rows else None

    def history(self, uetr: str) -> list[dict[str, Any]]:
        """The payment's statuses in the lake, by number, in JSON's form; [] where there are none or the lake is not."""
        from sandbox.legacy_store import plain_row

        found = self.payment(uetr)
        if found is None:
            return []
        try:
            rows = _rows(self._table(STATUS), "payment_id", found["payment_id"], _STATUS_FIELDS)
        except NoCopy:
            return []
        return [plain_row(row) for row in sorted(rows, key=lambda row: int(row["seq"]))]

    def accounts(self, ibans: list[str]) -> dict[str, tuple[int, str]]:
        """IBAN -> (account_id, currency), of those that the lake knows."""
        found: dict[str, tuple[int, str]] = {}
        for iban in ibans:
            try:
                rows = _rows(self._table(ACCOUNT), "iban", iban, ("account_id", "currency"))
            except NoCopy:
                return found
            if rows:
                found[iban] = (int(rows[0]["account_id"]), str(rows[0]["currency"]))
        return found

    def _table(self, name: str) -> Table:
        from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
        from sqlalchemy.exc import SQLAlchemyError

        from adapters.iceberg.catalog import open_catalog

        with self._guard:
            try:
                if self._catalog is None:
                    self._catalog = open_catalog(self.endpoints())
                table: Table = self._catalog.load_table(name)
            except (NoSuchTableError, NoSuchNamespaceError) as error:
                raise NoCopy(f"the lake has no {name}") from error
            except (SQLAlchemyError, CutwaterError, OSError) as error:
                self._catalog = None
                raise NoCopy(f"the lake does not answer: {type(error).__name__}") from error
        return table


def _rows(table: Table, column: str, value: Any, fields: tuple[str, ...]) -> list[dict[str, Any]]:
    from pyiceberg.expressions import EqualTo

    where: Any = EqualTo  # its signature is hidden from mypy

    known = {item.name for item in table.schema().fields}
    wanted = tuple(name for name in fields if name in known)
    try:
        found = table.scan(row_filter=where(column, value), selected_fields=wanted).to_arrow()
    except OSError as error:
        raise NoCopy(f"the lake's files do not answer: {type(error).__name__}") from error
    return [dict(row) for row in found.to_pylist()]
