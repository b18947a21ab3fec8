"""Calendars are dated data, may be overridden, and a window is looked at for what it touches."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from cutwater.core.errors import BadInput
from waves.calendars import Calendar, business_day, in_flight_since, lint_window, load_calendars, parse_calendar

SATURDAY = datetime(2026, 12, 5, 22, tzinfo=UTC)

OWN = """
id: chaps
name: CHAPS, our submission window
currency: GBP
timezone: Europe/London
versions:
  - valid_from: 2016-06-20
    source: treasury operations
    checked: 2026-11-23
    days: [mon, tue, wed, thu, fri]
    holidays: {kind: country, code: GB, subdivision: ENG}
    closed: [2026-12-07]
    events:
      - {time: "07:15", kind: opens, text: we submit}
  - valid_from: 2027-01-01
    source: treasury operations
    checked: 2026-11-23
    days: [mon, tue, wed, thu, fri, sat]
    events:
      - {time: "05:00", kind: opens, text: we submit}
"""


@pytest.fixture(scope="module")
def calendars() -> dict[str, Calendar]:
    return load_calendars()


def test_the_shipped_calendars_name_their_source_and_the_day_it_was_checked(calendars: dict[str, Calendar]) -> None:
    assert list(calendars) == ["bacs", "chaps", "fps", "target"]
    assert all(version.source and version.checked for item in calendars.values() for version in item.versions)


def test_the_next_opening_behind_a_weekend(calendars: dict[str, Calendar]) -> None:
    assert calendars["chaps"].next_opening(SATURDAY) == datetime(2026, 12, 7, 6, tzinfo=UTC)
    assert calendars["bacs"].next_opening(SATURDAY) == datetime(2026, 12, 7, 9, 30, tzinfo=UTC)
    assert calendars["target"].next_opening(SATURDAY) == datetime(2026, 12, 7, 1, 30, tzinfo=UTC)
    assert calendars["fps"].next_opening(SATURDAY) is None


def test_openings_follow_bank_holidays_and_summer_time(calendars: dict[str, Calendar]) -> None:
    christmas = datetime(2026, 12, 24, 20, tzinfo=UTC)
    assert calendars["chaps"].next_opening(christmas) == datetime(2026, 12, 29, 6, tzinfo=UTC)
    assert calendars["target"].next_opening(christmas) == datetime(2026, 12, 28, 1, 30, tzinfo=UTC)
    june = datetime(2026, 6, 6, 12, tzinfo=UTC)
    assert calendars["chaps"].next_opening(june) == datetime(2026, 6, 8, 5, tzinfo=UTC)


def test_an_override_replaces_the_shipped_file_and_its_versions_are_dated(tmp_path: Path) -> None:
    (tmp_path / "chaps.yaml").write_text(OWN, "utf-8")
    own = load_calendars(tmp_path)["chaps"]
    assert own.next_opening(SATURDAY) == datetime(2026, 12, 8, 7, 15, tzinfo=UTC)
    assert own.next_opening(datetime(2027, 1, 1, 12, tzinfo=UTC)) == datetime(2027, 1, 2, 5, tzinfo=UTC)
    assert not own.is_open(date(2016, 1, 4)), "before the first version nothing is known"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("id: x", "'versions' is missing"),
        ("- a", "list indices"),
        ("{", "flow"),
        (OWN.replace('"07:15"', '"7 o clock"'), "Invalid isoformat"),
        (OWN.replace("kind: opens", "kind: wakes"), "not wakes"),
        (OWN.replace("[mon, tue, wed, thu, fri]", "[moon]"), "days are"),
        (OWN.replace("Europe/London", "Europe/Londinium"), "Londinium"),
        (OWN.replace("valid_from: 2016-06-20", "valid_from: soon"), "no date"),
    ],
)
def test_a_broken_calendar_is_refused_by_name(text: str, cause: str) -> None:
    with pytest.raises(BadInput, match=r"CW5004.*own\.yaml") as caught:
        parse_calendar(text, "own.yaml")
    assert cause in caught.value.cause


def rules(calendars: dict[str, Calendar], start: datetime, end: datetime) -> set[tuple[str, str]]:
    found = lint_window(start, end, "Europe/London", list(calendars.values()))
    return {(item.rule, item.day.isoformat()) for item in found}


def test_a_quiet_weekend_has_nothing_to_say(calendars: dict[str, Calendar]) -> None:
    assert rules(calendars, SATURDAY, datetime(2026, 12, 6, 12, tzinfo=UTC)) == set()


def test_clock_changes_holidays_and_period_ends_are_named(calendars: dict[str, Calendar]) -> None:
    spring = rules(calendars, datetime(2027, 3, 27, 22, tzinfo=UTC), datetime(2027, 3, 28, 10, tzinfo=UTC))
    assert ("dst", "2027-03-28") in spring
    assert ("bank-holiday", "2027-03-29") in spring, "Easter Monday, next to the window"
    october = lint_window(
        datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 10, tzinfo=UTC), "Europe/London", []
    )
    assert "twice" in october[0].text
    assert "in the window" in october[0].text
    november = rules(calendars, datetime(2026, 11, 28, 22, tzinfo=UTC), datetime(2026, 11, 29, 12, tzinfo=UTC))
    assert ("month-end", "2026-11-30") in november
    december = rules(calendars, datetime(2026, 12, 31, 18, tzinfo=UTC), datetime(2026, 12, 31, 22, tzinfo=UTC))
    assert {rule for rule, _ in december} == {"year-end", "bank-holiday"}
    june = rules(calendars, datetime(2026, 6, 30, 18, tzinfo=UTC), datetime(2026, 6, 30, 22, tzinfo=UTC))
    assert june == {("quarter-end", "2026-06-30")}


def test_the_business_day_before_a_weekend_or_a_holiday(calendars: dict[str, Calendar]) -> None:
    assert business_day(date(2026, 12, 6), [calendars["chaps"]]) == date(2026, 12, 4)
    assert business_day(date(2026, 12, 28), [calendars["chaps"]]) == date(2026, 12, 24)


def test_bacs_files_of_the_last_two_business_days_are_in_flight(calendars: dict[str, Calendar]) -> None:
    assert in_flight_since(date(2026, 12, 5), calendars["bacs"]) == date(2026, 12, 3)
    assert in_flight_since(date(2026, 12, 27), calendars["bacs"]) == date(2026, 12, 23)
    assert in_flight_since(date(2026, 12, 5), calendars["chaps"]) is None
