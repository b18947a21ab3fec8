"""How `cutwater reconcile compare` looks on a terminal: verdict first, then what it rests on."""

from __future__ import annotations

from typing import Any

from cutwater.core.output import Output, glyph
from reconciliation.causes import cause
from reconciliation.marks import line, marked

_STATE = {"PASS": "pass", "FAIL": "fail"}
MOST = 20


def print_compare(out: Output, body: dict[str, Any]) -> None:
    """At most 100 columns; the first breaks are shown, all are in the JSON."""
    planted = body["planted"]
    word = "? INCONCLUSIVE" if body["verdict"] == "INCONCLUSIVE" else glyph(_STATE[body["verdict"]])
    out.line(f"{word}  grade {body['grade']}; {body['seconds']['total']} s")
    for side in ("source", "target"):
        out.line(f"  {side}  {body['rows'][side]:,} rows at {body['pins'][side]}")
    out.line(f"  key     {', '.join(body['key']) or 'none: rows are a multiset'}")
    out.line(
        f"  proof   {planted['found']} of {planted['n']} planted differences found; chance of a miss {body['miss_probability']}"
    )
    for reason in body["reasons"]:
        out.line(f"  why     {reason}")
    for note in body["notes"]:
        out.line(f"  note    {note}")
    rows = [
        (name.replace("_", " "), f"{number:,}")
        for name, number in body["rows"].items()
        if name not in ("source", "target")
    ]
    out.table(("ROWS", "NUMBER"), rows)
    if body["breaks"]:
        out.table(
            ("CLASS", "KEY", "FIELD", "SOURCE", "TARGET", "LIKELY"),
            [line for item in body["breaks"][:MOST] for line in _lines(item)],
        )
        if len(body["breaks"]) > MOST:
            out.line(f"  the first {MOST} of {len(body['breaks'])} listed; --output json has them all")


def _lines(item: dict[str, Any]) -> list[tuple[str, ...]]:
    key = ", ".join(f"{name}={_shown(value)}" for name, value in list(item["key"].items())[:3])
    if not item["fields"]:
        return [(item["class"], key, "", "", "", f"{item['rows']} rows" if item["rows"] > 1 else "")]
    return [
        (item["class"], key, name, *_apart(pair["source"], pair["target"]), cause(pair["source"], pair["target"]))
        for name, pair in item["fields"].items()
    ]


def _apart(source: str | None, target: str | None) -> tuple[str, str]:
    """Both values; of texts that eyes may take for the same, what differs stands between brackets by its code points."""
    shown = _shown(source), _shown(target)
    if source is None or target is None or not source or not target:
        return shown
    left, right = marked(source, target)
    alike = any(part.points for part in (*left, *right)) or shown[0] == shown[1]
    return (line(left), line(right)) if alike else shown


def _shown(value: str | None) -> str:
    """NULL is a word, a text stands in quotes where blanks or its length could mislead."""
    if value is None:
        return "NULL"
    short = value if len(value) <= 30 else f"{value[:27]}..."
    return repr(short) if short != short.strip() or not short or not short.isprintable() else short
