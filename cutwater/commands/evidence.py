"""The journal and the evidence: proven intact, and shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cutwater.core.config import Project
from cutwater.core.errors import BadInput, Inconclusive, Refused
from cutwater.core.hashing import sha256_file
from cutwater.state import EvidenceRow, Problem, Record, open_store

_ANCHOR = re.compile(r"(\d+):([0-9a-f]{64})")


@dataclass(frozen=True)
class Verification:
    """records: how many the journal holds. evidence: pieces bound into it. anchor: `SEQ:HASH` of its end."""

    verdict: str
    records: int
    evidence: int
    anchor: str
    checked_anchor: str
    problems: tuple[Problem, ...]

    def require(self) -> None:
        """Raises Refused CW2007 on tampering, Inconclusive CW2012 where there was nothing to verify."""
        if self.problems:
            first = self.problems[0]
            more = f"; {len(self.problems) - 1} more" if len(self.problems) > 1 else ""
            raise Refused(
                "CW2007",
                "the journal is not as it was written",
                cause=f"{first.text}{more}",
                state="nothing was changed by this check; gates that rest on this evidence must not be trusted",
                next="keep a copy of the store, compare it with a backup: cutwater evidence show --output json",
                details={"first": first.seq, "problems": [f"{item.seq}: {item.text}" for item in self.problems[:100]]},
            )
        if self.verdict != "PASS":
            raise Inconclusive(
                "CW2012",
                "the journal is empty: nothing was verified",
                next="cutwater wave run, or --project DIR for another project; --anchor SEQ:HASH proves a loss",
            )


def parse_anchor(text: str) -> tuple[int, str] | None:
    """`SEQ:HASH` as printed by `verify`; None for an empty text."""
    if not text:
        return None
    match = _ANCHOR.fullmatch(text.strip().lower())
    if match is None:
        raise BadInput("CW2011", f"the anchor {text!r} is not SEQ:HASH", next="copy it as `evidence verify` printed it")
    return int(match[1]), match[2]


def verify(project: Project, anchor: str = "") -> Verification:
    """Checks the whole chain, the evidence and its files against it, and an anchor that was noted elsewhere."""
    noted = parse_anchor(anchor)
    with open_store(project.state_url) as store:
        kept = store.evidence.list()
        problems = (*store.verify(noted), *_file_problems(project, kept))
        count, last = store.journal.head()
        evidence = len(kept)
    verdict = "FAIL" if problems else ("PASS" if count else "INCONCLUSIVE")
    return Verification(verdict, count, evidence, f"{count}:{last}", anchor, problems)


def evidence_file(project: Project, run_id: str) -> Path:
    """Where the evidence of a reconciliation run stands in full."""
    return project.run_dir / "evidence" / run_id / "run.json"


def _file_problems(project: Project, kept: Sequence[EvidenceRow]) -> list[Problem]:
    """Every evidence file against the SHA-256 that was recorded with it."""
    problems = []
    for row in kept:
        if row.kind != "reconciliation" or not row.sha256 or "file" not in row.body:
            continue
        run_id = str(row.body.get("run", ""))
        path = evidence_file(project, run_id)
        if not path.is_file():
            problems.append(Problem(row.seq, f"the file of evidence {row.id} is missing: {path}"))
        elif sha256_file(path) != row.sha256:
            problems.append(Problem(row.seq, f"the file of evidence {row.id} was edited: {path}"))
    return problems


def show(project: Project, wave: str | None, kinds: Sequence[str], limit: int) -> list[Record]:
    """The newest `limit` records, oldest of them first."""
    with open_store(project.state_url) as store:
        return store.journal.records(wave, list(kinds) or None, last=limit)
