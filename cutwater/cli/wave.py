"""`cutwater wave plan|show|run|status|pause|resume|approve|abandon`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from cutwater.cli import wave_cutover, wave_rehearse
from cutwater.cli.options import OutputOption, ProjectOption, opened, output
from cutwater.core.errors import Exit
from cutwater.core.output import Output, glyph

WaveArgument = Annotated[str, typer.Argument(help="The wave's name, e.g. W01")]
ToOption = Annotated[str, typer.Option("--to", help="prepared, backfill, caught-up, dual-run or ready")]
DetachOption = Annotated[bool, typer.Option("--detach", help="Start the runner and return at once")]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.command()
def plan(
    wave: WaveArgument,
    who: Annotated[
        str, typer.Option("--as", help="Who plans, and so cannot approve (default: CUTWATER_USER, else you)")
    ] = "",
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """Plan a wave from waves/NAME.yaml and the latest inventory, and save the plan under its hash."""
    from cutwater.commands import wave as command

    out = output(fmt)
    found = command.plan_wave(opened(project), wave, who)
    if out.is_json:
        facts = {"hash": found.hash, "version": found.version, "changed": found.changed, "attempt": found.attempt}
        out.json("cutwater.wave.plan/1", {**facts, "voided_approvals": found.voided, "plan": found.plan.as_dict()})
        return
    what = "saved" if found.changed else "unchanged"
    out.line(f"{wave}  {found.plan.title}  plan v{found.version} {found.hash[:12]} {what}  attempt {found.attempt}")
    reasons = found.plan.reasons
    rows = [(n, s.id, s.title, reasons.get(s.id, "")) for n, s in enumerate(found.plan.steps, start=1)]
    # The step's name says what a copy does: its reason is worth more than its title.
    out.table(("#", "STEP", "WHAT, OR WHY HERE"), [(n, s, why or what) for n, s, what, why in rows], right=("#",))
    for name, text in reasons.items():
        if name.startswith("bridge:"):
            out.line(f"  {glyph('late')} bridge  {text}")
    if found.voided:
        out.line(f"  {glyph('blocked')} {found.voided} approvals of the plan before do not hold for this one")
    out.line(f"next: cutwater wave run {wave} --to dual-run   (--dry-run shows, changes nothing)")


@app.command()
def show(wave: WaveArgument, project: ProjectOption = None, fmt: OutputOption = "text") -> None:
    """The current plan, its steps and its approvals."""
    from cutwater.commands import wave as command

    out = output(fmt)
    found = command.show(opened(project), wave)
    if out.is_json:
        out.json("cutwater.wave.show/1", found)
        return
    body = found["plan"]
    out.line(
        f"{wave}  {body['title']}  {found['state']} {found['condition']}  plan v{found['version']} {found['plan_hash'][:12]}  attempt {found['attempt']}"
    )
    window = body["window"]
    out.line(
        f"accepts writes  {body['accepts_writes']}    window  {window.get('start', 'none')} to {window.get('end', 'none')}"
    )
    for role, person in body["roles"].items():
        out.line(f"role  {role}: {person or 'nobody'}")
    rows = [(step["id"], step["title"], found["steps"][step["id"]]) for step in body["steps"]]
    out.table(("STEP", "WHAT", "STATE"), rows)
    gates = [(g["id"], g["query"], g["threshold"], f"{g['max_age_minutes']} min") for g in body["gates"]]
    out.table(("GATE", "QUERY", "THRESHOLD", "FRESH FOR"), gates)
    for item in found["approvals"]:
        out.line(f"approved by {item['who']} as {item['role']}, {item['at']:%d %b %H:%M} UTC")
    if not found["approvals"]:
        out.line("NOT APPROVED")


@app.command()
def run(
    wave: WaveArgument,
    to: ToOption = "dual-run",
    detach: DetachOption = False,
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would be done, by another executor of the plan"),
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """Start the wave's runner and follow it; Ctrl-C detaches, the runner goes on."""
    from cutwater.commands import wave as command
    from cutwater.commands import wave_run

    out, where = output(fmt), opened(project)
    if dry_run:
        lines = command.dry_run(where, wave)
        if out.is_json:
            out.json(
                "cutwater.wave.dry-run/1",
                {"wave": wave, "effects": [{"step": s, "effect": e, "what": w} for s, e, w in lines]},
            )
            return
        for _, effect, what in lines:
            out.line(f"  would  {effect}: {what}")
        out.line(f"{len(lines)} effects. Nothing was done.")
        return
    attached(out, "run", wave, lambda follower: wave_run.run(where, wave, to, detach, follower))


