"""What the command keeps and prints, its exit codes, and reconcile.yaml."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from reconciliation_estate import MAPPINGS, Feeds, StaticPinner, sides

from cutwater.cli.main import main
from cutwater.commands import reconcile as command
from cutwater.commands.evidence import verify
from cutwater.core.config import Project, load_project
from cutwater.core.errors import BadInput, Refused
from cutwater.jobs import reconciling
from cutwater.jobs.reconciling import plan_of
from cutwater.state.store import Store, open_store

HARM = {"harmed": lambda rows: rows[1:], "whole": lambda rows: rows}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "cutwater.toml").write_text('[project]\nname = "payhub"\n', "utf-8")
    return load_project(tmp_path)


@pytest.fixture
def store(project: Project) -> Iterator[Store]:
    with open_store(project.state_url) as opened:
        mappings = [asdict(item) for item in MAPPINGS]
        assets = [*(item.asset_id for item in MAPPINGS), "kafka:payments"]
        opened.plans.save("p" * 64, "W01", {"wave": "W01", "assets": assets, "mappings": mappings})
        yield opened


def ran(project: Project, store: Store, state: str = "harmed") -> command.Ran:
    source, target = sides(HARM[state])
    return command.run(project, "W01", store, command.Sides(source, target, StaticPinner(), Feeds().view))


def printed(capsys: pytest.CaptureFixture[str], project: Project, *words: str) -> tuple[int, dict[str, Any]]:
    with pytest.raises(SystemExit) as ended:
        main(["reconcile", *words, "--project", str(project.root), "--output", "json"])
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


def test_evidence_is_kept_by_its_hash_and_bound_into_the_journal(project: Project, store: Store) -> None:
    found = ran(project, store)
    kept = store.evidence.latest("reconciliation", "W01")
    assert kept is not None
    assert found.sha256 == kept.sha256 == sha256((found.folder / "run.json").read_bytes()).hexdigest()
    assert {"run", "verdict", "open_breaks", "not_checked", "as_of"} <= set(kept.body)
    assert (kept.body["verdict"], kept.body["open_breaks"]) == ("FAIL", 1)
    assert [item.kind for item in store.journal.records("W01")] == ["evidence.added", "reconciliation.run"]
    assert store.verify() == []
    assert {item.name for item in found.folder.iterdir()} == {"run.json", "report.html", "datacompy-payhub.payment.txt"}


def test_a_second_run_closes_what_was_mended(project: Project, store: Store) -> None:
    ran(project, store)
    body = ran(project, store, "whole").body
    assert (body["verdict"], [item["state"] for item in body["breaks"]]) == ("PASS", ["closed"])
    assert [item["verdict"] for item in body["history"]] == ["FAIL", "PASS"]
    assert command.breaks(store, "W01")[1] == []


def test_the_verbs(project: Project, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    found = ran(project, store)
    code, told = printed(capsys, project, "breaks")
    assert (code, told["schema"], len(told["breaks"])) == (3, "cutwater.reconcile.breaks/1", 1)
    for name in ("1", told["breaks"][0]["id"]):
        code, one = printed(capsys, project, "explain", name)
        assert (code, one["key"], one["owner"]) == (0, "payment_id=1", "nobody")
    code, report = printed(capsys, project, "report")
    assert (code, report["sha256"], report["report"]) == (0, found.sha256, str(found.report))
    main_text(project, "breaks")
    assert "MISSING_IN_TARGET" in capsys.readouterr().out


def test_a_file_that_is_not_as_recorded_is_found_and_gives_no_report(project: Project, store: Store) -> None:
    kept = ran(project, store)
    path, first = kept.folder / "run.json", ran(project, store).folder / "run.json"
    assert verify(project).verdict == "PASS"
    page = kept.report.read_text("utf-8")
    path.write_text(path.read_text("utf-8").replace('"verdict":"FAIL"', '"verdict":"PASS"'), "utf-8")
    found = verify(project)
    assert (found.verdict, len(found.problems)) == ("FAIL", 1)
    assert str(path) in found.problems[0].text
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            command.report(project, store, str(kept.body["run"]), None)
        assert refused.value.code == "CW4018"
    assert kept.report.read_text("utf-8") == page
    first.unlink()
    assert [("edited" in item.text, "missing" in item.text) for item in verify(project).problems] == [
        (False, True),
        (True, False),
    ]


def main_text(project: Project, *words: str) -> None:
    with pytest.raises(SystemExit):
        main(["reconcile", *words, "--project", str(project.root)])


@pytest.mark.parametrize(("state", "code"), [("whole", 0), ("harmed", 3)])
def test_run_ends_with_the_verdict_and_its_exit_code(
    project: Project,
    store: Store,
    state: str,
    code: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, target = sides(HARM[state])
    monkeypatch.setattr(reconciling, "_wired", lambda *_: command.Sides(source, target, StaticPinner(), Feeds().view))
    with pytest.raises(SystemExit) as ended:
        main(["reconcile", "run", "W01", "--project", str(project.root)])
    assert ended.value.code == code
    assert "Planted" in capsys.readouterr().out
    monkeypatch.setattr(
        reconciling, "_wired", lambda *_: command.Sides(source, target, StaticPinner(None), Feeds().view)
    )
    with pytest.raises(SystemExit) as ended:
        main(["reconcile", "run", "W01", "--project", str(project.root)])
    assert ended.value.code == (7 if state == "whole" else 3)  # an open break stays open while nothing can be looked at


def test_what_is_not_there_is_said(project: Project, store: Store) -> None:
    for call, code in (
        (lambda: command.run(project, "W99", store), "CW4008"),
        (lambda: command.breaks(store, None), "CW4009"),
        (lambda: command.report(project, store, None, "W01"), "CW4009"),
    ):
        with pytest.raises(BadInput, match=code):
            call()
    ran(project, store)
    with pytest.raises(BadInput, match="CW4010"):
        command.explain(store, "B-NONE")


@pytest.mark.parametrize(
    "text", ["grace: 1", "version: 2", "expectations: [{kind: magic}]", "a: [", "feed_wait_seconds: -1"]
)
def test_a_wrong_setting_is_named(project: Project, text: str) -> None:
    (project.root / "reconcile.yaml").write_text(text, "utf-8")
    with pytest.raises(BadInput, match="CW4007"):
        command.settings_of(project)


def test_the_sandbox_settings_are_valid() -> None:
    settings = command.settings_of(load_project(Path(__file__).parents[2]))
    assert {item.kind for item in settings.expectations} == {"row_events", "status_events", "batch_events"}
    assert 0 < settings.grace("file:bacs") <= 60


def test_what_is_compared_is_the_plan_that_stands_not_the_one_saved_last(project: Project, store: Store) -> None:
    """A file that was put back gives a plan that had been saved before: a table of it must not go uncompared."""
    store.journal.append(
        "W01", "wave.state", {"from": "", "to": "PLANNED", "attempt": 1, "plan": "p" * 64, "by": "ann"}
    )
    store.plans.save("q" * 64, "W01", {"wave": "W01", "assets": [], "mappings": []})
    store.journal.append("W01", "plan.saved", {"plan": "q" * 64, "by": "ann"})
    assert plan_of(store, "W01").plan_hash == "q" * 64
    store.journal.append("W01", "plan.saved", {"plan": "p" * 64, "by": "ann"})
    assert plan_of(store, "W01").plan_hash == "p" * 64
    assert len(ran(project, store).body["tables"]) == len(MAPPINGS)
