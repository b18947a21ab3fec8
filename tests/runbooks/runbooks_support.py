"""A wave by hand: plan, journal, evidence. Everything else of these tests is made from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from waves.gates import GateResult
from waves.plan import GateSpec, Plan, StepSpec

NOW = datetime(2026, 11, 23, 21, 30, tzinfo=UTC)
BEGAN = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
TABLES = ("party", "account", "file_batch", "payment", "payment_status")
FEEDS = ("kafka:payhub.payment.initiated.v1", "file:pain001", "swift:fin-in", "swift:fin-out")


@dataclass(frozen=True)
class Line:
    """A record of the journal."""

    seq: int
    at: datetime
    kind: str
    payload: Any
    run_id: str = "R1"


@dataclass(frozen=True)
class Yes:
    who: str
    role: str
    at: datetime
    note: str = ""


@dataclass
class Journal:
    """Writes records, a second apart where nothing else is said."""

    lines: list[Line] = field(default_factory=list)
    at: datetime = BEGAN

    def add(self, kind: str, payload: Any, after: str = "0.4") -> None:
        self.at += timedelta(milliseconds=int(float(after) * 1000))
        self.lines.append(Line(len(self.lines) + 1, self.at, kind, payload))

    def effect(
        self, step: str, part: str, action: str, took: str, creates: tuple[str, ...] = (), args: Any = None
    ) -> None:
        effect = f"{step}/{part}"
        self.add(
            "effect.intent",
            {"step": step, "effect": effect, "action": action, "args": args or {}, "creates": list(creates)},
        )
        self.add(
            "effect.outcome",
            {"step": step, "effect": effect, "outcome": {"ok": True}, "seconds": took, "observed": False},
            took,
        )

    def step(self, name: str, *effects: tuple[Any, ...], took: str = "1.0", completes: bool = True) -> None:
        self.add("step.started", {"step": name})
        for item in effects:
            self.effect(name, *item)
        if completes:
            self.add("step.completed", {"step": name, "seconds": took})


def journal(dual_run_done: bool = True) -> list[Line]:
    """A wave from plan to dual run, the way the engine writes it."""
    book = Journal()
    book.add("wave.state", {"from": "", "to": "PLANNED", "attempt": 1})
    lake = tuple(f"lake:{space}.{name}" for name in TABLES for space in ("legacy", "legacy_changes"))
    book.step(
        "prepare",
        ("check", "postgres.check", "0.210"),
        ("lake", "lake.tables", "2.310", lake),
        ("publication", "postgres.publication", "0.041", ("postgres:publication/cutwater_w01",)),
        ("slot", "postgres.slot", "0.118", ("postgres:slot/cutwater_w01",)),
        took="2.9",
    )
    book.add("wave.state", {"from": "PLANNED", "to": "PREPARED"})
    book.add("wave.state", {"from": "PREPARED", "to": "BACKFILLING"})
    for number, name in enumerate(TABLES):
        chunks = [(f"chunk/{n}", "backfill.chunk", f"0.{n + 4}10") for n in range(number + 1)]
        book.step(f"backfill:payhub.{name}", ("bounds", "backfill.bounds", "0.050"), *chunks, took=f"{number + 1}.2")
    book.add("wave.state", {"from": "BACKFILLING", "to": "CATCHING_UP"})
    book.step(
        "stream",
        ("service", "service.start", "0.1", (), {"name": "stream"}),
        ("fold", "stream.fold", "3.870"),
        took="4.1",
    )
    taps = [(f"service/{feed}", "service.start", "0.1", (), {"name": f"feed:{feed}"}) for feed in FEEDS]
    book.step("feeds", *taps, *((f"caught_up/{feed}", "feed.caught_up", "6.4") for feed in FEEDS), took="7.3")
    book.add("wave.state", {"from": "CATCHING_UP", "to": "DUAL_RUN"})
    book.step("dual_run", ("open", "dual_run.open", "0.0"), took="61.0", completes=False)
    if dual_run_done:
        book.add("step.completed", {"step": "dual_run", "seconds": "61.0"}, "61.0")
    return book.lines


def plan(**changes: Any) -> Plan:
    """A wave of tables and feeds with a quiet December weekend as its window."""
    backfills = tuple(f"backfill:payhub.{name}" for name in TABLES)
    steps = (
        StepSpec("prepare", "prepare", "Check the source, create tables, publication and slot"),
        *(StepSpec(name, "backfill", f"Copy {name.partition(':')[2]}", ("prepare",)) for name in backfills),
        StepSpec("stream", "stream", "Follow the change stream up to an own marker", backfills),
        StepSpec("feeds", "feeds", f"Tap {len(FEEDS)} feeds and catch up", ("prepare",)),
        StepSpec("dual_run", "dual_run", "Run both sides on the same input", ("stream", "feeds")),
        StepSpec("gate:reconciliation", "gate", "Ask the gate reconciliation", ("dual_run",)),
        StepSpec(
            "approval",
            "approval",
            "Have the plan approved",
            ("gate:reconciliation",),
            params={"roles": ["migration-lead"]},
        ),
    )
    body: dict[str, Any] = {
        "wave": "W01",
        "title": "Outbound payments and their status",
        "accepts_writes": "feeds",
        "assets": tuple(sorted((*(f"postgres:payhub.{name}" for name in TABLES), *FEEDS))),
        "steps": steps,
        "gates": (
            GateSpec("reconciliation", "reconciliation.verdict", "PASS", 60, "Both sides are the same at a stated point"),
            GateSpec("open-breaks", "reconciliation.open_breaks", "0", 60, "No break is open"),
        ),
        "inventory_hash": "1f" * 32,
        "mapping_hash": "2e" * 32,
        "window": {"start": "2026-12-05T22:00:00+00:00", "end": "2026-12-06T12:00:00+00:00"},
        "roles": {
            "decider": "head of payments",
            "migration-lead": "migration lead on duty",
            "payments-operations": "operations shift lead",
            "reconciliation-lead": "finance control on duty",
        },
        "mappings": tuple({"source_schema": "payhub", "source_table": name, "target": f"legacy.{name}"} for name in TABLES),
        "reasons": {"bridge:postgres:payhub.payment->postgres:payhub.charge": "payhub.payment refers to payhub.charge by charge_id, which is not in this wave"},
    }  # fmt: skip
    return Plan(**{**body, **changes})


def answered(verdict: str = "PASS") -> tuple[GateResult, ...]:
    ok = verdict == "PASS"
    go, word = ("GO", "pass") if ok else ("NO-GO", "fail")
    breaks = "0" if ok else "3"
    return (
        GateResult("reconciliation", "Both sides are the same at a stated point", go, word, verdict, "PASS",
                   "reconciliation R-7", 4, "" if ok else f"{verdict}, wanted PASS"),
        GateResult("open-breaks", "No break is open", go, word, f"{breaks} open breaks", "0", "reconciliation R-7", 4,
                   "" if ok else "3 open breaks, wanted 0"),
    )  # fmt: skip


EVIDENCE = {
    "run": "R-7",
    "verdict": "PASS",
    "open_breaks": 0,
    "not_checked": [],
    "as_of": "2026-11-23T21:26:00Z",
}
RUNS = tuple(
    {"run": f"R-{n}", "started_at": f"2026-11-23T20:{n}:00Z", "finished_at": f"2026-11-23T20:{n}:{n + 2}.750000Z"}
    for n in (19, 18, 17, 16)
)
ESTATE = {
    "taken_at": "2026-11-23T19:58:00.000000Z",
    "assets": [
        *({"id": f"postgres:payhub.{n}", "measures": {"volume": 20000, "unit": "rows", "exact": True}} for n in TABLES),
        *({"id": name, "measures": {"volume": 150000, "unit": "messages", "exact": False}} for name in FEEDS),
        {"id": "postgres:payhub.operator_note", "measures": {}},
        {"id": "api:payments.get_status", "measures": {}},
    ],
    "not_checked": {},
}
BOXES = {
    "C01": 10, "C02": 15, "C03": 15, "C04": 5, "C05": 10, "C06": 5, "C07": 5, "C11": 10, "C13": 20, "C14": 10, "C15": 30,
    "C16": 5, "C17": 45, "C19": 10, "R01": 10, "R02": 5, "R03": 5, "R04": 15, "R07": 10, "R08": 10, "R09": 30, "R10": 45,
    "R11": 5,
}  # fmt: skip