@app.command()
def resume(
    wave: WaveArgument,
    to: Annotated[str, typer.Option("--to", help="Default: what the last run aimed at")] = "",
    detach: DetachOption = False,
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """Continue after a pause, a failure or a crash."""
    from cutwater.commands import wave_run

    out, where = output(fmt), opened(project)
    attached(out, "resume", wave, lambda follower: wave_run.resume(where, wave, to, detach, follower))


@app.command()
def pause(wave: WaveArgument, project: ProjectOption = None, fmt: OutputOption = "text") -> None:
    """Stop at the next safe point. The slot keeps the legacy side's WAL until the wave is resumed."""
    from cutwater.commands import wave_run

    out = output(fmt)
    found = wave_run.pause(opened(project), wave)
    if out.is_json:
        out.json("cutwater.wave.pause/1", found)
        return
    out.line(f"{wave}  {found['state']}  PAUSED{'' if found['changed'] else ' already'}")
    out.line("The slot keeps the legacy side's WAL while the wave is paused: do not leave it for days.")
    out.line(f"next: cutwater wave resume {wave}")


@app.command()
def status(
    wave: Annotated[str, typer.Argument(help="The wave's name; all waves without one")] = "",
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """Where a wave stands, criterion by criterion, and which command comes next."""
    from cutwater.commands import wave_status as command

    out, where = output(fmt), opened(project)
    if not wave:
        rows = command.list_waves(where)
        if out.is_json:
            out.json("cutwater.wave.list/1", {"waves": rows})
            return
        cells = [(r["name"], r["state"], r["condition"], r["attempt"], r["plan_hash"][:12]) for r in rows]
        out.table(("WAVE", "STATE", "CONDITION", "ATTEMPT", "PLAN"), cells, right=("ATTEMPT",))
        return
    found = command.status(where, wave)
    if out.is_json:
        out.json("cutwater.wave.status/1", found)
        return
    _print_status(out, found)


@app.command()
def approve(
    wave: WaveArgument,
    who: Annotated[str, typer.Option("--as", help="The person who approves")],
    role: Annotated[str, typer.Option("--role", help="In which of the plan's roles")],
    plan_hash: Annotated[str, typer.Option("--plan", help="Hash of the plan that was looked at")] = "",
    note: Annotated[str, typer.Option("--note", help="A word for the record")] = "",
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """Bind a person's word to the current plan's hash; refused where a gate says no."""
    from cutwater.commands import wave as command

    out = output(fmt)
    found = command.approve(opened(project), wave, who, role, plan_hash, note)
    if out.is_json:
        out.json("cutwater.wave.approve/1", found)
        return
    out.line(
        f"{glyph('pass')}  plan {found['plan_hash'][:12]} of {wave} approved by {who} as {role}{'' if found['changed'] else ' already'}"
    )
    if found["missing"]:
        out.line(f"  {glyph('blocked')} still to approve: {found['missing']}")
    out.line(
        f"next: cutwater wave approve {wave} --as PERSON --role ROLE --plan {found['plan_hash'][:12]}"
        if found["missing"]
        else f"next: cutwater wave run {wave} --to ready"
    )


@app.command()
def held(wave: WaveArgument, project: ProjectOption = None, fmt: OutputOption = "text") -> None:
    """The payments that arrived while the wave was dark, masked, and the proof that each has one end."""
    from cutwater.commands import wave_held as command

    out = output(fmt)
    found = command.held(opened(project), wave)
    if out.is_json:
        out.json("cutwater.wave.held/1", found)
        return
    proof, rows = found["proof"], found["payments"]
    shown = [
        (
            r["received_at"].strftime("%H:%M:%S.%f")[:-3],
            r["channel"],
            r["account"],
            r["currency"],
            r["amount"] or "?",
            r["state"],
            r["receipt"] or r["reason"],
        )
        for r in rows[:20]
    ]
    if shown:
        out.table(
            ("RECEIVED", "CHANNEL", "ACCOUNT", "CCY", "AMOUNT", "STATE", "RECEIPT OR REASON"), shown, right=("AMOUNT",)
        )
    if len(rows) > len(shown):
        out.line(f"{len(rows) - len(shown)} more: --output json")
    for currency, parts in proof["by_currency"].items():
        sums = "  ".join(f"{name} {item['count']} of {item['sum']}" for name, item in parts.items())
        out.line(f"{currency or 'no readable amount'}  {sums}")
    for problem in proof["problems"]:
        out.line(f"  {glyph('fail')} {problem}")
    word = "pass" if proof["settled"] else "unknown" if proof["holds"] else "fail"
    out.line(
        f"{glyph(word)}  held {proof['held']} = released {proof['released']} + returned {proof['returned']} + open {proof['open']}"
    )


@app.command()
def abandon(
    wave: WaveArgument,
    yes: Annotated[str, typer.Option("--yes", help="The wave's name, instead of typing it when asked")] = "",
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """Remove everything that the wave created, on either side; it can be planned anew afterwards."""
    from cutwater.commands import wave as command

    out, where = output(fmt), opened(project)
    objects = command.objects_of(where, wave)
    if not yes and objects:
        for step, name in objects:
            sys.stderr.write(f"  will be removed  {name}  (created by {step})\n")
        sys.stderr.write(
            "The legacy tables, topics and files are not touched. There is no way back but to begin anew.\n"
        )
        try:
            yes = typer.prompt(f"Type the wave's name to abandon it ({wave})", err=True)
        except typer.Abort:
            raise typer.Exit(int(Exit.INTERRUPTED)) from None
    found = command.abandon(where, wave, yes or wave)
    if out.is_json:
        out.json("cutwater.wave.abandon/1", found)
        return
    for name in found["removed"]:
        out.line(f"  removed  {name}")
    out.line(f"{wave}  ABANDONED{'' if found['changed'] else ' already'}  attempt {found['attempt']} is over")
    out.line(f"next: cutwater wave plan {wave}")


def attached(out: Output, verb: str, wave: str, call: Any) -> None:
    from cutwater.cli.wave_lines import Story

    story = Story()
    try:
        found = call(story)
    except KeyboardInterrupt:
        sys.stderr.write(f"\nDetached: the runner goes on. next: cutwater wave status {wave}\n")
        raise typer.Exit(int(Exit.INTERRUPTED)) from None
    if out.is_json:
        out.json(f"cutwater.wave.{verb}/1", asdict(found))
        return
    tail = f"runner {found.pid} serves its streams" if found.runner_alive else "no runner is left"
    if not found.changed:
        out.line(f"{wave}  {found.state}  nothing to do: {tail}")
    elif not found.attached:
        out.line(f"{wave}  run {found.run} started, runner {found.pid}; log {found.log}")
    else:
        out.line(f"{glyph('pass')}  {wave} is {found.state}  run {found.run}; {tail}; log {found.log}")
    out.line(f"next: cutwater wave status {wave}")


def _print_status(out: Output, found: dict[str, Any]) -> None:
    words = [found["wave"], found["title"], found["state"], found["condition"]]
    plan = (
        f"plan v{found['plan_version']} {found['plan_hash'][:12]} {'approved' if found['approved'] else 'not approved'}"
    )
    out.line("  ".join(word for word in (*words, plan, f"attempt {found['attempt']}") if word))
    if dark := found["dark"]:
        out.wrapped(f"{glyph('fail' if dark['alone'] else 'late')}  {dark['text']}.  now: {dark['next']}")
    if found["window"]:
        out.line(f"Cutover window {found['window']['start']} to {found['window']['end']}")
    if found["point_of_no_return"]:
        point = found["point_of_no_return"]
        out.wrapped(f"Last safe rollback start{' PASSED' if point['passed'] else ''}  {point['text']}")
    _print_rehearsal(out, found["rehearsal"])
    runner = found["runner"]
    out.line(f"Runner {'alive' if runner['alive'] else 'DEAD' if runner['dead'] else 'not running'}: {runner['text']}")
    if found["doing"]:
        out.line(f"Doing  {found['doing']}{' - waits: ' + found['waiting'] if found['waiting'] else ''}")
    width = max(len(item["name"]) for item in found["criteria"])
    for item in found["criteria"]:
        out.wrapped(f" {glyph(item['word']):<10} {item['name']:<{width}}  {item['text']}", " " * (width + 14))
    if found["error"]:
        error = found["error"]
        out.wrapped(f" last error {error.get('code', '')} {error.get('what', '')}: {error.get('cause', '')}")
    total = len(found["criteria"])
    stopped = f"NO-GO: {found['not_passed']} of {total} criteria"
    if found["state"] == "COMPLETED":
        stopped = f"{found['not_passed']} of {total} are not as they were left"
    verdict = {"GO": "GO", "DONE": "COMPLETED"}.get(found["verdict"], stopped)
    out.wrapped(f"{verdict}.  {found['money']}.")
    out.line(f"next: {found['next']}")  # a command is one line, however long: it is copied


def _print_rehearsal(out: Output, found: dict[str, Any]) -> None:
    last = found["last"]
    if last is None and found["cutover"]["p90_seconds"] is None:
        return
    told = f"Rehearsed {last['ago']} ({last['rehearsal']})" if last else "Never rehearsed"
    if last and not last["same_steps"]:
        told += ", OTHER STEPS than this plan has"
    if found["failed_since"]:
        told += "; the last try FAILED"
    parts = [
        f"{name} {part['p50_seconds']}-{part['p90_seconds']} s ({part['source']})"
        for name in ("cutover", "rollback")
        if (part := found[name])["p90_seconds"] is not None
    ]
    out.line("  ".join([told, *parts]))


app.command()(wave_cutover.cutover)
app.command()(wave_cutover.rollback)
app.command()(wave_cutover.complete)
app.command()(wave_rehearse.rehearse)
