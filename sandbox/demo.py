"""`cutwater demo`: the whole path on the sandbox, from an unknown estate to a reconciled dual run, told by chapters."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from cutwater.core.clock import iso, utc_now
from cutwater.core.config import Project
from cutwater.core.errors import CutwaterError
from cutwater.core.progress import Progress
from cutwater.state.store import open_store
from sandbox import demo_cutover, servers
from sandbox import demo_verdict as verdict
from sandbox.estate import commands as estate
from sandbox.estate import consumed, probes, truth
from sandbox.memory import Sampler

WAVE = "W01"
MAKER = "demo-planner"  # who plans cannot approve
APPROVERS = (("demo-lead", "migration-lead"), ("demo-dba", "database-owner"))
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """How large the demo is. rate: payments/s of live traffic."""

    payments: int = 20_000
    days: int = 10
    seed: int = 7
    rate: float = 50
    keep: bool = False


@dataclass
class Chapter:
    """A chapter's name, its outcome in a line, and how long it took."""

    name: str
    line: str = ""
    seconds: Decimal = Decimal(0)


@dataclass
class Demo:
    """One run of the demo; `summary` is what goes to summary.json."""

    project: Project
    settings: Settings
    out: Path
    progress: Progress
    tell: Tell
    chapters: list[Chapter] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.memory = Sampler(lambda: _roots(self.project))

    @contextmanager
    def chapter(self, name: str, opening: str) -> Iterator[Chapter]:
        """Times a chapter; its line is printed when it ends."""
        self.tell(f"\n{len(self.chapters) + 1:>2}  {name}: {opening}")
        made, began = Chapter(name), time.monotonic()
        try:
            yield made
        finally:
            made.seconds = Decimal(str(round(time.monotonic() - began, 1)))
            self.chapters.append(made)
            self.tell(f"    {made.line}  ({made.seconds} s)" if made.line else f"    ended after {made.seconds} s")


def run(project: Project, settings: Settings, out: Path, progress: Progress, tell: Tell) -> dict[str, Any]:
    """Tells every chapter and returns the summary; its verdict is PASS only if ground truth agrees.

    The sandbox of this project and its state are made anew, so that a demo can be run again and again.
    """
    demo = Demo(project, settings, out, progress, tell)
    started = utc_now()
    out.mkdir(parents=True, exist_ok=True)
    demo.memory.start()
    try:
        for part in (_fresh, _up, _seed, _discover, _plan, _move, _clean, _faults, _repair, _ready, _runbook):
            part(demo)
        demo_cutover.rounds(demo, WAVE)
        _truth(demo)
        demo_cutover.complete(demo, WAVE)
    except CutwaterError as error:
        demo.facts["error"] = error.as_dict()
        raise
    finally:
        demo.memory.stop()
        demo.facts["summary"] = verdict.write_summary(demo, started)
        _down(demo)
    return dict(demo.facts["summary"])


def _roots(project: Project) -> list[int]:
    """This process, the sandbox's supervisor (its servers are its children) and the wave's runner."""
    from cutwater.jobs.wave_state import history_of

    found = [os.getpid(), *servers.supervisor_pids(project)]
    if (project.run_dir / "state.db").exists():
        with open_store(project.state_url) as store:
            runner = history_of(store, WAVE).last_run.get("pid")
        found += [int(runner)] if runner else []
    return found


def _fresh(demo: Demo) -> None:
    from cutwater.commands import wave_run

    if demo.project.sandbox_dir.exists() or demo.project.run_dir.exists():
        demo.tell("An earlier demo of this project is removed first: its sandbox, its state, its reports.")
        if (demo.project.run_dir / "state.db").exists():
            try:
                wave_run.stop(demo.project, WAVE)
            except CutwaterError as error:
                demo.tell(f"    its runner: {error.what}")
        if demo.project.sandbox_dir.exists():
            estate.traffic(demo.project, stop=True)
            servers.down(demo.project, delete=True)
        shutil.rmtree(demo.project.run_dir, ignore_errors=True)
    for name in ("reports", "evidence"):
        shutil.rmtree(demo.out / name, ignore_errors=True)


def _up(demo: Demo) -> None:
    with demo.chapter(
        "Up", "PostgreSQL, Kafka, schema registry, AWS endpoints, REST API: real servers, yours alone"
    ) as ch:
        found = servers.up(demo.project, demo.progress)
        ch.line = f"{len(found.servers)} servers answer"


def _seed(demo: Demo) -> None:
    with demo.chapter("Seed", "a bank's payments, told through every channel") as ch:
        size = demo.settings
        made = estate.seed(demo.project, size.payments, size.days, size.seed, demo.progress)
        ch.line = f"{made['payments']:,} payments, {made['events']:,} events"
    with demo.chapter("Traffic", f"{demo.settings.rate:g} payments/s from now on, while everything else runs") as ch:
        estate.traffic(demo.project, rate=demo.settings.rate, detach=True)
        ch.line = "customers are paying"


def _discover(demo: Demo) -> None:
    from cutwater.commands import inventory

    with demo.chapter("Discover", "what is there? Catalogs, topics, logs, folders and headers are asked") as ch:
        found = inventory.discover(demo.project, demo.progress)
        demo.facts["assets"] = len(found.snapshot.assets)
        ch.line = f"{len(found.snapshot.assets)} assets of five kinds, {len(found.snapshot.edges)} edges"


def _plan(demo: Demo) -> None:
    from cutwater.commands import wave

    with demo.chapter("Plan", "one wave, frozen and hashed; what is approved later is this hash") as ch:
        planned = wave.plan_wave(demo.project, WAVE, MAKER)
        demo.facts["plan"] = planned.hash
        ch.line = f"{len(planned.plan.steps)} steps, plan {planned.hash[:12]}"


