"""The runbook as one HTML page: no script, no network, prints on A4 with id, hash and page number."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cutwater.core.tokens import BASE_CSS, TOKENS
from runbooks import gantt, words
from runbooks.model import NOBODY, Runbook

SECTIONS = (
    (1, "control", "Document control"),
    (2, "scope", "Scope"),
    (3, "roles", "Roles"),
    (4, "before", "Preconditions and T-minus"),
    (5, "calendar", "Calendar and freezes"),
    (6, "tasks", "Hour by hour"),
    (7, "gates", "Gates"),
    (8, "no-return", "Point of no return"),
    (9, "rollback", "Rollback and fix-forward"),
    (10, "comms", "Messages"),
    (11, "held", "Held payments"),
    (12, "sign-off", "Reconciliation sign-off"),
    (13, "hypercare", "Hypercare and exit"),
    (14, "contacts", "Contacts"),
    (15, "commands", "Commands"),
)


def render_html(book: Runbook) -> str:
    """The page. Everything from the outside is escaped; the running footer takes plain characters alone."""
    zone = book.zone
    environment = environment_of(zone)
    charts = {
        "done": gantt.of_steps("What the engine has done so far", book.done, zone),
        "cutover": gantt.of_cards("The cutover by swimlane", book.cards, book.path, book.window_start, zone),
        "rollback": gantt.of_cards(
            "The rollback by swimlane, from the ruling", book.rollback, book.rollback_path, None, zone
        ),
    }
    return environment.get_template("runbook.html.j2").render(
        book=book,
        hash=book.hash,
        charts=charts,
        sections=SECTIONS,
        tokens=TOKENS,
        nobody=NOBODY,
        base_css=BASE_CSS,
        running=plain_css(f"{book.id}  {book.plan_version}  sha256 {book.hash[:16]}"),
        wave_plain=plain_css(book.wave),
        cards_by_lane=_by_lane(book),
    )


def environment_of(zone: str) -> Environment:
    """Where the templates are rendered: everything is escaped, what is not given raises, times are in the zone."""
    environment = Environment(
        loader=PackageLoader("runbooks", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        clock=lambda at: words.clock(at, zone),
        moment=lambda at: words.moment(at, zone),
        short=lambda at: words.short_clock(at, zone),
        exact=lambda at: words.seconds_clock(at, zone),
        within=lambda at, began: words.within(at, began, zone),
        day=words.day,
        offset=lambda ms: words.offset(timedelta(milliseconds=ms)),
        precise=words.precise,
        signed=words.signed,
    )
    return environment


def plain_css(text: str) -> str:
    """Characters that mean nothing in CSS or HTML; what else there is becomes `_`."""
    return re.sub(r"[^A-Za-z0-9 ._:-]", "_", text)


def _by_lane(book: Runbook) -> list[dict[str, Any]]:
    lanes: dict[str, list[str]] = {}
    for card in (*book.cards, *book.rollback, *book.last):
        lanes.setdefault(card.duty, []).append(card.id)
    return [{"duty": duty, "cards": " ".join(cards)} for duty, cards in lanes.items()]
