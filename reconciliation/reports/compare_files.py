"""What an ad hoc comparison leaves in a folder: the page, the JSON, all breaks as CSV, and JUnit for a build server."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET  # written only, never read
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from cutwater.core.tokens import BASE_CSS, TOKENS
from reconciliation.adhoc_rows import Difference
from reconciliation.causes import cause
from reconciliation.marks import Part, marked

_STATE = {"PASS": "pass", "FAIL": "fail", "INCONCLUSIVE": "unknown"}
NULL = "\\N"


class Breaks:
    """Every break, as it is found: class, rows, key as JSON, column, source, target. NULL is written as \\N."""

    def __init__(self, file: TextIO) -> None:
        self.writer = csv.writer(file)
        self.writer.writerow(("class", "rows", "key", "column", "source", "target"))

    def __call__(self, item: Difference) -> None:
        key = json.dumps(dict(item.names), ensure_ascii=False)
        for name, (before, after) in item.fields.items() or [("", ("", ""))]:
            values = (NULL if value is None else value for value in (before, after))
            self.writer.writerow((item.cls, item.count, key, name, *values))


@contextmanager
def breaks_in(folder: Path) -> Iterator[Breaks]:
    """`breaks.csv` in a folder that is made where it is missing. Only its owner may read it: it holds values."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "breaks.csv"
    path.touch(mode=0o600)
    with path.open("w", encoding="utf-8", newline="") as file:
        yield Breaks(file)


def write(folder: Path, body: Mapping[str, Any], places: tuple[str, str], where: str, finished: str) -> None:
    """compare.html, compare.json, junit.xml, beside breaks.csv."""
    text = json.dumps({"schema": "cutwater.reconcile.compare/1", **body}, ensure_ascii=False, indent=1)
    for name, content in (
        ("compare.json", text),
        ("compare.html", page(body, places, where, finished)),
        ("junit.xml", junit(body, places)),
    ):
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(content, "utf-8")


def page(body: Mapping[str, Any], places: tuple[str, str], where: str, finished: str) -> str:
    """One self-contained HTML page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("reconciliation", "reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["n"] = lambda value: f"{int(value):,}"
    given: dict[str, Any] = {
        "b": body,
        "places": places,
        "where": where,
        "finished": finished,
        "state": _STATE[str(body["verdict"])],
        "apart": apart,
        "cause": cause,
        "unchecked": unchecked(body, where),
    }
    return environment.get_template("compare.html.j2").render(css=BASE_CSS, tokens=TOKENS, **given)


def apart(source: str | None, target: str | None) -> tuple[list[Part], list[Part]]:
    """Both values in parts; NULL is one word."""
    if source is None or target is None:
        return [Part("NULL" if source is None else source)], [Part("NULL" if target is None else target)]
    return marked(source, target)


def unchecked(body: Mapping[str, Any], where: str) -> list[str]:
    """What this comparison says nothing about."""
    columns = [note.split(":")[0] for note in body["notes"] if note.endswith("it was not compared")]
    ignored = [f"{words} (ignored)" for words in [str(body["grade"]).partition(" without ")[2]] if words]
    return [*columns, *ignored, *([f"rows outside {where}"] if where else [])]


def junit(body: Mapping[str, Any], places: tuple[str, str]) -> str:
    """One test case: passed, failed (FAIL) or in error (INCONCLUSIVE)."""
    wrong = body["verdict"] != "PASS"
    count = {
        "tests": "1",
        "failures": str(int(body["verdict"] == "FAIL")),
        "errors": str(int(body["verdict"] == "INCONCLUSIVE")),
    }
    suite = ET.Element("testsuite", {"name": "cutwater reconcile compare", **count})
    case = ET.SubElement(
        suite,
        "testcase",
        classname="compare",
        name=_plain(f"{places[0]} = {places[1]}"),
        time=str(body["seconds"]["total"]),
    )
    if wrong:
        kind = "failure" if body["verdict"] == "FAIL" else "error"
        ET.SubElement(case, kind, message=_plain("; ".join(body["reasons"])))
    return ET.tostring(suite, "unicode", xml_declaration=True) + "\n"


def _plain(text: str) -> str:
    """XML has no way to write control characters."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
