"""The post-implementation review: planned and actual from the journal, in figures and as a chart."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from runbooks_support import Line
from runbooks_tour import LEDGER, Tour
from test_runbooks_render import parsed
from typer.testing import CliRunner

from cutwater.cli.main import app
from cutwater.commands import runbook as command
from cutwater.core.config import load_project
from cutwater.core.errors import BadInput, LeaseHeld, Refused
from cutwater.core.tokens import TOKENS
from cutwater.state import open_store
from runbooks.actuals import compile_review
from runbooks.bars import chart
from runbooks.facts import Facts
from runbooks.review import Review
from runbooks.review_html import SECTIONS, render_review_html
from runbooks.review_markdown import render_review_markdown
from runbooks.timeline import judged
from runbooks.words import precise, signed, within
from waves import life

EVIL = "</svg><script>alert(1)</script>'`|*_[x](http://evil.example)"


@pytest.fixture(scope="module")
def facts() -> Facts:
    return Tour().whole().facts()


@pytest.fixture(scope="module")
def review(facts: Facts) -> Review:
    return compile_review(facts)


def test_the_tour_is_told_part_by_part(review: Review) -> None:
    assert [(part.kind, part.name, part.result) for part in review.parts] == [
        ("before", "Preparation", "ready"),
        ("cutover", "Cutover 1", "cut over"),
        ("back", "Rollback 1", "back in the dual run"),
        ("cutover", "Cutover 2", "cut over"),
        ("end", "Completion", "completed"),
    ]
    assert (review.verdict, review.word) == ("COMPLETED", "pass")
    assert review.parts[2].decided == "Ada as decider: status is slow"
    assert review.parts[2].why == "asked for"


def test_the_plan_of_a_round_is_what_was_known_before_it(review: Review) -> None:
    first, second = (part for part in review.parts if part.kind == "cutover")
    assert {row.basis for row in first.steps} == {"estimate"}
    assert {row.basis for row in second.steps} == {"measured"}
    for row in (*first.steps, *second.steps):
        assert row.actual_ms is not None
        assert row.planned_ms is not None
        assert row.ended is not None
        assert row.actual_ms == (row.ended - row.began) // timedelta(milliseconds=1)
        assert row.variance_ms == row.actual_ms - row.planned_ms
    assert first.planned_ms == sum(row.planned_ms or 0 for row in first.steps)
    assert {row.said for part in review.parts if part.kind == "before" for row in part.steps} == {"no plan"}
    assert {row.basis for row in review.parts[2].steps} == {"estimate"}
    assert [row.title for row in review.parts[2].steps] == [
        f"Way back of {n}" for n in ("switch", "fence", "baseline", "reverse")
    ]


def test_dark_windows_stand_beside_their_plan(review: Review) -> None:
    assert [item.side for item in review.dark] == ["tobe", "legacy", "tobe"]
    first, back, second = review.dark
    cutover = review.parts[1]
    light = sum(row.planned_ms or 0 for row in cutover.steps[:3])
    assert first.planned_ms == (cutover.planned_ms or 0) - light, "reverse, probe and baseline are not dark"
    assert back.planned_ms == review.parts[2].planned_ms
    assert second.actual_ms is not None
    assert second.planned_ms is not None


def test_who_said_yes_and_who_decided(review: Review, facts: Facts) -> None:
    said = {(item.what, item.who): item for item in review.said}
    assert said["approval of the plan", "one"].note == "counts"
    decision = said["decision: rollback", "Ada"]
    assert (decision.note, decision.word) == ("5 min before the latest safe start", "pass")
    late = compile_review(Tour().ready().go(life.CUT).decide(timedelta(minutes=7)).go(life.BACK).facts())
    assert ("7 min behind the latest safe start", "late") in {(item.note, item.word) for item in late.said}
    maker = compile_review(replace(facts, makers=("one",)))
    assert "does not count" in {item.note for item in maker.said if item.who == "one"}
    approval = next(row for row in review.parts[0].steps if row.title.startswith("Approve"))
    assert approval.who.startswith("one (migration-lead)")
    opened = next(row for row in review.parts[1].steps if row.id == "S09")
    assert opened.who.startswith("runner ")
    assert opened.watched == "night manager"


def test_gates_are_shown_as_they_were_judged(review: Review) -> None:
    assert {item.gate for item in review.gates} == {"dual-run", "recon", "breaks"}
    assert {item.verdict for item in review.gates} == {"GO"}
    assert all(item.evidence.startswith("reconciliation R-1") for item in review.gates)


def test_held_payments_add_up_or_the_review_fails(review: Review, facts: Facts) -> None:
    assert review.held.word == "pass"
    assert (review.held.lines[0].currency, review.held.lines[0].released) == ("GBP", "2: 1000.50")
    assert "record" in review.held.proved[0]
    broken = compile_review(replace(facts, held={**LEDGER, "problems": ["one too many"], "holds": False}))
    assert (broken.word, broken.verdict) == ("fail", "HELD PAYMENTS DO NOT ADD UP")
    waiting = compile_review(replace(facts, held={**LEDGER, "open": 1, "settled": False}))
    assert (waiting.word, waiting.verdict) == ("late", "HELD PAYMENTS OPEN")
    assert compile_review(replace(facts, held=None)).held.word == "unknown"
    unproved = [item for item in facts.records if item.kind != "held.proof"]
    assert compile_review(replace(facts, records=unproved)).held.word == "unknown"


def test_a_cutover_that_went_back_by_itself_says_why() -> None:
    tour = Tour().ready()
    tour.bench.world.faults["fence.prove"] = [Refused("CW3199", "a writer passed the fence")]
    with pytest.raises(Refused):
        tour.go(life.CUT)
    found = compile_review(tour.facts())
    assert [part.name for part in found.parts[1:]] == ["Cutover 1", "Way back by itself 1"]
    cut, back = found.parts[1:]
    assert (cut.word, cut.result, cut.steps[-1].said) == ("fail", "stopped", "did not end")
    assert "a writer passed the fence" in back.why
    assert (found.word, found.verdict) == ("late", "ROLLED BACK")
    assert found.failures[0].code == "CW3199"
    assert found.dark[0].planned_ms is None, "it was planned to end elsewhere"
    assert chart(found.parts) is not None


def test_what_is_under_way_is_not_called_done() -> None:
    tour = Tour().ready()
    tour.bench.world.faults["fence.raise"] = [LeaseHeld("CW3199", "a later runner is at work")]
    with pytest.raises(LeaseHeld):
        tour.go(life.CUT)
    found = compile_review(tour.facts())
    assert (found.word, found.verdict) == ("blocked", "UNDER WAY")
    assert found.parts[-1].word == "blocked"
    assert found.parts[-1].steps[-1].said == "under way"
    assert (found.dark[0].word, found.dark[0].side) == ("blocked", "dark still")
    for text in (render_review_html(found), render_review_markdown(found)):
        assert "under way" in text


def test_nothing_to_compare_is_said_too() -> None:
    for tour in (Tour(), Tour().ready()):
        found = compile_review(tour.facts())
        assert (found.word, found.verdict) == ("unknown", "NOT CUT OVER")
        assert chart(found.parts) is None
        assert "there is nothing to compare" in render_review_html(found)
        assert "NOT CUT OVER" in render_review_markdown(found)


def test_only_the_present_attempt_is_reviewed(facts: Facts) -> None:
    last = facts.records[-1]
    again = Line(last.seq + 1, last.at, "wave.state", {"from": "ABANDONED", "to": "PLANNED", "attempt": 2})
    found = compile_review(replace(facts, records=[*facts.records, again]))
    assert found.parts == ()
    assert found.dark == ()
    assert found.gates == ()


def test_late_is_more_than_a_tenth_and_a_tenth_of_a_second() -> None:
    assert judged(1000, 1000) == ("pass", "within plan")
    assert judged(140, 50) == ("pass", "within plan"), "90 ms are noise"
    assert judged(10_500, 10_000) == ("pass", "within plan"), "a twentieth is no delay"
    assert judged(11_001, 10_000) == ("late", "over plan")
    assert judged(5, None) == ("unknown", "no plan")
    assert judged(None, 5) == ("blocked", "did not end")


def test_the_chart_draws_both_bars_of_every_step_to_scale(review: Review) -> None:
    found = chart(review.parts)
    assert found is not None
    assert [group.name for group in found.groups] == ["Cutover 1", "Rollback 1", "Cutover 2", "Completion"]
    rows = [row for part in review.parts if part.kind != "before" for row in part.steps]
    pairs = [pair for group in found.groups for pair in group.pairs]
    assert len(pairs) == len(rows)
    longest = max(row.planned_ms or 0 for row in rows)
    widest = max(pair.planned or 0 for pair in pairs)
    for row, pair in zip(rows, pairs, strict=True):
        assert pair.fill == TOKENS[row.word].fill
        assert pair.text.startswith(TOKENS[row.word].glyph)
        assert pair.dashed == (row.basis == "estimate")
        assert pair.tx < found.width
        assert row.actual_ms is not None
        assert pair.actual == max(row.actual_ms * widest // longest, 2)
    assert found.ticks[0].text == "0"


def test_the_page_is_one_file_and_the_same_bytes(review: Review, facts: Facts) -> None:
    html = render_review_html(review)
    page = parsed(html)
    assert not page.tags & {"script", "link", "img", "iframe", "form"}
    assert [anchor for _, anchor, _ in SECTIONS] == page.ids
    assert page.anchors <= set(page.ids)
    assert "http://" not in html.replace("http://www.w3.org/2000/svg", "")
    assert review.hash in html
    assert render_review_html(compile_review(facts)) == html
    text = render_review_markdown(review)
    assert review.hash in text
    assert text == render_review_markdown(compile_review(facts))
    for part in review.parts:
        assert part.name in html
        assert f"### {part.name}: " in text


def test_hostile_names_stay_text(facts: Facts) -> None:
    records = [
        *facts.records[:-1],
        Line(9001, facts.records[-1].at, "decision.recorded", {"about": EVIL, "who": EVIL, "role": EVIL, "reason": EVIL}, EVIL),
        Line(9002, facts.records[-1].at, "gate.evaluated", {"gate": EVIL, "reason": EVIL, "value": EVIL}),
        Line(9003, facts.records[-1].at, "effect.failed", {"effect": EVIL, "error": {"what": EVIL}}),
        Line(9004, facts.records[-1].at, "run.started", {"to": EVIL}, EVIL),
        Line(9005, facts.records[-1].at, "rollback.started", {"reason": EVIL}),
        Line(9006, facts.records[-1].at, "wave.state", {"from": "CUT_OVER", "to": "ROLLING_BACK"}),
    ]  # fmt: skip
    found = compile_review(replace(facts, plan=replace(facts.plan, title=EVIL), records=records))
    page = parsed(render_review_html(found))
    assert "script" not in page.tags
    outside = [line for line in render_review_markdown(found).splitlines() if "`" not in line]
    assert not any("<script" in line.replace("\\<", "") for line in outside)


def test_lengths_and_times_in_words() -> None:
    assert [precise(ms) for ms in (0, 999, 4210, 119_990, 720_000, -1500)] == ["0 ms", "999 ms", "4.21 s", "119.99 s", "12 min", "-1.50 s"]  # fmt: skip
    assert [signed(ms) for ms in (5, 0, -5, None)] == ["+5 ms", "0 ms", "-5 ms", "-"]
    at = datetime.fromisoformat("2026-11-23T20:01:07+00:00")
    assert within(at, at, "Europe/London") == "20:01:07"
    assert within(at + timedelta(days=1), at, "Europe/London") == "Tue 24 Nov 20:01:07"


def test_the_command_writes_both_files(tmp_path: Path) -> None:
    (tmp_path / "cutwater.toml").write_text('[project]\nname = "bank"\n', "utf-8")
    project, tour = load_project(tmp_path), Tour().whole()
    with open_store(project.state_url) as store:
        store.plans.save(tour.plan.hash, "W01", tour.plan.as_dict())
        for line in tour.bench.store.journal.records("W01"):
            if line.kind != "held.proof":  # the tour's ledger is not in this store: its proof would not be kept
                store.journal.append("W01", line.kind, line.payload, line.run_id)
        store.journal.append("W02", "step.completed", {"step": "final", "seconds": "3.5"})
        facts = command.collect(project, "W01", store)
        assert facts.elsewhere == {"step:final": [timedelta(seconds=3, milliseconds=500)]}
        assert facts.point is not None
        assert facts.makers == ("the maker",)
    words = ["runbook", "render", "W01", "--actuals", "--project", str(project.root)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "COMPLETED" in result.output.splitlines()[-1] or "COMPLETED" in result.output
    assert sorted(item.name for item in (project.root / "runbook-out").iterdir()) == [
        "W01-actuals.html",
        "W01-actuals.md",
    ]
    body = json.loads(CliRunner().invoke(app, [*words, "--output", "json"]).stdout)
    assert body["schema"] == "cutwater.runbook.actuals/1"
    assert [part["name"] for part in body["parts"]][1:3] == ["Cutover 1", "Rollback 1"]
    with pytest.raises(BadInput, match="CW5007"):
        command.actuals(project, "W01", "pdf")
