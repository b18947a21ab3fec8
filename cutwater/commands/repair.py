"""What `cutwater reconcile repair` does: the rows of open breaks are read from the source again, at a pin."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from adapters.iceberg.mapping_data import mapping_of
from cutwater.commands.reconcile import plan_of
from cutwater.core.errors import Refused, Unavailable
from cutwater.state.store import Store
from inventory.model import TableMapping
from reconciliation.breaks import OPEN, BreakClass

# What the copy can be cured of by reading the source's row again. A break of a feed is its sender's to repair.
CURABLE = (
    BreakClass.MISSING_IN_TARGET,
    BreakClass.MISSING_IN_SOURCE,
    BreakClass.AMOUNT_MISMATCH,
    BreakClass.FIELD_MISMATCH,
    BreakClass.STATUS_MISMATCH,
    BreakClass.DUPLICATE_TARGET,
)
WAIT_SECONDS = 300.0


@dataclass(frozen=True)
class Repaired:
    """The run whose breaks were repaired, the keys per table, and the breaks that are not the copy's."""

    run: str
    tables: dict[str, int]
    left: tuple[str, ...]


def repair(store: Store, wave: str) -> Repaired:
    """Asks the wave's runner to repair; nothing is believed repaired until the next reconciliation says so.

    Raises Refused (CW3211) where there is nothing to repair, Unavailable (CW3212) where no runner answers.
    """
    body = plan_of(store, wave).body
    mappings = {item.asset_id: item for item in map(mapping_of, body["mappings"])}
    latest = store.recon.latest(wave)
    found = store.recon.breaks(run_id=str(latest["run"])) if latest else []
    open_ones = [item for item in found if item["state"] == OPEN]
    tables: dict[str, list[list[str]]] = {}
    left = []
    for item in open_ones:
        mapping = mappings.get(item["asset"])
        if mapping is None or item["cls"] not in CURABLE or not _is_of_table(item, mapping):
            left.append(str(item["id"]))
            continue
        keys = tables.setdefault(mapping.target, [])
        key = _key(mapping, str(item["key"]))
        if key and key not in keys:
            keys.append(key)
    if not tables:
        return Repaired(str(latest["run"]) if latest else "", {}, tuple(left))
    answer = _asked(store, wave, {"tables": tables, "run": str(latest["run"]) if latest else ""})
    return Repaired(
        str(latest["run"]) if latest else "", {n: int(t["rows"]) for n, t in answer["tables"].items()}, tuple(left)
    )


def _is_of_table(item: dict[str, Any], mapping: TableMapping) -> bool:
    return not mapping.key or len(_key(mapping, str(item["key"]))) == len(mapping.key)


def _key(mapping: TableMapping, text: str) -> list[str]:
    """The values of `payment_id=17, seq=2`, in the mapping's order; empty for another form."""
    values: list[str] = []
    rest = text
    for i, name in enumerate(mapping.key):
        if not rest.startswith(f"{name}="):
            return []
        rest = rest.removeprefix(f"{name}=")
        following = f", {mapping.key[i + 1]}=" if i + 1 < len(mapping.key) else None
        value, _, tail = rest.partition(following) if following else (rest, "", "")
        values.append(value)
        rest = f"{mapping.key[i + 1]}={tail}" if following else ""
    return values


def _asked(store: Store, wave: str, payload: dict[str, Any]) -> dict[str, Any]:
    if store.leases.current(wave) is None:
        raise Unavailable(
            "CW3212",
            f"no runner of {wave} is alive: nobody can repair its copy",
            state="nothing was changed",
            next=f"cutwater wave resume {wave}",
        )
    number = store.requests.ask(wave, "repair", payload)
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        row = store.requests.result(number)
        if row.state == "answered":
            return dict(row.answer or {})
        if row.state == "failed":
            raise Refused(
                "CW3211",
                "the runner could not repair",
                cause=str((row.answer or {}).get("what", "")),
                state="what was repaired before stays repaired",
                next=f"cutwater wave status {wave}",
            )
        time.sleep(0.2)
    raise Unavailable(
        "CW3212",
        f"the runner of {wave} did not answer in {WAIT_SECONDS:.0f} s",
        state="the repair may still be carried out",
        next=f"cutwater wave status {wave}",
    )
