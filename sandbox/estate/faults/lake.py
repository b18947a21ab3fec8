"""Faults in the To-Be copy: a row that is lost, an amount that is altered. The product repairs them itself."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adapters.iceberg.catalog import open_catalog
from cutwater.core.errors import Refused, Unavailable
from sandbox.estate.faults.common import Facts, Scene

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

TABLE = "legacy.payment"
_TRIES = 8  # the change stream commits to the same table: the later one of two commits starts anew
CENT = Decimal("0.01")


def lose_row(scene: Scene) -> Facts:
    """Deletes one payment from the lake's copy."""
    payment_id, uetr = scene.old_payment(("API", "KAFKA"))
    with open_catalog(scene.endpoints) as catalog:
        before = _row(catalog, payment_id)
        _commit(catalog, lambda table: table.delete(_of(payment_id)))
    told = {name: str(before[name]) for name in ("amount", "currency", "status")}
    return {**_facts(payment_id, uetr), "before": told, "after": None}


def alter_amount(scene: Scene) -> Facts:
    """Adds 0.01 to the amount of one payment in the lake's copy."""
    payment_id, uetr = scene.old_payment(("API", "KAFKA"))
    chosen = _of(payment_id)

    def overwrite(table: Table) -> None:
        import pyarrow

        found = table.scan(row_filter=chosen).to_arrow()
        index = found.schema.get_field_index("amount")
        column = found.schema.field(index)
        altered = [value + CENT for value in found.column(index).to_pylist()]
        table.overwrite(found.set_column(index, column, pyarrow.array(altered, column.type)), overwrite_filter=chosen)

    with open_catalog(scene.endpoints) as catalog:
        before = _row(catalog, payment_id)["amount"]
        _commit(catalog, overwrite)
    return {
        **_facts(payment_id, uetr),
        "field": "amount",
        "before": {"amount": str(before)},
        "after": {"amount": str(before + CENT)},
    }


def _facts(payment_id: int, uetr: str) -> Facts:
    return {"asset": "postgres:payhub.payment", "place": f"lake:{TABLE}", "key": str(payment_id), "uetr": uetr}


def _table(catalog: Catalog) -> Table:
    from pyiceberg.exceptions import NoSuchTableError

    try:
        return catalog.load_table(TABLE)
    except NoSuchTableError:
        raise _missing(f"the lake has no table {TABLE}") from None


def _row(catalog: Catalog, payment_id: int) -> dict[str, Any]:
    found = _table(catalog).scan(row_filter=_of(payment_id)).to_arrow().to_pylist()
    if len(found) != 1:
        raise _missing(f"{TABLE} has {len(found)} rows of payment {payment_id}")
    return dict(found[0])


def _commit(catalog: Catalog, change: Callable[[Table], None]) -> None:
    from pyiceberg.exceptions import CommitFailedException

    for left in reversed(range(_TRIES)):
        try:
            change(_table(catalog))
        except CommitFailedException as error:
            if not left:
                raise Unavailable(
                    "CW1208", f"{TABLE} was committed to by somebody else {_TRIES} times in a row", cause=str(error)
                ) from error
        else:
            return


def _of(payment_id: int) -> str:
    """The rows of one payment, in PyIceberg's filter language."""
    return f"payment_id = {payment_id}"


def _missing(what: str) -> Refused:
    return Refused("CW1208", what, state="no fault was planted", next="cutwater wave run, until the backfill is done")
