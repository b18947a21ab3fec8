"""What the runbook says: from the plan, the journal and the evidence, never from hope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from runbooks_support import BOXES, Line, answered, journal, plan

from cutwater.core.errors import BadInput
from runbooks.catalogue import CUTOVER, ROLLBACK
from runbooks.codes import CODES
from runbooks.compile import compile_runbook
from runbooks.executed import fold, runs_seconds, seconds
from runbooks.facts import Facts
from runbooks.model import NOBODY, NOT_MEASURED
from runbooks.settings import Settings, parse_settings
from waves.plan import GateSpec

Make = Callable[..., Facts]


def criterion(facts: Facts, name: str) -> tuple[str, str]:
    found = next(item for item in compile_runbook(facts).criteria if item.name == name)
    return found.word, found.value


def test_equal_facts_give_an_equal_document_and_the_hash_covers_everything(facts: Make) -> None:
    one, other = compile_runbook(facts()), compile_runbook(facts())
    assert one == other
    assert one.hash == other.hash
    later = compile_runbook(facts(rendered_at=datetime(2026, 11, 24, tzinfo=UTC)))
    assert later.hash != one.hash


def test_all_fifteen_sections_of_a_wave_in_dual_run_have_content(boxed: Facts) -> None:
    book = compile_runbook(boxed)
    for part in (
        book.criteria, book.flows, book.out, book.left_behind, book.people, book.milestones, book.calendar_sources,
        book.calendar, book.done, book.cards, book.gates, book.undo, book.rollback, book.triggers, book.messages,
        book.held, book.hypercare, book.exit, book.commands, book.approvals,
    ):  # fmt: skip
        assert part
    assert book.id == f"RB-W01-{boxed.plan.hash[:8]}"


def test_durations_are_what_was_measured_else_a_box_else_not_measured(facts: Make, boxed: Facts) -> None:
    took = {card.id: card.took for card in compile_runbook(facts()).cards}
    assert took["C08"].text == "3.9 s, n=1"
    assert took["C10"].text == "20 s - 22 s, n=4"
    assert took["C05"].text == NOT_MEASURED
    boxes = {card.id: card.took for card in compile_runbook(boxed).cards}
    assert boxes["C05"].text == "box 10 min"
    both = compile_runbook(facts(settings=parse_settings({"time_boxes": {"C08": 30}}, "W01")))
    assert {card.id: card.took.basis for card in both.cards}["C08"] == "measured", "a measurement goes before a box"


def test_while_a_task_is_not_measured_nothing_is_said_about_the_end(facts: Make) -> None:
    book = compile_runbook(facts())
    assert book.finish is None
    assert book.path == ()
    assert not any(card.critical for card in book.cards)
    assert "cannot be told" in book.finish_note
    assert next(card for card in book.cards if card.id == "C02").at_earliest
    assert not next(card for card in book.cards if card.id == "C01").at_earliest


def test_with_every_length_known_the_weekend_has_an_end_and_a_critical_path(boxed: Facts) -> None:
    book = compile_runbook(boxed)
    assert book.finish is not None
    assert book.path[0] == "C01"
    assert book.path[-1] == "C19"
    assert book.no_return.known == "exact"
    assert book.no_return.latest is not None
    assert book.no_return.latest < datetime(2026, 12, 6, 12, tzinfo=UTC) - timedelta(minutes=60)
    assert "never rehearsed" in book.no_return.sentence


def test_without_a_measured_rollback_the_last_moment_is_a_bound_or_unknown(facts: Make) -> None:
    book = compile_runbook(facts())
    assert book.no_return.known == "bound"
    assert "true moment is earlier" in book.no_return.sentence
    assert criterion(facts(), "latest safe rollback start")[0] == "unknown"
    nothing = compile_runbook(facts(reconciliations=(), records=()))
    assert nothing.no_return.known == "none"
    assert nothing.no_return.latest is None


def test_the_next_opening_is_the_limit_where_it_comes_before_the_windows_end(facts: Make) -> None:
    window = {"start": "2026-12-06T22:00:00Z", "end": "2026-12-07T12:00:00Z"}
    boxes = {"time_boxes": BOXES, "schemes": ["chaps", "fps"]}
    book = compile_runbook(facts(plan=plan(window=window), settings=parse_settings(boxes, "W01")))
    assert book.no_return.limit.startswith("CHAPS opens, Mon 07 Dec 2026 06:00")
    lines = [(line.at, line.scheme, line.kind) for line in book.calendar]
    assert (datetime(2026, 12, 7, 6, tzinfo=UTC), "CHAPS", "opens") in lines
    assert "never stops" in next(item.note for item in book.calendar_sources if item.scheme == "Faster Payments")


def test_the_rollback_of_what_was_executed_comes_from_the_journal_in_reverse(facts: Make) -> None:
    undo = compile_runbook(facts()).undo
    assert [item.step for item in undo][:3] == ["dual_run", "feeds", "stream"]
    assert undo[-1].step == "prepare"
    assert undo[-1].undo == "drop the slot cutwater_w01; drop the publication cutwater_w01; drop 10 tables in the lake"
    assert undo[1].undo.startswith("stop feed:swift:fin-out, feed:swift:fin-in")
    fresh = [
        *journal(),
        Line(999, datetime(2026, 11, 23, 21, tzinfo=UTC), "wave.state", {"to": "PLANNED", "attempt": 2}),
    ]
    again = compile_runbook(facts(records=fresh))
    assert again.undo == (), "what an earlier attempt did and removed is not undone twice"
    assert next(card for card in again.cards if card.id == "C08").took.samples == 1, "its measurements stay"


def test_nobody_shows_on_every_card(facts: Make) -> None:
    book = compile_runbook(facts(plan=plan(roles={})))
    assert {card.person for card in (*book.cards, *book.rollback)} == {NOBODY}
    word, value = criterion(facts(plan=plan(roles={})), "people and deputies named")
    assert word == "blocked"
    assert value == "nobody: all 8 duties"
    blank = compile_runbook(facts(plan=plan(roles={"decider": "  "})))
    assert blank.people[0].name == NOBODY


def test_duties_may_be_given_to_any_role_and_roles_without_a_duty_are_listed(facts: Make) -> None:
    roles = {"chief": "chief of the night", "observer": "auditor on call"}
    settings = parse_settings({"duties": {"decider": "chief"}, "contacts": {"chief": "line 1"}}, "W01")
    book = compile_runbook(facts(plan=plan(roles=roles), settings=settings))
    assert (book.people[0].name, book.people[0].contact) == ("chief of the night", "line 1")
    assert book.people[-1].name == "auditor on call"


def test_the_verdict_is_go_only_when_every_criterion_is_met(facts: Make, boxed: Facts) -> None:
    book = compile_runbook(boxed)
    assert (book.verdict, book.verdict_word) == ("NO-GO", "fail")
    assert "no rehearsal is on record" in {item.value for item in book.criteria}
    failing = compile_runbook(facts(gates=answered("FAIL")))
    assert "2 fail" in failing.verdict_sentence
    assert criterion(facts(gates=()), "gate reconciliation") == ("unknown", "not asked")
    assert criterion(facts(approvals=()), "plan approved") == ("blocked", "not approved by migration-lead")


def test_not_checked_is_never_green(facts: Make) -> None:
    gaps = [{"what": "camt.053", "why": "due T+1", "declared": True}]
    evidence = {"run": "R-1", "verdict": "PASS", "open_breaks": 0, "not_checked": gaps, "as_of": ""}
    word, value = criterion(facts(evidence=evidence), "nothing left unchecked")
    assert word == "unknown"
    assert value == "not checked: camt.053 (due T+1; declared)"
    assert compile_runbook(facts(evidence={})).sign_off.verdict == "NOT RUN"
    assert compile_runbook(facts(estate=None)).left_note == "Not checked: there is no inventory snapshot."


def test_a_wave_of_readers_without_a_fence_holds_no_payment(facts: Make) -> None:
    book = compile_runbook(facts(plan=plan(accepts_writes="readers")))
    ids = [card.id for card in book.cards]
    assert "C05" not in ids
    assert "C17" not in ids
    assert book.held == ()
    assert next(card for card in book.cards if card.id == "C07").needs == ("C03",), "needs pass to the followers"
    assert "R04" not in {card.id for card in book.rollback}
    assert not any("held" in message.text.lower() for message in book.messages)


def test_a_wave_of_readers_that_is_fenced_lifts_the_fence(facts: Make) -> None:
    book = compile_runbook(facts(plan=plan(accepts_writes="readers"), settings=Settings(fence=True)))
    assert next(card for card in book.cards if card.id == "C16").title.startswith("Lift the fence")


def test_a_store_raises_sequences_on_both_ways(facts: Make) -> None:
    book = compile_runbook(facts(plan=plan(accepts_writes="store")))
    assert {"C12", "R06"} <= {card.id for card in (*book.cards, *book.rollback)}


def test_a_wave_of_feeds_alone_has_no_card_for_tables(facts: Make) -> None:
    feeds = ("kafka:payhub.payment.initiated.v1",)
    book = compile_runbook(facts(plan=plan(assets=feeds, mappings=())))
    ids = {card.id for card in book.cards}
    assert not {"C05", "C06", "C07", "C08"} & ids
    assert "C09" in ids


def test_t_minus_days_fall_on_business_days_and_the_past_is_marked(facts: Make) -> None:
    days = {item.offset: item for item in compile_runbook(facts()).milestones}
    assert days["T-7"].day == date(2026, 11, 27)
    assert days["T-7"].note == "moved from Sat 28 Nov"
    assert days["T-35"].note.endswith("past when rendered")
    assert days["T-0"].day == date(2026, 12, 5)
    assert "T+14" in days


def test_every_message_tells_when_the_next_one_comes(facts: Make) -> None:
    messages = compile_runbook(facts()).messages
    for one, other in pairwise(messages):
        assert f"#{other.number}" in one.next_text
        assert one.next_at == other.at
    assert messages[-1].next_text == "This is the last planned message."


def test_without_a_window_times_are_offsets(facts: Make) -> None:
    book = compile_runbook(facts(plan=plan(window={})))
    assert book.window_start is None
    assert {card.starts for card in book.cards} == {None}
    assert book.milestones == ()
    assert book.calendar == ()
    assert book.no_return.known == "none"


def test_cautions_of_the_calendar_reach_the_verdict(facts: Make) -> None:
    window = {"start": "2027-03-27T22:00:00Z", "end": "2027-03-28T10:00:00Z"}
    word, value = criterion(facts(plan=plan(window=window)), "calendar")
    assert word == "late"
    assert "clocks go forward" in value


def test_a_failed_wave_fails_and_a_paused_one_blocks(facts: Make) -> None:
    at = datetime(2026, 11, 23, 21, tzinfo=UTC)
    for condition, word in (("FAILED", "fail"), ("PAUSED", "blocked")):
        records = [*journal(), Line(500, at, "wave.condition", {"condition": condition})]
        assert criterion(facts(records=records), "wave state")[0] == word
    ready = [*journal(), Line(500, at, "wave.state", {"from": "DUAL_RUN", "to": "READY"})]
    assert criterion(facts(records=ready), "wave state") == ("pass", "READY")


def test_an_unknown_scheme_is_refused_by_name(facts: Make) -> None:
    with pytest.raises(BadInput, match="CW5009 there is no calendar of the scheme sepa"):
        compile_runbook(facts(settings=Settings(schemes=("sepa",))))


def test_a_journal_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    odd = [
        Line(1, at, "something.new", {"x": 1}),
        Line(2, at, "step.started", None),
        Line(3, at, "effect.outcome", {"step": "s", "effect": "e", "outcome": "text", "seconds": "soon"}),
        Line(4, at, "effect.intent", {"step": "s", "effect": "e", "action": "a", "args": None}),
        Line(5, at, "effect.outcome", {"step": "s", "effect": "e", "outcome": {}, "seconds": "2", "observed": True}),
    ]
    done = fold(odd)
    assert done.head == 5
    assert done.action_samples == {}, "what was found done tells no duration"


def test_seconds_are_read_exactly_or_not_at_all() -> None:
    assert seconds("1.250") == timedelta(seconds=1, milliseconds=250)
    assert [seconds(value) for value in ("soon", None, "-1", "NaN", "Infinity")] == [None] * 5
    bodies = [
        {"seconds": "2"},
        {"started_at": "2026-11-23T20:00:00Z", "finished_at": "2026-11-23T20:00:02.5Z", "seconds": {"pin": "1"}},
        {"started_at": "2026-11-23T20:00:00Z", "finished_at": "2026-11-23T19:00:00Z"},
        {"seconds": {"pin": "1", "pin and tables": "2"}},
        {"started_at": "then", "finished_at": "now"},
        {},
    ]
    assert runs_seconds(bodies) == [timedelta(seconds=2), timedelta(seconds=2, milliseconds=500)]


def test_gates_that_were_not_asked_are_unknown(facts: Make) -> None:
    gates = (GateSpec("soak", "soak.days", "14", 60),)
    book = compile_runbook(replace(facts(), plan=plan(gates=gates), gates=()))
    assert (book.gates[0].verdict, book.gates[0].word, book.gates[0].age) == ("NO-GO", "unknown", "no evidence")


def test_the_catalogues_are_in_order_and_ids_are_told_apart() -> None:
    for cards in (CUTOVER, ROLLBACK):
        seen: set[str] = set()
        for card in cards:
            assert set(card.needs) <= seen
            assert card.do
            assert card.see
            assert card.if_not
            assert card.undo
            seen.add(card.id)


def test_every_code_has_a_meaning_and_a_remedy() -> None:
    assert all(code.startswith("CW50") and text.count(".") >= 2 for code, text in CODES.items() if code != "CW5007")
