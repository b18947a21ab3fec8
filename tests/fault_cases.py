"""The named faults of a cutover: what happens, and which tests show it. `test_fault_cases.py` sees that each of them exists."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """where: tests as `folder/file.py::test`."""

    name: str
    what: str
    where: tuple[str, ...]


REAL = "waves/test_waves_faults_real.py::"
BOTH = "sandbox/test_sandbox_cutover.py::"
FENCE = "adapters/test_adapters_fence.py::"
GROUPS = "adapters/test_adapters_kafka_handover.py::"
TOUR = "waves/test_waves_cutover.py::"
GATES = "waves/test_waves_gates.py::"
PEOPLE = "waves/test_waves_maker_checker_cli.py::"

RULES = REAL + "test_among_those_who_do_not_keep_the_rules"

CASES = (
    Case(
        "a client that retries after a lost answer",
        "the same payment, 200, on whichever side is open",
        (
            RULES,
            BOTH + "test_an_answer_that_was_lost_is_asked_for_again_with_the_same_key",
            BOTH + "test_a_key_is_answered_alike_on_both_sides",
        ),
    ),
    Case(
        "a writer that ignores the fence",
        "refused WF001, owner and superuser too",
        (RULES, FENCE + "test_every_kind_of_write_is_refused_to_everybody"),
    ),
    Case(
        "a prepared transaction",
        "named; the cutover goes back by itself",
        (
            REAL + "test_a_prepared_transaction_is_named_and_its_cutover_goes_back",
            FENCE + "test_a_prepared_transaction_is_refused_by_name_and_left_alone",
        ),
    ),
    Case(
        "a long transaction",
        "ended after its grace, named; nothing of it is kept",
        (RULES, FENCE + "test_a_straggler_is_ended_and_named"),
    ),
    Case(
        "an open Kafka transaction",
        "waited for while dark, then on",
        (
            REAL + "test_an_open_kafka_transaction_is_waited_for",
            GROUPS + "test_an_open_transaction_is_waited_for",
            "adapters/test_adapters_feeds_kafka.py::test_a_feed_is_not_drained_while_a_transaction_is_open",
        ),
    ),
    Case(
        "a zombie runner",
        "does nothing more: route, fence, journal are the other's",
        (
            REAL + "test_a_zombie_runner_does_nothing_more",
            TOUR + "test_a_zombie_does_nothing_more_least_of_all_a_way_back",
            FENCE + "test_a_zombie_neither_raises_nor_lifts_nor_drops_nor_passes",
            GROUPS + "test_a_zombie_writes_nothing",
        ),
    ),
    Case(
        "a stale route",
        "409 or 503 on both sides, nothing is written",
        (RULES, BOTH + "test_another_epoch_is_refused_on_both_sides_and_nothing_is_written"),
    ),
    Case(
        "a clock 5 minutes off",
        "every gate is unknown: no-go, nothing has moved",
        (
            TOUR + "test_a_clock_five_minutes_off_is_no_go_at_the_moment_of_the_cutover",
            GATES + "test_clocks_that_differ_make_every_gate_unknown",
            PEOPLE + "test_a_clock_five_minutes_off_makes_the_gates_unknown",
        ),
    ),
    Case(
        "a second cutover of the same wave",
        "changes nothing",
        (RULES, TOUR + "test_a_second_cutover_of_a_wave_that_is_cut_over_changes_nothing"),
    ),
    Case(
        "rollback after complete",
        "refused, exit code 3",
        (REAL + "test_at_the_end_all_sides_agree_and_there_is_no_way_back", TOUR + "test_illegal_moves_are_refused"),
    ),
    Case(
        "a failing smoke test",
        "the cutover goes back by itself",
        (
            REAL + "test_a_smoke_test_that_fails_goes_back_by_itself",
            TOUR + "test_what_fails_in_the_dark_goes_back_by_itself",
        ),
    ),
    Case(
        "an approver who is also the maker",
        "refused CW3050",
        (PEOPLE + "test_two_checkers_and_none_of_them_the_maker", PEOPLE + "test_who_plans_it_again_is_a_maker_too"),
    ),
    Case(
        "evidence one minute too old",
        "no-go, nothing has moved",
        (
            GATES + "test_evidence_of_exactly_the_allowed_age_is_fresh",
            TOUR + "test_evidence_is_asked_for_once_more_at_the_moment_of_the_cutover",
        ),
    ),
)
