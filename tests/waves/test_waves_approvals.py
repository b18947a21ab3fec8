"""Maker and checker: whose word counts, and which word is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from waves_bench import START, WAVE, small_plan

from adapters.memory.store import MemoryJournal
from cutwater.core.errors import BadInput, Refused
from cutwater.state.records import Approval
from waves.approvals import Rule, check_approval, makers_of, person, standing
from waves.plan import Plan
from waves.wave_file import parse_wave

TWO = Rule((), 2)


def word(who: str, role: str = "migration-lead") -> Approval:
    return Approval(1, "W01", "h", who, role, "", START)


def plan_of(**roles: str) -> Plan:
    return replace(small_plan(), roles={name.replace("_", "-"): who for name, who in roles.items()})


@pytest.mark.parametrize(
    "name",
    [
        "Ada Mensah",
        "ada mensah",
        " ADA  MENSAH ",
        "AdaMensah",
        "\uff21da Mensah",
        "Ada\u200b Mensah",
        "Ada\u00a0Mensah",
    ],
)
def test_one_person_however_the_name_is_written(name: str) -> None:
    assert person(name) == "adamensah"


def test_sharp_s_and_dotless_i_do_not_make_two_people() -> None:
    assert person("Stra\u00dfer") == person("STRASSER")
    assert person("Ada Mensah") != person("Ada Mensa")


def test_the_makers_are_all_who_planned_exactly_this() -> None:
    journal = MemoryJournal(lambda: START)
    journal.append("W01", "wave.state", {"from": "", "to": "PLANNED", "plan": "a", "by": "Ann"})
    journal.append("W01", "plan.saved", {"plan": "b", "by": "Bo"})
    journal.append("W01", "plan.saved", {"plan": "a", "by": "Cy"})
    journal.append("W01", "plan.saved", {"plan": "a"})
    assert makers_of("a", journal.rows) == ("Ann", "Cy")
    assert makers_of("c", journal.rows) == ()


def test_the_maker_is_no_checker_and_one_person_is_one_voice() -> None:
    found = standing(TWO, ("Ann",), [word("ann"), word("Bo", "x"), word("BO", "y"), word("bo", "x")])
    assert found.counted == (("Bo", "x"),)
    assert [why for _, _, why in found.void] == ["planned it", "has approved as x already"]
    assert (found.complete, found.missing_people) == (False, 1)
    assert found.missing == "1 more person, not the maker"
    assert standing(TWO, ("Ann",), [word("Bo", "x"), word("Cy", "x")]).complete


def test_two_are_asked_for_and_nobody_knows_the_maker() -> None:
    found = standing(TWO, (), [word("Bo"), word("Cy")])
    assert not found.complete
    assert "who planned it" in found.missing
    assert standing(Rule((), 1), (), [word("Bo")]).complete  # as it always was


def test_every_role_that_is_asked_for() -> None:
    rule = Rule(("a", "b"), 1)
    assert standing(rule, (), []).missing == "a, b"
    assert standing(rule, (), [word("Bo", "a")]).missing_roles == ("b",)
    assert standing(rule, (), [word("Bo", "a"), word("Cy", "b")]).complete
    assert standing(Rule((), 1), (), []).missing == "1 more person, not the maker"


@pytest.mark.parametrize(
    ("who", "role", "short", "code"),
    [
        ("ANN ", "migration-lead", "", "CW3050"),
        ("Bo", "database-owner", "", "CW3051"),
        ("Cy", "migration-lead", "0000beef", "CW3052"),
        ("Cy", "migration-lead", "00", "CW3052"),
        ("Cy", "payments-operations", "", "CW3023"),
    ],
)
def test_a_word_that_would_not_count_is_refused(who: str, role: str, short: str, code: str) -> None:
    plan = plan_of(migration_lead="nobody", database_owner="", payments_operations="Dee Lind")
    with pytest.raises(Refused, match=code):
        check_approval(plan, ("Ann",), [word("bo")], who, role, short)
    check_approval(plan, ("Ann",), [word("bo")], "Bo", "migration-lead", plan.hash[:12])
    check_approval(plan, ("Ann",), [word("bo")], "dee  lind", "payments-operations")


@pytest.mark.parametrize(("who", "role"), [("Cy", "cook"), ("nobody", "migration-lead"), (" ", "migration-lead")])
def test_nobody_cannot_approve_and_a_role_is_the_plan_s(who: str, role: str) -> None:
    with pytest.raises(BadInput, match="CW3023"):
        check_approval(small_plan(), (), [], who, role)


def test_how_many_a_wave_asks_for() -> None:
    def asked(raw: bytes) -> int:
        return parse_wave(raw, Path("W01.yaml")).spec.needed_approvers

    assert asked(WAVE) == 1
    assert asked(WAVE + b"approvers: 3\n") == 3
    assert asked(WAVE.replace(b"readers", b"store")) == 2
    for bad, said in (
        (WAVE.replace(b"readers", b"store") + b"approvers: 1\n", "moves writes, which 2 people approve"),
        (WAVE + b"approvers: 0\n", "approvers:"),
        (WAVE.replace(b"migration-lead: nobody", b"migration-lead: A") + b"approvers: 2\n", "roles names 1"),
    ):
        with pytest.raises(BadInput, match=said):
            parse_wave(bad, Path("W01.yaml"))


def test_the_plan_of_one_approver_has_the_hash_that_it_always_had() -> None:
    step = small_plan().step("approval")
    assert step.params == {"roles": ["migration-lead"]}
    assert Rule.of(small_plan()) == Rule(("migration-lead",), 1)


@pytest.mark.parametrize("name", ["Mallory\u034f", "M\u0430llory", "\u3164Mallory", "MALLORY\ufe0f", "\u041callory"])
def test_a_name_that_looks_the_same_is_the_same_person(name: str) -> None:
    assert person(name) == person("Mallory")


@pytest.mark.parametrize("name", ["\u2800", "nobody\u034f", "\u115f", "  ", "17", "N\u043ebody"])
def test_what_is_no_name_approves_nothing(name: str) -> None:
    plan = small_plan()
    with pytest.raises(BadInput, match="CW3023"):
        check_approval(plan, ["maker"], [], name, "migration-lead")
    given = [Approval(1, "W01", plan.hash, name, "migration-lead", "", START)]
    assert not standing(Rule.of(plan), ["maker"], given).counted
