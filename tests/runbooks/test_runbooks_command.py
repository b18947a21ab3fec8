"""`cutwater runbook render` over a real store."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from runbooks_support import EVIDENCE, NOW, RUNS, journal, plan
from typer.testing import CliRunner

from cutwater.cli.main import app
from cutwater.commands import runbook as command
from cutwater.core.config import Project, load_project
from cutwater.core.errors import BadInput
from cutwater.state import open_store


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose store holds a wave in dual run."""
    (tmp_path / "cutwater.toml").write_text('[project]\nname = "bank"\n', "utf-8")
    found = load_project(tmp_path)
    made = plan()
    with open_store(found.state_url, lambda: NOW) as store:
        store.plans.save(made.hash, "W01", made.as_dict())
        for line in journal():
            payload = {**line.payload, "plan": made.hash} if line.payload.get("to") == "PLANNED" else line.payload
            store.journal.append("W01", line.kind, payload)
        for body in RUNS:
            store.recon.save_run(body["run"], "W01", body)
        store.evidence.add("reconciliation", "W01", EVIDENCE)
        store.approvals.add("W01", made.hash, "migration lead on duty", "migration-lead")
    return found


def test_both_documents_are_written_with_their_hashes(project: Project) -> None:
    done = command.render(project, "W01", clock=lambda: NOW)
    assert [item.format for item in done.documents] == ["html", "md"]
    for item in done.documents:
        path = Path(item.path)
        assert path.parent == project.root / "runbook-out"
        assert done.hash in path.read_text("utf-8")
        assert path.stat().st_size == item.bytes


def test_rendered_twice_at_one_time_the_bytes_are_the_same(project: Project, tmp_path: Path) -> None:
    one = command.render(project, "W01", out=tmp_path / "one", clock=lambda: NOW)
    other = command.render(project, "W01", out=tmp_path / "two", clock=lambda: NOW)
    assert [item.sha256 for item in one.documents] == [item.sha256 for item in other.documents]
    again = command.render(project, "W01", out=tmp_path / "one", clock=lambda: NOW)
    assert again.documents == one.documents
    assert sorted(item.name for item in (tmp_path / "one").iterdir()) == ["W01-runbook.html", "W01-runbook.md"]


def test_what_the_store_knows_is_in_the_document(project: Project) -> None:
    book = command.render(project, "W01", "md", clock=lambda: NOW).book
    assert book.state == "DUAL_RUN"
    assert book.plan_version == "v1"
    assert [gate.verdict for gate in book.gates] == ["GO", "GO"]
    assert next(card for card in book.cards if card.id == "C10").took.samples == 4
    assert book.approvals[0].who == "migration lead on duty"
    assert book.journal_seq > 60


def test_stale_evidence_is_no_go(project: Project) -> None:
    book = command.render(project, "W01", "md", clock=lambda: NOW + timedelta(hours=3)).book
    assert {gate.word for gate in book.gates} == {"late"}
    assert {gate.verdict for gate in book.gates} == {"NO-GO"}


def test_bad_input_is_refused_with_its_code(project: Project, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="CW5007"):
        command.render(project, "W01", "pdf")
    with pytest.raises(BadInput, match="CW3009"):
        command.render(project, "W09")
    with pytest.raises(BadInput, match="CW3001"):
        command.render(project, "../../etc")
    (tmp_path / "file").write_text("x", "utf-8")
    with pytest.raises(BadInput, match="CW5008"):
        command.render(project, "W01", out=tmp_path / "file")


def test_the_command_line_prints_paths_criteria_and_the_verdict_last(project: Project) -> None:
    result = CliRunner().invoke(app, ["runbook", "render", "W01", "--project", str(project.root)])
    assert result.exit_code == 0, result.output
    assert "W01-runbook.html" in result.output
    assert "NO-GO" in result.output.splitlines()[-2]
    assert result.output.splitlines()[-1].startswith("next: ")


def test_json_names_the_documents(project: Project, tmp_path: Path) -> None:
    words = ["runbook", "render", "W01", "--format", "md", "--out", str(tmp_path / "o"), "--output", "json"]
    result = CliRunner().invoke(app, [*words, "--project", str(project.root)])
    assert result.exit_code == 0, result.output
    body = json.loads(result.stdout)
    assert body["schema"] == "cutwater.runbook.render/1"
    assert body["verdict"] == "NO-GO"
    assert [item["format"] for item in body["documents"]] == ["md"]
    assert len(body["documents"][0]["sha256"]) == 64
