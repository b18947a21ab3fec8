"""The documents: complete, the same bytes for the same facts, and nothing from outside becomes markup."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runbooks_support import Yes, plan

from runbooks.compile import compile_runbook
from runbooks.facts import Facts
from runbooks.html import SECTIONS, render_html
from runbooks.markdown import code, plain, render_markdown
from runbooks.model import Runbook
from runbooks.settings import parse_settings

Make = Callable[..., Facts]
EVIL = '</style><script>alert(1)</script><img src=x onerror="a()">\'`|*_[x](http://evil.example)'
VOID = {"meta", "br", "hr", "img", "path", "rect", "input", "link"}


class Balanced(HTMLParser):
    """Elements that were opened, ids, links; raises where tags do not close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.anchors: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.anchors |= {(value or "")[1:] for name, value in attrs if name == "href"}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, f"</{tag}> closes another element"


def parsed(html: str) -> Balanced:
    page = Balanced()
    page.feed(html)
    assert page.open == []
    return page


@pytest.fixture
def evil(facts: Make) -> Runbook:
    """Every text that people or systems give is hostile."""
    roles = {"decider": EVIL, "migration-lead": EVIL, EVIL: EVIL}
    assets = (f"kafka:{EVIL}", "postgres:payhub.payment")
    settings = parse_settings({"bridge": EVIL, "deputies": {"decider": EVIL}, "contacts": {"decider": EVIL}}, "W01")
    approvals = (Yes(EVIL, EVIL, facts().rendered_at, EVIL),)
    evidence = {"run": EVIL, "verdict": EVIL, "open_breaks": 1, "not_checked": [EVIL], "as_of": EVIL}
    gates = (replace(facts().gates[0], value=EVIL, reason=EVIL, evidence=EVIL), facts().gates[1])
    estate = {"taken_at": EVIL, "assets": [{"id": f"file:{EVIL}", "measures": {}}], "not_checked": {EVIL: EVIL}}
    hostile = plan(title=EVIL, roles=roles, assets=assets, reasons={"bridge:x": EVIL})
    return compile_runbook(
        facts(plan=hostile, settings=settings, approvals=approvals, evidence=evidence, gates=gates, estate=estate)
    )


def test_the_page_is_one_file_without_script_or_network(boxed: Facts, facts: Make) -> None:
    for given_facts in (
        boxed,
        facts(),
        facts(plan=plan(window={}, roles={}, gates=()), records=(), evidence={}, gates=()),
    ):
        html = render_html(compile_runbook(given_facts))
        page = parsed(html)
        assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "form"}
        assert not {name for name in page.attributes if name.startswith("on") or name == "src"}
        assert "http://" not in html.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in html
        assert "@import" not in html
        assert "url(" not in html
        assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html


def test_every_section_is_there_once_and_every_link_has_its_target(boxed: Facts) -> None:
    page = parsed(render_html(compile_runbook(boxed)))
    assert [anchor for _, anchor, _ in SECTIONS] == [name for name in page.ids if not re.fullmatch(r"[CR]\d\d", name)]
    assert len(page.ids) == len(set(page.ids))
    assert page.anchors <= set(page.ids)
    assert len(SECTIONS) == 15


def test_the_same_facts_give_the_same_bytes(boxed: Facts, facts: Make) -> None:
    assert render_html(compile_runbook(boxed)) == render_html(compile_runbook(boxed))
    assert render_markdown(compile_runbook(facts())) == render_markdown(compile_runbook(facts()))


def test_both_formats_carry_the_hash_and_the_verdict(boxed: Facts) -> None:
    book = compile_runbook(boxed)
    for text in (render_html(book), render_markdown(book)):
        assert book.hash in text
        assert "NO-GO" in text
        assert book.plan_hash in text
    assert f"sha256 {book.hash[:16]}" in render_html(book), "in the running footer"
    assert 'counter(page) " of " counter(pages)' in render_html(book)


def test_hostile_names_stay_text_in_html(evil: Runbook) -> None:
    html = render_html(evil)
    page = parsed(html)
    assert not page.tags & {"script", "img"}
    assert "onerror" not in page.attributes
    assert "<script" not in html
    assert html.count("</style>") == 1
    assert "&lt;script&gt;" in html


def test_hostile_names_stay_text_in_markdown(evil: Runbook) -> None:
    text = render_markdown(evil)
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    assert not re.search(r"(?<!\\)<", outside)
    assert not re.search(r"(?<!\\)\]\(", outside)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for line in rows:
        assert line.endswith(" |")


@given(st.text())
def test_markdown_text_is_one_line_and_holds_no_markup(text: str) -> None:
    made = plain(text)
    assert "\n" not in made
    assert "\r" not in made
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>|`*\[]", made)


@given(st.text(min_size=1))
def test_inline_code_ends_where_it_should(text: str) -> None:
    made = code(text)
    if made:
        fence = re.match("`+", made)
        assert fence is not None
        inner = made[len(fence[0]) : -len(fence[0])]
        assert fence[0] not in re.findall("`+", inner)


def test_every_card_stands_in_both_documents_with_its_boxes(boxed: Facts) -> None:
    book = compile_runbook(boxed)
    html, text = render_html(book), render_markdown(book)
    for card in (*book.cards, *book.rollback):
        assert f'id="{card.id}"' in html
        assert f"#### {card.id} " in text
    assert html.count("<div>initials</div>") == len(book.cards) + len(book.rollback)


def test_the_chart_does_not_draw_lengths_that_nobody_knows(boxed: Facts, facts: Make) -> None:
    unknown, known = render_html(compile_runbook(facts())), render_html(compile_runbook(boxed))
    assert "Bars show the order, not the length" in unknown
    assert "stroke-dasharray" in unknown
    assert "Bars show the order, not the length" not in known


def test_markdown_changes_by_one_line_where_one_fact_changes(facts: Make) -> None:
    one = render_markdown(compile_runbook(facts(settings=parse_settings({"bridge": "one"}, "W01")))).splitlines()
    other = render_markdown(compile_runbook(facts(settings=parse_settings({"bridge": "two"}, "W01")))).splitlines()
    differing = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
    assert len(differing) == 3, "the head, the contacts and the hash"
