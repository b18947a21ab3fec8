"""The tokens of every screen and page: state = word + glyph + fill + colour, never colour alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StateToken:
    """How one state looks: `word`, glyph (and its ASCII form), page fill and text, print colour, terminal style."""

    word: str
    glyph: str
    ascii: str
    fill: str
    text: str
    dark: str
    terminal: str


TOKENS = {
    "pass": StateToken("PASS", "✓", "ok", "#DCEEFB", "#14181F", "#0A5C8F", "cyan"),
    "fail": StateToken("FAIL", "✗", "XX", "#8C1500", "#FFFFFF", "#8C1500", "bold red"),
    "late": StateToken("LATE", "▲", ">>", "#F2B23A", "#14181F", "#855000", "yellow"),
    "blocked": StateToken("BLOCKED", "■", "##", "#A78BD0", "#14181F", "#4B2A85", "magenta"),
    "unknown": StateToken("UNKNOWN", "?", "??", "#FFFFFF", "#14181F", "#55606E", "dim"),
}

# Shared by the report and the runbook; each adds its own layout.
BASE_CSS = """
:root{--ink:#14181F;--muted:#55606E;--line:#C9D1DA;--paper:#FFF}
*{box-sizing:border-box}
body{margin:0;font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;color:var(--ink);background:var(--paper)}
main{max-width:1120px;margin:0 auto;padding:24px}
h1{font-size:24px;margin:0 0 4px}h2{font-size:18px;margin:32px 0 8px}h3{font-size:15px;margin:20px 0 6px}
code,.id{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:12px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:4px 8px;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;line-height:20px}
th{font-size:12px;color:var(--muted);font-weight:600}
td.n,th.n{text-align:right;white-space:nowrap}
.muted{color:var(--muted)}
.state{display:inline-block;padding:0 8px;border:2px solid transparent;border-radius:3px;font-weight:700;white-space:nowrap}
.pass{background:#DCEEFB;color:#14181F;border-color:#0A5C8F}
.fail{background:#8C1500;color:#FFF;border-color:#8C1500}
.late{background:#F2B23A;color:#14181F;border-color:#855000}
.blocked{background:repeating-linear-gradient(135deg,#A78BD0 0 6px,#B79FDA 6px 9px);color:#14181F;border-color:#4B2A85}
.unknown{background:#FFF;color:#14181F;border:2px dashed #55606E}
@media print{
@page{size:A4;margin:15mm}
body{font-size:10pt}h1{font-size:16pt}h2{font-size:12pt;break-after:avoid}main{max-width:none;padding:0}
tr,.card{break-inside:avoid}thead{display:table-header-group}
.state{background:none!important;border:2pt solid currentColor!important}
.pass{color:#0A5C8F}.fail{color:#8C1500}.late{color:#855000}.blocked{color:#4B2A85}.unknown{color:#55606E;border-style:dashed!important}
}
"""
