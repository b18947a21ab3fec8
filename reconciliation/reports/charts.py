"""Charts as inline SVG: no script, no network, readable in grey; each stands above a table with the same numbers."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

INK, MUTED, LINE, FAIL, PASS = "#14181F", "#55606E", "#C9D1DA", "#8C1500", "#0A5C8F"
_TEXT = 'font-family="system-ui, sans-serif" font-size="12"'


def columns(items: Sequence[tuple[str, str, int, str]], title: str, width: int = 1060, height: int = 160) -> Markup:
    """Columns: (day, time, value, verdict). A value of zero is drawn as a line with its number, so that it is seen."""
    top, bottom = 22, 48
    floor, room = height - bottom, height - top - bottom
    most = max([value for _, _, value, _ in items] + [1])
    step = min((width - 20) / max(len(items), 1), 110)
    parts = [_axis(10, floor, width - 10)]
    for number, (day, hour, value, verdict) in enumerate(items):
        left, tall = 10 + number * step, max(round(room * value / most), 2)
        middle = left + step / 2
        fill = {"PASS": PASS, "FAIL": FAIL}.get(verdict, "#FFF")
        stroke, dash = (MUTED, ' stroke-dasharray="4 3"') if verdict == "INCONCLUSIVE" else (fill, "")
        parts.append(
            f'<rect x="{left + step * 0.25:.1f}" y="{floor - tall}" width="{step * 0.5:.1f}" height="{tall}" '
            f'fill="{fill}" stroke="{stroke}"{dash}/>'
        )
        mark = {"PASS": "✓", "FAIL": "✗"}.get(verdict, "?")
        parts.append(_label(middle, floor - tall - 6, f"{mark} {value:,}", "middle", INK, bold=True))
        parts.append(_label(middle, floor + 16, hour, "middle", INK))
        if not number or items[number - 1][0] != day:
            parts.append(_label(middle, floor + 32, day, "middle", MUTED))
    return _svg(parts, width, height, title)


def bars(items: Sequence[tuple[str, int]], title: str, width: int = 1060, row: int = 24) -> Markup:
    """Horizontal bars: (label, value), labels to the left."""
    left, most = 290, max([value for _, value in items] + [1])
    parts = []
    for number, (label, value) in enumerate(items):
        y = number * row
        parts.append(_label(left - 8, y + row * 0.66, label, "end", INK))
        wide = round((width - left - 70) * value / most)
        parts.append(
            f'<rect x="{left}" y="{y + 4}" width="{max(wide, 1)}" height="{row - 8}" fill="{FAIL if value else PASS}"/>'
        )
        parts.append(_label(left + max(wide, 1) + 6, y + row * 0.66, f"{value:,}", "start", INK, bold=True))
    return _svg(parts, width, len(items) * row + 4, title)


def _axis(left: float, y: float, right: float) -> str:
    return f'<line x1="{left}" y1="{y}" x2="{right}" y2="{y}" stroke="{LINE}"/>'


def _label(x: float, y: float, text: str, anchor: str, fill: str, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}"{weight} {_TEXT}>{escape(text)}</text>'


def _svg(parts: Sequence[str], width: int, height: int, title: str) -> Markup:
    body = "".join(parts)
    return Markup(  # noqa: S704 - built here; every text in it was escaped
        f'<svg role="img" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'xmlns="http://www.w3.org/2000/svg" aria-label="{escape(title)}"><title>{escape(title)}</title>{body}</svg>'
    )
