"""The runbook of a plan that the engine cuts over: cards, way back and last safe moment come from the steps themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from runbooks_tour import Tour, boxed, cutover_plan
from typer.main import get_command

from cutwater.cli.main import app
from runbooks.compile import compile_runbook
from runbooks.facts import Facts
from runbooks.html import render_html
from runbooks.markdown import render_markdown
from runbooks.model import Card, Runbook
from runbooks.stepcards import ways
from waves import life
from waves.steps import CUTOVER_KINDS


@pytest.fixture(scope="module")
def ready() -> Facts:
    return Tour().ready().facts()


@pytest.fixture(scope="module")
def after() -> Facts:
    """After one cutover and one rollback."""
    return Tour().ready().go(life.CUT).go(life.BACK).facts()


def cards(book: Runbook) -> dict[str, Card]:
    return {card.id: card for card in (*book.cards, *book.rollback, *book.last)}


def criterion(book: Runbook, name: str) -> tuple[str, str]:
    found = next(item for item in book.criteria if item.name == name)
    return found.word, found.value


def test_every_step_of_the_cutover_is_a_card_in_its_order(ready: Facts) -> None:
    book = compile_runbook(ready)
    steps = [card for card in book.cards if card.id.startswith("S")]
    assert len(steps) == len(CUTOVER_KINDS)
    assert [card.title for card in steps] == [spec.title for spec in ready.plan.steps if spec.kind in CUTOVER_KINDS]
    assert [card.id for card in book.last] == ["S10"]
    assert book.last[0].irreversible
    assert book.cards[0].id == "C01"
    assert book.cards[-1].id == "C19"
    assert not {"C04", "C05", "C14", "C16"} & {card.id for card in book.cards}, "nothing is done by hand twice"


def test_see_and_undo_are_the_steps_own_effects(ready: Facts) -> None:
    found = cards(compile_runbook(ready))
    for number, spec in enumerate((s for s in ready.plan.steps if s.kind in CUTOVER_KINDS), start=1):
        forward, back = ways(ready.plan, spec)
        card = found[f"S{number:02d}"]
        assert card.sees == forward
        assert card.undos == (() if spec.kind == "open" else back)
        assert card.undo or card.undos
    assert "refuse writes to 3 legacy tables" in found["S04"].sees
    assert found["S04"].undos[-3:-1] == ("let the legacy side write again", "route to the legacy side")
    assert "release what was held" in found["S04"].undos[-1]
    assert not any("epoch" in text for card in found.values() for text in card.sees if "route to" in text)


def test_before_the_route_opens_it_goes_back_by_itself_and_afterwards_not(ready: Facts) -> None:
    found = cards(compile_runbook(ready))
    for name in ("S01", "S02", "S03", "S04", "S05", "S06", "S07", "S08"):
        assert "goes back by itself" in found[name].if_not
    assert "nothing goes back by itself" in found["S09"].if_not
    assert found["S10"].undo.startswith("None")


def test_the_rollback_is_the_steps_way_back_the_last_first(ready: Facts) -> None:
    book = compile_runbook(ready)
    assert [card.title for card in book.rollback if card.id.startswith("B")] == [
        "Way back of switch", "Way back of fence", "Way back of baseline", "Way back of reverse",
    ]  # fmt: skip
    found = cards(book)
    assert found["B01"].commands == ("cutwater wave rollback W01",)
    assert found["B01"].needs == ("R01",)
    assert found["R09"].needs == ("B04",)
    assert "wait until the legacy side has it" in found["B01"].sees


def test_every_command_on_a_card_exists(ready: Facts) -> None:
    root: Any = get_command(app)
    book = compile_runbook(ready)
    texts = {text for card in cards(book).values() for text in card.commands} | {item.text for item in book.commands}
    assert {"cutwater wave cutover W01", "cutwater wave rollback W01", "cutwater wave complete W01 --yes W01"} <= texts
    for text in texts:
        if not text.startswith("cutwater "):
            continue
        noun, *rest = text.split()[1:]
        command = root.get_command(None, noun)
        if hasattr(command, "commands"):
            command, rest = command.commands[rest[0]], rest[1:]
        known = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= known, text
    assert all(item.present for item in book.commands)


def test_an_unmeasured_step_is_an_estimate_and_says_so(ready: Facts) -> None:
    book = compile_runbook(ready)
    assert cards(book)["S06"].took.text == "~1.0 s, estimate"
    assert criterion(book, "steps measured") == (
        "unknown",
        "0 of 13 steps measured or with a time box; estimates: S01, S02, S03, S04, S05, S06, S07, S08, S09, B01, B02, B03, B04",
    )
    by_hand = compile_runbook(replace(ready, settings=boxed(S06=2)))
    assert cards(by_hand)["S06"].took.text == "box 2 min"
    other = replace(ready, elsewhere={"step:final": [timedelta(seconds=3), timedelta(seconds=4)]})
    assert cards(compile_runbook(other))["S06"].took.text == "~4.0 s, estimate"


def test_after_a_round_its_lengths_are_the_next_plan(after: Facts) -> None:
    book = compile_runbook(after)
    found = cards(book)
    assert {card.took.basis for card in found.values() if card.id[0] in "SB" and card.id != "S10"} == {"measured"}
    assert found["S10"].took.basis == "estimate"
    assert criterion(book, "steps measured")[0] == "pass"
    assert criterion(book, "rollback rehearsed within 7 days")[0] == "pass"
    stale = compile_runbook(replace(after, rendered_at=after.rendered_at + timedelta(days=8)))
    assert criterion(stale, "rollback rehearsed within 7 days")[0] == "late"


def test_the_last_safe_moment_is_the_one_of_every_status(ready: Facts, after: Facts) -> None:
    measured = compile_runbook(after).no_return
    assert after.point is not None
    assert (measured.known, measured.latest) == ("exact", after.point.latest_start)
    assert "p90 of 1 rollback" in measured.rollback
    bound = compile_runbook(ready)
    assert bound.no_return.known == "bound"
    assert "neither measured nor estimated" in criterion(bound, "latest safe rollback start")[1]
    estimate = compile_runbook(Tour(cutover_plan("20")).facts())
    assert estimate.no_return.known == "estimate"
    assert criterion(estimate, "latest safe rollback start")[0] == "unknown"
    assert estimate.no_return.latest is not None
    assert f"about {estimate.no_return.latest:%a %d %b %Y}" in render_markdown(estimate)
    assert compile_runbook(replace(ready, point=None)).no_return.known == "none"


def test_other_sections_name_the_cards_of_this_plan(ready: Facts) -> None:
    book = compile_runbook(ready)
    known = set(cards(book))
    assert {book.marks.dark, book.marks.ruling, book.marks.final, book.marks.released, *book.marks.decisions} <= known
    assert "from S04 on" in next(item.text for item in book.messages if item.after == "C01")
    assert any("C18 is not ruled" in line for line in book.triggers)
    assert "S06 signs" in compile_runbook(replace(ready, evidence={"verdict": "PASS"})).sign_off.sentence


def test_an_approval_of_the_maker_does_not_count(ready: Facts) -> None:
    word, text = criterion(compile_runbook(replace(ready, makers=("one",))), "plan approved")
    assert word == "blocked"
    assert "one as migration-lead does not count: planned it" in text


def test_the_undo_of_what_was_executed_is_the_way_back_too() -> None:
    cut = Tour().ready().go(life.CUT)
    undo = {item.step: item.undo for item in compile_runbook(cut.facts()).undo}
    assert undo["open"] == "nothing of its own to undo"
    assert "route to the legacy side; release what was held" in undo["fence"]
    done = {item.step: item.undo for item in compile_runbook(cut.go(life.COMPLETE).facts()).undo}
    assert done["retire"].startswith("none: rollback is refused")


def test_states_after_the_switch_are_told(after: Facts) -> None:
    assert criterion(compile_runbook(after), "wave state")[0] == "blocked", "back in the dual run: READY is wanted"
    cut = Tour().ready().go(life.CUT)
    assert criterion(compile_runbook(cut.facts()), "wave state")[0] == "pass"
    half = [
        item for item in cut.facts().records if not (item.kind == "wave.state" and item.payload["to"] == "CUT_OVER")
    ]
    assert criterion(compile_runbook(cut.facts(records=half)), "wave state")[0] == "late"


def test_both_documents_hold_every_card_with_its_lines(ready: Facts) -> None:
    book = compile_runbook(ready)
    html, text = render_html(book), render_markdown(book)
    for card in cards(book).values():
        assert f'id="{card.id}"' in html
        assert f"#### {card.id} " in text
    assert html.count('<ol class="effects">') == sum(bool(c.sees) + bool(c.undos) for c in cards(book).values())
    assert render_html(compile_runbook(ready)) == html