def _move(demo: Demo) -> None:
    from cutwater.commands import wave_run

    for name, target, opening in (
        ("Backfill", "backfill", "every table copied in ranges, each under its own snapshot"),
        ("Catch up", "dual-run", "the change stream and eight feeds, up to our own marker"),
    ):
        with demo.chapter(name, opening) as ch:
            ran = wave_run.run(demo.project, WAVE, target, follower=verdict.Rows(demo.progress))
            ch.line = f"wave {WAVE} is {ran.state}"
    demo.facts["backfill"] = verdict.backfill_facts(demo.project, WAVE)


def _clean(demo: Demo) -> None:
    with demo.chapter("Dual run", "both sides compared at one pinned point, under traffic") as ch:
        body = reconcile(demo, "clean")
        ch.line = f"{body['verdict']}: {body['open_breaks']} open breaks"


def _faults(demo: Demo) -> None:
    with demo.chapter("Faults", "six faults are planted: will each be found and named?") as ch:
        names = list(estate.inject(demo.project)["faults"])
        estate.inject(demo.project, names)
        _outlive_grace(demo)
        body = reconcile(demo, "faults")
        found = verdict.match_faults(truth.faults(demo.project), body["breaks"])
        demo.facts["faults"] = found
        for item in found:
            demo.tell(
                f"    {'found' if item['found'] else 'NOT FOUND':<9} {item['fault']:<18} {item['class'] or '-':<22} {item['asset']}"
            )
        ch.line = (
            f"{body['verdict']}: {sum(bool(item['found']) for item in found)} of {len(found)} planted faults found"
        )


def _outlive_grace(demo: Demo) -> None:
    """What is younger than its channel's grace is pending, not a break: a judge that cannot wait would cry wolf."""
    from cutwater.commands.reconcile import settings_of

    seconds = max(settings_of(demo.project).grace_seconds.values()) + 5
    demo.tell(f"    {seconds} s pass: younger than its grace is pending, not missing")
    time.sleep(seconds)


def _repair(demo: Demo) -> None:
    from cutwater.commands.repair import repair

    with demo.chapter("Repair", "the copy's rows are read again; senders deliver what they owe") as ch:
        with open_store(demo.project.state_url) as store:
            done = repair(store, WAVE)
        estate.inject(demo.project, undo=True)
        _outlive_grace(demo)
        body = reconcile(demo, "repaired")
        demo.facts["repaired"] = {"rows": done.tables, "left_to_senders": len(done.left)}
        ch.line = (
            f"{body['verdict']}: {body['open_breaks']} open breaks after {sum(done.tables.values())} rows were repaired"
        )


def _ready(demo: Demo) -> None:
    from cutwater.commands import wave, wave_run

    with demo.chapter("Gate", "evidence is asked, two people who did not make it approve exactly this plan") as ch:
        for who, role in APPROVERS:
            wave.approve(demo.project, WAVE, who, role, demo.facts["plan"])
        ran = wave_run.run(demo.project, WAVE, "ready")
        ch.line = f"GO: wave {WAVE} is {ran.state}"
        demo.facts["state"] = ran.state


def _runbook(demo: Demo) -> None:
    from cutwater.commands import runbook

    with demo.chapter("Runbook", "cutover and rollback, compiled from the plan and the journal") as ch:
        made = runbook.render(demo.project, WAVE, "both", demo.out / "reports")
        demo.facts["runbook"] = made.hash
        ch.line = "one page to print, one to diff"


def _truth(demo: Demo) -> None:
    with demo.chapter("Ground truth", "traffic ends; what was emitted is held against what both sides hold") as ch:
        estate.traffic(demo.project, stop=True)
        demo.facts["cutover"]["probes"] = probes.tell(demo.project, WAVE)
        _outlive_grace(demo)
        body = reconcile(demo, "final")
        notified = consumed.settled(demo.project)
        demo.facts["cutover"]["notified"] = notified
        channels = [verdict.held_row(demo.project, WAVE), verdict.consumers_row(notified)]
        demo.facts["both_sides"] = [*verdict.both_sides(demo.project, body), *channels]
        wrong = [row["asset"] for row in demo.facts["both_sides"] if not row["agrees"]]
        ch.line = f"{body['verdict']}: ground truth {'agrees with every asset' if not wrong else 'DISAGREES: ' + ', '.join(wrong)}"


def reconcile(demo: Demo, name: str) -> dict[str, Any]:
    """One reconciliation run; its report goes to demo-out."""
    from cutwater.commands import reconcile as command

    with open_store(demo.project.state_url) as store:
        ran = command.run(demo.project, WAVE, store, progress=demo.progress)
    target = demo.out / "reports"
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(ran.report, target / f"reconciliation-{name}.html")
    shutil.copytree(ran.folder, demo.out / "evidence" / str(ran.body["run"]), dirs_exist_ok=True)
    demo.facts.setdefault("runs", []).append(
        {"name": name, "run": ran.body["run"], "verdict": ran.body["verdict"], "sha256": ran.sha256}
    )
    return {**ran.body, "as_told": iso(utc_now())}


def _down(demo: Demo) -> None:
    from cutwater.commands import wave_run

    if demo.settings.keep:
        demo.tell("\nThe sandbox and the wave's runner stay up: cutwater sandbox down ends them.")
        return
    try:
        wave_run.stop(demo.project, WAVE)
        estate.traffic(demo.project, stop=True)
    except CutwaterError as error:
        demo.tell(f"    {error.what}")
    servers.down(demo.project)
