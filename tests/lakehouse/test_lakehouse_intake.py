"""The intake's decisions, without any outside system."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from cutwater.core.money import Money
from lakehouse.intake import Intake, in_order, message_id, take_in
from lakehouse.ports import Delivery
from lakehouse.tables import PAYMENT_EVENT, QUARANTINE, RAW_INTAKE, RAW_MESSAGE
from payments.identity import make_event
from payments.model import EventKind, Finding, Parsed, PaymentEvent

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


def event(reference: str, amount: str = "1") -> PaymentEvent:
    return make_event(
        family="test",
        kind=EventKind.INITIATED,
        sender="S",
        message_id=reference,
        ordinal="1",
        amount=Money("EUR", Decimal(amount)),
    )


def delivery(number: int, **more: object) -> Delivery:
    return Delivery("kafka:t", f"0:{number}", b"x", AT, 0, number, **more)  # type: ignore[arg-type]


def judge(*messages: Parsed, known: dict[str, str] | None = None) -> Intake:
    return take_in([delivery(number) for number in range(len(messages))], messages, known or {}, AT)


def outcomes(result: Intake) -> list[str]:
    return result.decisions["outcome"]


def test_the_columns_are_the_tables() -> None:
    result = judge(Parsed("f", "m", (event("A"),)))
    for columns, spec in (
        (result.raw, RAW_MESSAGE),
        (result.decisions, RAW_INTAKE),
        (result.events, PAYMENT_EVENT),
        (result.quarantine, QUARANTINE),
    ):
        assert set(columns) == {item.name for item in spec.columns}
        assert len({len(values) for values in columns.values()}) == 1


def test_known_before_or_within_the_batch_is_a_duplicate() -> None:
    known = {event("A").event_key: event("A").content_hash}
    result = judge(
        Parsed("f", "", (event("A"),)), Parsed("f", "", (event("B"),)), Parsed("f", "", (event("B"),)), known=known
    )
    assert outcomes(result) == ["duplicate", "accepted", "duplicate"]
    assert result.events["message_ref"] == ["B"]
    assert result.new_keys == {event("B").event_key: event("B").content_hash}


def test_some_known_some_new_is_accepted_and_counted() -> None:
    known = {event("A").event_key: event("A").content_hash}
    result = judge(Parsed("f", "", (event("A"), event("B"), event("B"))), known=known)
    assert outcomes(result) == ["accepted"]
    assert (result.decisions["events"], result.decisions["duplicates"]) == ([3], [2])


def test_a_conflict_holds_the_whole_message() -> None:
    known = {event("A").event_key: event("A").content_hash}
    result = judge(Parsed("f", "", (event("A", "2"), event("B"))), known=known)
    assert outcomes(result) == ["conflict"]
    assert result.events["event_key"] == []
    assert (result.quarantine["rule"], result.quarantine["place"]) == (["conflict"], [event("A").event_key])
    assert result.new_keys == {}


def test_a_message_that_contradicts_itself_is_a_conflict() -> None:
    assert outcomes(judge(Parsed("f", "", (event("A"), event("A", "2"))))) == ["conflict"]


def test_errors_are_quarantined_one_row_a_reason_and_the_bytes_once() -> None:
    findings = (
        Finding("error", "one", "p", "t"),
        Finding("warn", "two", "p", "t"),
        Finding("error", "three", "p", "t"),
    )
    result = judge(Parsed("f", "", (event("A"),), findings))
    assert outcomes(result) == ["quarantined"]
    assert result.quarantine["rule"] == ["one", "three"]
    assert result.quarantine["payload"] == [b"x", None]
    assert result.events["event_key"] == []
    assert len(json.loads(result.decisions["findings"][0])) == 3


def test_acknowledgements_are_control_and_unread_types_are_accepted() -> None:
    assert outcomes(judge(Parsed("FIN.ACK", ""), Parsed("MT999", ""))) == ["control", "accepted"]


def test_what_only_the_envelope_can_tell() -> None:
    told = Parsed("MT103", "", (), (), {"lt": "BANKGB2LAXXX", "session": "0001", "sequence": "000042"})
    named = delivery(0, lt="BANKGB2LAXXX", session="0001", sequence=43, headers={"supersedes": "abc"})
    result = take_in([named], [told], {}, AT)
    assert [item["rule"] for item in json.loads(result.decisions["findings"][0])] == ["name_reused", "header_mismatch"]
    same = delivery(0, lt="BANKGB2LAXXX", session="0001", sequence=42)
    assert take_in([same], [told], {}, AT).decisions["findings"] == [None]


def test_the_same_delivery_has_the_same_id() -> None:
    assert message_id(delivery(1)) == message_id(delivery(1)) != message_id(delivery(2))


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from("12")), max_size=12), st.integers(0, 12))
def test_batches_cut_anywhere_come_to_the_same_decisions(told: list[tuple[str, str]], cut: int) -> None:
    messages = [Parsed("f", "", (event(*item),)) for item in told]
    deliveries = [delivery(number) for number in range(len(told))]
    whole = take_in(deliveries, messages, {}, AT)
    first = take_in(deliveries[:cut], messages[:cut], {}, AT)
    second = take_in(deliveries[cut:], messages[cut:], first.new_keys, AT)
    assert outcomes(first) + outcomes(second) == outcomes(whole)
    assert first.events["event_key"] + second.events["event_key"] == whole.events["event_key"]
    assert sum(whole.outcomes.values()) == len(told)


def test_offsets_are_ordered_as_numbers() -> None:
    assert [item.offset for item in in_order([delivery(10), delivery(9), delivery(2)])] == [2, 9, 10]
