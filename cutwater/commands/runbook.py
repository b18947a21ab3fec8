"""What `cutwater runbook` does: collect the facts, compile, write the documents."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cutwater.commands.wave import makers
from cutwater.commands.wave_status import no_return, services_of
from cutwater.core.clock import Clock, utc_now
from cutwater.core.config import Project
from cutwater.core.errors import BadInput
from cutwater.core.hashing import sha256_file
from cutwater.jobs.wave_state import current_plan, history_of
from cutwater.state.store import Store, open_store
from runbooks.actuals import compile_review
from runbooks.compile import compile_runbook
from runbooks.executed import seconds
from runbooks.facts import Facts
from runbooks.html import render_html
from runbooks.markdown import render_markdown
from runbooks.model import Runbook
from runbooks.review import Review
from runbooks.review_html import render_review_html
from runbooks.review_markdown import render_review_markdown
from runbooks.settings import load_settings
from waves.calendars import load_calendars
from waves.gates import Questions
from waves.wave_file import wave_path

FORMATS: dict[str, tuple[str, ...]] = {"html": ("html",), "md": ("md",), "both": ("html", "md")}
REVIEWERS: dict[str, Callable[[Review], str]] = {"html": render_review_html, "md": render_review_markdown}
RENDERERS: dict[str, Callable[[Runbook], str]] = {"html": render_html, "md": render_markdown}


@dataclass(frozen=True)
class Document:
    """One file that was written."""

    format: str
    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Rendered:
    """The runbook and its files. hash: of the document's content, the same in every format."""

    book: Runbook
    hash: str
    documents: tuple[Document, ...]


@dataclass(frozen=True)
class Reviewed:
    """The post-implementation review and its files."""

    review: Review
    hash: str
    documents: tuple[Document, ...]


def collect(project: Project, wave: str, store: Store, clock: Clock = utc_now) -> Facts:
    """Everything that the runbook of a wave is made from. Raises BadInput CW3009 where it was not planned."""
    wave_path(project.files_dir, wave)  # refuses what is no name of a wave
    history = history_of(store, wave)
    plan = current_plan(store, history)
    now = clock()
    newest = store.evidence.latest("reconciliation", wave)
    # A document may be made as of another time: its clock is no clock of a machine, and is not compared.
    questions = Questions(
        wave, store.evidence, lambda: services_of(project, wave), lambda: now, store.journal, work=plan.work_hash
    )
    return Facts(
        plan=plan,
        rendered_at=now,
        plan_version=store.plans.row(plan.hash).version,
        records=store.journal.records(wave),
        gates=tuple(questions.evaluate(gate) for gate in plan.gates),
        reconciliations=store.recon.runs(wave),
        evidence=newest.body if newest else {},
        approvals=store.approvals.of(plan.hash),
        estate=store.snapshots.latest(),
        settings=load_settings(project.files_dir, wave),
        calendars=load_calendars(project.files_dir / "calendars"),
        journal=store.journal.head(),
        point=no_return(project, store, plan),
        elsewhere=_elsewhere(store, wave),
        makers=makers(store, wave, plan.hash),
        held=store.held.proof(wave).as_dict(),
    )


def _elsewhere(store: Store, wave: str) -> dict[str, list[timedelta]]:
    """What the steps of other waves of this project took: the estimate of one that was never carried out."""
    found: dict[str, list[timedelta]] = {}
    for record in store.journal.records(kinds=["step.completed"]):
        took = seconds(record.payload.get("seconds"))
        if record.wave != wave and took is not None:
            found.setdefault(f"step:{record.payload.get('step')}", []).append(took)
    return found


def render(
    project: Project, wave: str, formats: str = "both", out: Path | None = None, clock: Clock = utc_now
) -> Rendered:
    """Compiles the runbook of a wave and writes it to `out` (default: <project>/runbook-out).

    Raises BadInput CW5007 for an unknown format, CW5008 for a folder that cannot be written.
    """
    names = _formats(formats)
    with open_store(project.state_url, clock) as store:
        book = compile_runbook(collect(project, wave, store, clock))
    texts = {name: RENDERERS[name](book) for name in names}
    return Rendered(book, book.hash, _documents(project, f"{wave}-runbook", texts, out))


def actuals(
    project: Project, wave: str, formats: str = "both", out: Path | None = None, clock: Clock = utc_now
) -> Reviewed:
    """The post-implementation review: planned and actual, from the journal. Raises as `render`."""
    names = _formats(formats)
    with open_store(project.state_url, clock) as store:
        review = compile_review(collect(project, wave, store, clock))
    texts = {name: REVIEWERS[name](review) for name in names}
    return Reviewed(review, review.hash, _documents(project, f"{wave}-actuals", texts, out))


def _formats(formats: str) -> tuple[str, ...]:
    if formats not in FORMATS:
        raise BadInput("CW5007", f"--format {formats} is unknown", next="--format html, --format md or --format both")
    return FORMATS[formats]


def _documents(project: Project, stem: str, texts: dict[str, str], out: Path | None) -> tuple[Document, ...]:
    folder = out if out is not None else project.root / "runbook-out"
    documents = []
    for name, text in texts.items():
        path = folder / f"{stem}.{name}"
        _write(path, text)
        documents.append(Document(name, str(path), sha256_file(path), path.stat().st_size))
    return tuple(documents)


def _write(path: Path, text: str) -> None:
    """The whole file or none of it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as target:
            target.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        raise BadInput(
            "CW5008",
            f"{path} cannot be written",
            cause=error.strerror or str(error),
            state="an earlier runbook in that place is untouched",
            next="--out DIR",
        ) from None
