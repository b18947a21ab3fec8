"""Smoke tests and probes are read when a wave is planned, not on the night."""

from __future__ import annotations

from pathlib import Path

import pytest
from waves_bench import ESTATE, WAVE, WAY_BACK

from cutwater.commands import wave
from cutwater.core.config import Project, load_project
from cutwater.core.errors import BadInput, Refused
from cutwater.state.store import open_store

SECTION = b"cutover:\n  outbox: [payhub, outbox, published_at]\n  smoke: [api]\n  probe: [drop]\n"
DROP = "{through: drop, stream: 'file:%s', folder: x, name: 'CUTWATER-SMOKE-{mark}.txt', lines: [x]}\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "cutwater.toml").write_text('[project]\nname = "t"\n[endpoints]\nfrom = "sandbox"\n')
    (tmp_path / "waves").mkdir()
    (tmp_path / "waves" / "W01.yaml").write_bytes(
        WAVE.replace(b"accepts_writes: readers", b"accepts_writes: store") + SECTION + WAY_BACK
    )
    (tmp_path / "smoke").mkdir()
    (tmp_path / "smoke" / "api.yaml").write_text("- {name: send, path: /}\n")
    (tmp_path / "smoke" / "drop.yaml").write_text(DROP % "pain001")
    found = load_project(tmp_path)
    with open_store(found.state_url) as store:
        store.snapshots.save(ESTATE.as_dict())
    return found


def planned(project: Project) -> bool:
    with open_store(project.state_url) as store:
        return bool(store.journal.records("W01"))


def test_files_that_can_be_read_and_feeds_of_the_wave(project: Project) -> None:
    assert wave.plan_wave(project, "W01", "maker").changed


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("api.yaml", None, r"CW3046.*api\.yaml"),
        ("api.yaml", "- {name: send}\n", r"CW3046.*api\.yaml"),
        ("drop.yaml", None, r"CW3066.*drop\.yaml"),
        ("drop.yaml", DROP % "bacs", r"CW3066.*drop goes into file:bacs, which is not in wave W01"),
    ],
)
def test_what_would_fail_on_the_night_is_refused_at_the_plan(
    project: Project, name: str, text: str | None, says: str
) -> None:
    path = project.root / "smoke" / name
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(BadInput, match=says):
        wave.plan_wave(project, "W01", "maker")
    assert not planned(project)


def test_a_file_that_went_missing_after_the_plan_stops_the_cutover_in_front_of_it(project: Project) -> None:
    plan = wave.plan_wave(project, "W01", "maker").plan
    (project.root / "smoke" / "drop.yaml").unlink()
    with open_store(project.state_url) as store, pytest.raises(BadInput, match="CW3066"):
        wave.check_current(project, store, plan)


@pytest.mark.parametrize("name", ["smoke/api.yaml", "reconcile.yaml"])
def test_what_a_cutover_reads_beside_the_plan_is_approved_with_it(project: Project, name: str) -> None:
    """A smoke test that asks the gateway's own health, or a grace of a year, would be a cutover that nobody has approved."""
    found = wave.plan_wave(project, "W01", "maker")
    with open_store(project.state_url) as store:
        wave.check_current(project, store, found.plan)
        (project.root / name).write_text(
            "- {name: send, path: /health}\n" if "smoke" in name else "planted_per_table: 9\n"
        )
        with pytest.raises(Refused, match="CW3011") as refused:
            wave.check_current(project, store, found.plan)
    assert name in refused.value.what
    assert wave.plan_wave(project, "W01", "maker").hash != found.hash
