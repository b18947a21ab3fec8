"""`cutwater reconcile`: run, breaks, explain, report. Parses and renders; `cutwater.commands.reconcile` does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cutwater.cli.compare_text import print_compare
from cutwater.cli.options import OutputOption, ProjectOption, opened, output
from cutwater.core.errors import Exit
from cutwater.core.output import Output, glyph

app = typer.Typer(no_args_is_help=True, help="Both sides compared at a stated point", pretty_exceptions_enable=False)

_EXIT = {"PASS": Exit.DONE, "FAIL": Exit.REFUSED, "INCONCLUSIVE": Exit.INCONCLUSIVE}
_STATE = {"PASS": "pass", "FAIL": "fail", "INCONCLUSIVE": "unknown"}
WaveOption = Annotated[str | None, typer.Option("--wave", help="The wave (default: the one reconciled last)")]
MOST = 20


@app.command("run")
def run_(
    wave: Annotated[str, typer.Argument(help="The wave, e.g. W01")],
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """Compare everything in a wave at one point. Exit 0 PASS, 3 FAIL, 7 INCONCLUSIVE."""
    from cutwater.commands import reconcile as command
    from cutwater.core.progress import progress_for
    from cutwater.state.store import open_store

    out, found = output(fmt), opened(project)
    with open_store(found.state_url) as store, progress_for(quiet=out.is_json) as progress:
        ran = command.run(found, wave, store, progress=progress)
    if out.is_json:
        out.json("cutwater.reconcile.run/1", {**ran.body, "sha256": ran.sha256, "report": str(ran.report)})
    else:
        _print_run(out, ran.body, str(ran.report))
    sys.exit(int(_EXIT[ran.body["verdict"]]))


@app.command("compare")
def compare_(
    source: Annotated[str, typer.Argument(help="postgresql://, parquet://, csv://, duckdb:// or iceberg://")],
    target: Annotated[str, typer.Argument(help="The same forms")],
    key: Annotated[
        str, typer.Option("--key", help="Columns, separated by commas; else a common primary key, else none")
    ] = "",
    columns: Annotated[str, typer.Option("--columns", help="Only these")] = "",
    where: Annotated[str, typer.Option("--where", help="A condition in SQL, for both sides")] = "",
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="COLUMN=RULE: ignored, tolerance:N, truncated:N, ...")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="Breaks that are listed; counts are never capped")] = 500,
    report: Annotated[Path | None, typer.Option("--report", help="Folder for the page, JSON, CSV and JUnit")] = None,
    fmt: OutputOption = "text",
) -> None:
    """Compare two tables or files anywhere; no project is needed. Exit 0 PASS, 3 FAIL, 7 INCONCLUSIVE."""
    from dataclasses import replace

    from cutwater.commands import compare as command
    from cutwater.core.progress import progress_for

    out = output(fmt)
    asked = command.asked(key, columns, classes or [], limit)
    with progress_for(quiet=out.is_json) as progress:
        body = command.run(source, target, replace(asked, progress=progress), where, report)
    if out.is_json:
        out.json("cutwater.reconcile.compare/1", body)
    else:
        print_compare(out, body)
    sys.exit(int(_EXIT[body["verdict"]]))


@app.command("breaks")
def breaks_(
    wave: WaveOption = None,
    every: Annotated[bool, typer.Option("--all", help="Closed ones too")] = False,
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """The breaks of the newest run. Exit 3 where open ones stand."""
    from cutwater.commands import reconcile as command
    from cutwater.state.store import open_store

    out, found = output(fmt), opened(project)
    with open_store(found.state_url) as store:
        body, items = command.breaks(store, wave, every)
    if out.is_json:
        out.json("cutwater.reconcile.breaks/1", {"run": body["run"], "wave": body["wave"], "breaks": items})
    else:
        _print_breaks(out, body, items)
    sys.exit(int(Exit.REFUSED if any(item["state"] == "open" for item in items) else Exit.DONE))


@app.command("explain")
def explain_(
    break_id: Annotated[str, typer.Argument(help="A break's id, or its number in `reconcile breaks`")],
    wave: WaveOption = None,
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """What one break is, where it was seen, and what it puts at risk."""
    from cutwater.commands import reconcile as command
    from cutwater.state.store import open_store

    out, found = output(fmt), opened(project)
    with open_store(found.state_url) as store:
        item = command.explain(store, break_id, wave)
    if out.is_json:
        out.json("cutwater.reconcile.explain/1", item)
        return
    out.line(f"{item['id']} {item['label']}  {item['state']}", style="bold")
    rows = (
        ("meaning", item["meaning"]),
        ("asset", item["asset"]),
        ("key", item["key"]),
        ("detail", item["detail"]),
        ("source", item["source"]),
        ("target", item["target"]),
        ("money", f"{_money(item['gross'])} gross, {_money(item['net'])} net"),
        ("owner", item["owner"]),
        ("seen", f"first {item['first_seen'][:19]}Z, last by {item['run']}"),
        ("reason", item["reason"]),
    )
    for name, text in rows:
        if text:
            out.line(f"  {name:<8} {text}")
    if item["state"] == "open":
        out.line(f"  next     mend the cause, then: cutwater reconcile run {item['wave']}")


@app.command("report")
def report_(
    run: Annotated[str | None, typer.Argument(help="The run (default: the newest)")] = None,
    wave: WaveOption = None,
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """Where the evidence and the report of a run stand; the page is rendered anew from the evidence."""
    from cutwater.commands import reconcile as command
    from cutwater.state.store import open_store

    out, found = output(fmt), opened(project)
    with open_store(found.state_url) as store:
        ran = command.report(found, store, run, wave)
    facts = {"run": ran.body["run"], "verdict": ran.body["verdict"], "sha256": ran.sha256}
    files = {"report": str(ran.report), "evidence": str(ran.folder / "run.json")}
    if out.is_json:
        out.json("cutwater.reconcile.report/1", {**facts, **files})
        return
    for name, text in {**files, "sha256": ran.sha256}.items():
        out.line(f"{name:<9} {text}")
    out.line(f"{glyph(_STATE[ran.body['verdict']])} {ran.body['run']}")


def _print_run(out: Output, body: dict[str, Any], report: str) -> None:
    """Pins, scope, planted faults, tables, feeds, breaks; the verdict comes last."""
    pins = body["pins"]
    if pins["source"]:
        out.line(f"Pins     {pins['source']}; {len(pins['snapshots'])} Iceberg snapshots; as of {body['as_of'][:19]}Z")
    else:
        out.line("Pins     none: no common point could be had")
    for level in body["scope"]:
        grace = f" ({level['in_grace']:,} in grace)" if level["in_grace"] else ""
        gap = f"  not checked: {level['not_checked']:,}" if level["not_checked"] else ""
        gap += f"  ? {level['unread']} could not be read" if level["unread"] else ""
        out.line(f"Judged   {level['judged']:,} of {level['population']:,} {level['unit']}{grace}{gap}")
    check = body["self_check"]
    out.line(f"Planted  {check['found']}/{check['planted']} faults found ({check['bound']})")
    out.line(f"Digests  a difference in a row stays unseen with probability {body['missed_probability']}")
    out.table(
        ("Table", "source", "target", "difference", "verdict"),
        [
            (
                _short(t["asset"]),
                f"{t['source']['rows']:,}",
                f"{t['lake']['rows']:,}",
                f"{t['lake']['rows'] - t['source']['rows']:+,}",
                glyph(_STATE[t["verdict"]]).replace("UNKNOWN", t["verdict"]),
            )
            for t in body["tables"]
        ],
        right=("source", "target", "difference"),
    )
    if body["feeds"]:
        out.table(
            ("Feed", "source", "lake", "in grace", "outcomes", "verdict"),
            [
                (
                    f["stream"],
                    f"{f['source']:,}",
                    f"{f['lake']:,}",
                    f"{f['pending']:,}",
                    ", ".join(f"{k} {v:,}" for k, v in f["outcomes"].items()),
                    glyph(_STATE[f["verdict"]]).replace("UNKNOWN", f["verdict"]),
                )
                for f in body["feeds"]
            ],
            right=("source", "lake", "in grace"),
        )
    _print_summary(out, body)
    for item in body["not_checked"]:
        word = "declared gap" if item["declared"] else "not checked"
        out.line(f"? {word}: {item['what']}: {item['why']}")
    token = glyph(_STATE[body["verdict"]]).split(" ", 1)[0]
    out.line(f"{token} {body['verdict']}  {'; '.join(body['why'][:3])}", style="bold")
    out.line(f"  report {report}")
    if body["verdict"] != "PASS":
        out.line(
            "  next   cutwater reconcile breaks"
            if body["open_breaks"]
            else f"  next   cutwater reconcile run {body['wave']}"
        )


def _print_summary(out: Output, body: dict[str, Any]) -> None:
    if not body["break_summary"]:
        return
    out.table(
        ("Breaks", "n", "gross", "net", "oldest", "owner", "state"),
        [
            (
                s["class"],
                s["count"],
                _money(s["gross"]),
                _money(s["net"]),
                s["oldest_age"],
                ", ".join(s["owners"]),
                s["state"] + (", blocks" if s["state"] == "open" else ""),
            )
            for s in body["break_summary"]
        ],
        right=("n", "gross", "net"),
    )


def _print_breaks(out: Output, body: dict[str, Any], items: list[dict[str, Any]]) -> None:
    """Two lines a break: keys and assets are too long for a table."""
    out.line(f"Run {body['run']} of wave {body['wave']}, {body['finished_at'][:19]}Z")
    marks = {"open": glyph("fail").split(" ")[0], "explained": glyph("late").split(" ")[0]}
    for number, item in enumerate(items[:MOST], start=1):
        mark = marks.get(item["state"], glyph("pass").split(" ")[0])
        out.line(
            f"{number:>3} {mark} {item['id']} {item['label']:<28} {_money(item['gross']):>18}  {item['state']}, {item['owner']}"
        )
        out.line(f"      {_short(item['asset'])}  {item['key']}  {item['detail']}", style="dim")
    if len(items) > MOST:
        out.line(f"{MOST} of {len(items)} shown; --output json gives all")
    opened = sum(1 for item in items if item["state"] == "open")
    out.line(f"{glyph('fail' if opened else 'pass').split(' ')[0]} {opened} open of {len(items)}")
    if items:
        out.line("  next   cutwater reconcile explain 1")


def _money(amounts: dict[str, str]) -> str:
    from reconciliation.amounts import money

    return money(amounts)


def _short(asset: str) -> str:
    return asset.removeprefix("postgres:")


@app.command("repair")
def repair_(
    wave: Annotated[str, typer.Argument(help="The wave, e.g. W01")],
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """Read the rows of open breaks from the source again. What it did is believed after the next run only."""
    from cutwater.commands.repair import repair
    from cutwater.state.store import open_store

    out, found = output(fmt), opened(project)
    with open_store(found.state_url) as store:
        done = repair(store, wave)
    if out.is_json:
        out.json("cutwater.reconcile.repair/1", {"run": done.run, "tables": done.tables, "left": list(done.left)})
        return
    out.table(("Table", "rows written"), sorted(done.tables.items()), right=("rows written",))
    if done.left:
        out.line(
            f"{len(done.left)} breaks are not the copy's: their senders have to deliver. cutwater reconcile breaks"
        )
    out.line(f"next: cutwater reconcile run {wave}")
