"""What `cutwater reconcile compare` does: two places, pinned, compared. It needs no project and changes nothing."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from cutwater.core.clock import iso, utc_now
from cutwater.core.errors import BadInput
from reconciliation.adhoc import Asked, LocatedSide, compare, document
from reconciliation.locations import Location, location
from reconciliation.rules import FORMS, rule_of


def asked(key: str, columns: str, classes: list[str], listed: int) -> Asked:
    """The options as they were typed. Raises BadInput CW4034 with what is wrong and what may stand there."""
    rules = {}
    for text in classes:
        column, mark, rule = text.partition("=")
        if not mark or not column:
            raise BadInput(
                "CW4034",
                f"--class {text} cannot be read",
                state="nothing was compared",
                next=f"write --class COLUMN=RULE, a rule being one of {FORMS}",
            )
        rules[column] = rule_of(rule)
    if listed < 0:
        raise BadInput("CW4034", f"--limit {listed} is below zero", next="write --limit 500")
    return Asked(_names(key), _names(columns), rules, listed)


def run(source: str, target: str, options: Asked, where: str = "", report: Path | None = None) -> dict[str, Any]:
    """The document `cutwater.reconcile.compare/1`, also as files in the folder `report`. Raises BadInput, Unavailable where a
    side cannot be opened."""
    if report is None:
        return _compared(source, target, options, where)
    from reconciliation.reports.compare_files import breaks_in, write

    try:
        with breaks_in(report) as sink:
            body = _compared(source, target, replace(options, sink=sink), where)
        write(report, body, (source, target), where, iso(utc_now()))
    except OSError as error:
        raise BadInput(
            "CW4034",
            f"the report cannot be written to {report}",
            cause=error.strerror or str(error),
            next="name another folder",
        ) from error
    return body


def _compared(source: str, target: str, options: Asked, where: str) -> dict[str, Any]:
    from adapters.duckdb.files import Files
    from adapters.duckdb.joined import JoinLane

    with ExitStack() as stack:
        sides = [side_of(location(text), where) for text in (source, target)]
        pins = [stack.enter_context(side.pinned()) for side in sides]
        left, right = (cast(LocatedSide, side) for side in sides)
        return document(compare(left, right, Files(), JoinLane(), (pins[0], pins[1]), options, iso(utc_now())))


def side_of(place: Location, where: str) -> Any:
    if place.scheme == "postgresql":
        from adapters.postgres.located_side import LocatedPostgres

        return LocatedPostgres(place, where)
    from adapters.duckdb.located_side import LocatedFiles

    return LocatedFiles(place, where)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
