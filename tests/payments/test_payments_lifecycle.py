"""The life cycle: the same answer whatever the order of arrival; joins, anomalies, batches, as-of."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from life_samples import OTHER, UETR, fact, leg, minute, status

from payments.lifecycle.facts import Fact, Step
from payments.lifecycle.ledger import Axis, Ledger, Payment, Taken
from payments.lifecycle.table import DEFAULT, Effect


def told(facts: list[Fact], ledger: Ledger | None = None) -> Ledger:
    ledger = Ledger() if ledger is None else ledger
    ledger.fold_all(facts)
    return ledger


def only(facts: list[Fact]) -> Payment:
    (payment,) = told(facts).payments()
    return payment


def seen(ledger: Ledger) -> list[Any]:
    """Everything that a reader can see."""
    return [
        (
            item.key,
            item.story.status,
            item.story.stage,
            item.story.recall,
            item.story.deducted,
            item.story.returned,
            item.story.history,
            item.story.anomalies,
            sorted((name, one.state, one.rank, one.since) for name, one in item.story.reporters.items()),
            item.conflicts,
            item.ambiguous,
        )
        for item in ledger.payments()
    ]


codes = st.sampled_from(
    ["RCVD", "ACTC", "ACCP", "PDNG", "ACSP", "ACSC", "ACCC", "RJCT", "CANC", "ACWP", "BLCK", "PART", "XYZZ"]
)


@st.composite
def stories(draw: st.DrawFn) -> list[Fact]:
    """Events of up to three payments: UETRs that come late or never, links that are shared, statuses, returns, batches,
    duplicates and conflicts."""
    facts = []
    for number in range(draw(st.integers(1, 7))):
        step = draw(st.sampled_from([Step.STATUS, Step.STATUS, *Step]))
        key = draw(st.sampled_from([f"e{number}", f"e{number}", "shared"]))
        links = tuple(sorted(draw(st.sets(st.sampled_from(["m|1", "m|2", "e|1", "e|2", "t|1"]), max_size=2))))
        common: dict[str, Any] = {
            "uetr": draw(st.sampled_from([None, None, UETR, UETR, OTHER])),
            "status": draw(codes) if step in (Step.STATUS, Step.BATCH_STATUS) else "",
            "reporter": draw(st.sampled_from(["A", "B"])),
            "sender": draw(st.sampled_from(["S", "S", "T"])),
            "amount": draw(st.sampled_from([None, Decimal("1.5"), Decimal(2)])),
            "currency": "EUR",
            "instructed": draw(st.sampled_from([None, Decimal(3)])),
            "instructed_currency": "EUR",
        }
        if step is Step.ANSWER:
            common["status"] = draw(st.sampled_from(["CNCL", "RJCR", "PDCR"]))
        if step is Step.BATCH_STATUS:
            common["about"] = "b|1"
        elif draw(st.booleans()):
            common["batches"] = ("b|1",)
        at = draw(st.sampled_from([None, 1, 2, 3, 3, 4]))
        content = repr((step, at, links, sorted(common.items(), key=str)))  # same content, same fact
        facts.append(fact(key, step, at, links, known=draw(st.integers(1, 5)), content=content, **common))
    return facts


@settings(max_examples=150, deadline=None)
@given(stories(), st.data())
def test_the_order_of_arrival_never_shows(facts: list[Fact], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(facts))
    assert seen(told(facts)) == seen(told(list(shuffled)))


@settings(max_examples=100, deadline=None)
@given(stories(), st.data())
def test_asking_in_between_changes_nothing(facts: list[Fact], data: st.DataObject) -> None:
    """Incremental and rebuilt are one: a ledger that was asked after every event ends as one that never was."""
    asked = Ledger()
    for item in data.draw(st.permutations(facts)):
        asked.fold(item)
        seen(asked)
    assert seen(asked) == seen(told(facts))
    assert seen(told(list(asked.facts()))) == seen(asked)


@settings(max_examples=60, deadline=None)
@given(stories(), st.integers(0, 6), st.sampled_from(list(Axis)))
def test_as_of_an_instant_is_a_ledger_that_had_only_that(facts: list[Fact], moment: int, axis: Axis) -> None:
    full = told(facts)
    kept = [item for item in full.facts() if (item.when if axis is Axis.EVENT else item.known) <= minute(moment)]
    assert seen(full.as_of(minute(moment), axis)) == seen(told(kept))


@settings(max_examples=60, deadline=None)
@given(stories())
def test_told_twice_is_told_once(facts: list[Fact]) -> None:
    ledger = told(facts)
    before = seen(ledger)
    assert ledger.fold_all(facts)[Taken.NEW] == 0
    assert seen(ledger) == before


def test_a_late_step_stays_in_the_history_and_the_state_does_not_go_back() -> None:
    payment = only([status("s1", 1, "ACSP"), status("s2", 2, "ACTC")])
    assert [(item.status, item.effect) for item in payment.story.history] == [
        ("ACSP", Effect.ADVANCE),
        ("ACTC", Effect.LATE),
    ]
    assert payment.story.status == ("ACSP", "BANKDEFFXXX")


def test_a_refusal_after_settlement_is_an_anomaly() -> None:
    payment = only([status("s1", 1, "ACSC"), status("s2", 2, "RJCT")])
    assert payment.story.status[0] == "ACSC"
    assert payment.story.anomalies == [("transition", "s2", "BANKDEFFXXX said RJCT after ACSC")]


def test_reporters_keep_states_of_their_own_and_a_refusal_speaks_for_the_payment() -> None:
    payment = only([status("s1", 1, "ACSC", reporter="A"), status("s2", 2, "RJCT", reporter="B")])
    assert {name: one.state for name, one in payment.story.reporters.items()} == {"A": "ACSC", "B": "RJCT"}
    assert (payment.story.status, payment.story.stage) == (("RJCT", "B"), "REJECTED")


@pytest.mark.parametrize(
    ("path", "ends"),
    [
        (["RCVD", "PDNG", "ACCP"], "ACCP"),
        (["ACSP", "PDNG", "ACTC"], "PDNG"),
        (["ACWP", "ACSC"], "ACWP"),
        (["ACWP", "BLCK"], "BLCK"),
        (["ACSP", "BLCK"], "ACSP"),
        (["RJCT", "ACSC"], "RJCT"),
        (["RCVD", "ACCC"], "ACCC"),
        (["PART", "XYZZ"], ""),
    ],
)
def test_the_table(path: list[str], ends: str) -> None:
    payment = only([status(f"s{number}", number, code) for number, code in enumerate(path)])
    assert payment.story.reporters["BANKDEFFXXX"].state == ends


def test_a_scheme_has_rows_of_its_own() -> None:
    steps = [status("s1", 1, "ACSC", scheme="INST"), status("s2", 2, "ACCC")]
    assert only(steps).story.anomalies
    assert not only([status("s1", 1, "ACSC"), status("s2", 2, "ACCC")]).story.anomalies
    mine = Ledger(default=DEFAULT.with_rows(ranks={"XYZZ": 45}))
    (payment,) = told([status("s1", 1, "XYZZ")], mine).payments()
    assert payment.story.status[0] == "XYZZ"


def test_a_uetr_that_comes_late_joins_two_payments() -> None:
    order = fact("order", Step.ORDERED, 1, ("m|P1|E1",))
    hop = leg("hop", 2)
    assert len(list(told([order, hop]).payments())) == 2
    both = fact("status", Step.STATUS, 3, ("m|P1|E1",), uetr=UETR, status="ACSC", reporter="A")
    (payment,) = told([order, hop, both]).payments()
    assert payment.key == UETR
    assert [item.key for item in payment.facts] == ["order", "hop", "status"]
    ledger = told([order, hop, both])
    early = ledger.as_of(minute(2), Axis.EVENT)
    assert {item.key for item in early.payments()} == {"event|order", UETR}


def test_a_reused_reference_does_not_tie_two_uetrs_together() -> None:
    one = leg("one", 1, links=("e|RENT",))
    two = leg("two", 2, uetr=OTHER, links=("e|RENT",))
    assert [(item.key, item.ambiguous) for item in told([one, two]).payments()] == [
        (OTHER, (OTHER, UETR)),
        (UETR, (OTHER, UETR)),
    ]


def test_return_recall_and_charges() -> None:
    payment = only(
        [
            leg("l1", 1, "100", instructed=Decimal(100), instructed_currency="EUR"),
            leg("l2", 2, "95", instructed=Decimal(100), instructed_currency="EUR"),
            fact("recall", Step.RECALL, 3, uetr=UETR),
            fact("answer", Step.ANSWER, 4, uetr=UETR, status="CNCL"),
            fact("return", Step.RETURNED, 5, uetr=UETR, amount=Decimal(90), currency="EUR"),
        ]
    )
    story = payment.story
    assert (story.stage, story.recall) == ("RETURNED", "accepted")
    assert story.deducted == {"EUR": Decimal(5)}
    assert story.returned == {"EUR": Decimal(90)}
    assert story.anomalies == []


def test_an_answer_without_a_recall_is_an_anomaly() -> None:
    payment = only([fact("answer", Step.ANSWER, 4, uetr=UETR, status="RJCR")])
    assert payment.story.anomalies == [("recall", "answer", "answers a recall that was not seen")]
    assert payment.story.recall == "refused"


def test_a_batch_status_reaches_its_payments_whichever_comes_first() -> None:
    orders = [
        fact(f"o{number}", Step.ORDERED, 1, (f"m|P1|E{number}",), batches=("b|P1",), sender="S") for number in (1, 2)
    ]
    group = fact("g", Step.BATCH_STATUS, 2, about="b|P1", status="RJCT", reporter="A")
    for facts in ([*orders, group], [group, *orders]):
        assert [item.story.stage for item in told(facts).payments()] == ["REJECTED", "REJECTED"]


def test_the_batch_status_of_one_sender_is_not_anothers() -> None:
    orders = [
        fact(f"o{sender}", Step.ORDERED, 1, (f"m|{sender}",), batches=("b|P1",), sender=sender) for sender in "ST"
    ]
    group = fact("g", Step.BATCH_STATUS, 2, about="b|P1", status="RJCT", reporter="A")
    for payment in told([*orders, group]).payments():
        assert payment.story.stage == "ORDERED"
        assert [rule for rule, _, _ in payment.story.anomalies] == ["ambiguous_batch"]


def test_the_same_key_with_other_content_is_a_conflict_and_the_first_known_counts() -> None:
    first = status("s1", 1, "ACSP", content="a", known=1)
    other = status("s1", 1, "RJCT", content="b", known=2)
    ledger = Ledger()
    assert [ledger.fold(item) for item in (other, first, other)] == [Taken.NEW, Taken.CONFLICT, Taken.DUPLICATE]
    (payment,) = ledger.payments()
    assert (payment.story.status[0], payment.conflicts) == ("ACSP", ("s1",))


def test_known_earlier_counts_from_then() -> None:
    ledger = told([status("s1", 1, "ACSP", known=9), status("s1", 1, "ACSP", known=2)])
    assert len(list(ledger.as_of(minute(3), Axis.KNOWLEDGE).payments())) == 1


def test_a_payment_is_found_by_each_of_its_names() -> None:
    ledger = told([leg("hop|1", 1, links=("m|P1|E1",))])
    for name in (UETR, UETR.upper(), "hop|1", "m|P1|E1"):
        found = ledger.payment(name)
        assert found is not None
        assert found.key == UETR
    assert ledger.payment("nothing") is None
