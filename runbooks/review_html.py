"""The post-implementation review as one HTML page: no script, no network, prints on A4 with id, hash and page number."""

from __future__ import annotations

from cutwater.core.tokens import BASE_CSS, TOKENS
from runbooks import bars
from runbooks.html import environment_of, plain_css
from runbooks.model import NOBODY
from runbooks.review import Review

SECTIONS = (
    (1, "steps", "Planned and actual"),
    (2, "dark", "Dark windows"),
    (3, "back", "Ways back"),
    (4, "said", "Approvals and decisions"),
    (5, "gates", "Gates as they were judged"),
    (6, "held", "Held payments"),
    (7, "trouble", "What failed on the way"),
    (8, "runs", "Runs"),
    (9, "control", "Document control"),
)


def render_review_html(review: Review) -> str:
    """The page. Everything from the outside is escaped; the running footer takes plain characters alone."""
    return (
        environment_of(review.zone)
        .get_template("review.html.j2")
        .render(
            review=review,
            hash=review.hash,
            chart=bars.chart(review.parts),
            ordered=sorted(review.parts, key=lambda part: part.kind == "before"),  # what was decided on first
            sections=SECTIONS,
            tokens=TOKENS,
            nobody=NOBODY,
            base_css=BASE_CSS,
            running=plain_css(f"{review.id}  {review.plan_version}  sha256 {review.hash[:16]}"),
        )
    )
