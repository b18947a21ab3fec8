"""`cutwater inventory`: what it prints, its JSON, its exit codes. The systems are told, the store is real."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.memory.discovery import MemoryDiscoverer
from cutwater.cli.main import main
from cutwater.core.errors import BadInput, Unavailable
from inventory.model import Asset, AssetKind, Edge, Finding

SEEN = datetime(2026, 11, 20, 9, tzinfo=UTC)
Run = Callable[..., int]


def asset(identity: str, volume: int | None, exact: bool = True, **structure: object) -> Asset:
    kind, name = identity.split(":", 1)
    measures: dict[str, object] = {"volume": volume, "unit": "things", "exact": exact, "pii": {}}
    return Asset(identity, AssetKind(kind), name, structure=structure, measures=measures, last_seen=SEEN)


PAYMENT = asset("postgres:payhub.payment_status", 126_400_000, False, columns=[{"name": "a", "type": "text"}])
ASSETS = [
    PAYMENT,
    asset("kafka:payhub.payment.initiated.v1", 20_000, False),
    asset("api:getPaymentStatus", 412),
    asset("file:pain001", 113),
    asset("swift:fin-in", None),
]


@pytest.fixture
def systems(monkeypatch: pytest.MonkeyPatch) -> list[MemoryDiscoverer]:
    found = [MemoryDiscoverer(item.kind, [item]) for item in ASSETS]
    found[2].findings = [Finding("api:getPaymentStatus", "blocked", "unknown caller: 3 calls without a client id")]
    found[3].edges = [Edge("file:pain001", PAYMENT.id, "feeds", "rows")]
    monkeypatch.setattr("cutwater.wiring.discoverers", lambda project: found)
    return found


@pytest.fixture
def run(tmp_path: Path, systems: list[MemoryDiscoverer]) -> Run:
    (tmp_path / "cutwater.toml").write_text("")

    def runs(*words: str) -> int:
        with pytest.raises(SystemExit) as stopped:
            main(["inventory", *words, "--project", str(tmp_path)])
        return int(stopped.value.code or 0)

    return runs


def test_before_the_first_discovery(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("list",), ("show", "x"), ("diff",)):
        assert run(*words) == 4
        assert "CW2101" in capsys.readouterr().err


def test_the_list_fits_a_hundred_columns_and_says_how_long_it_looked(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("discover") == 0
    capsys.readouterr()
    assert run("list", "--sort", "risk") == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert lines[0].split() == ["ID", "TYPE", "OWNER", "CRIT", "VOLUME", "PII", "SEEN", "CONF", "STATE"]
    assert lines[1].startswith("api:getPaymentStatus")
    assert lines[1].rstrip().endswith("blocked")
    assert "~126.4M" in text
    assert "observed 0 days (1 snapshot)" in text
    assert max(map(len, lines)) <= 100


def test_the_list_as_json_holds_all_five_kinds(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("discover")
    capsys.readouterr()
    assert run("list", "--output", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "cutwater.inventory.list/1"
    assert {item["kind"] for item in document["assets"]} == {"postgres", "kafka", "api", "file", "swift"}
    assert document["observed"]["days"] == 0


def test_a_filter_says_what_it_hides(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("discover")
    capsys.readouterr()
    assert run("list", "--kind", "kafka", "--kind", "swift") == 0
    text = capsys.readouterr().out
    assert "2 shown" in text
    assert "--kind kafka --kind swift hides 3: 1 api, 1 file, 1 postgres" in text
    assert run("list", "--kind", "mainframe") == 4
    assert "CW2103" in capsys.readouterr().err


def test_an_asset_is_shown_with_its_edges(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("discover")
    capsys.readouterr()
    assert run("show", PAYMENT.id) == 0
    text = capsys.readouterr().out
    assert "file:pain001" in text
    assert "structure hash" in text
    assert run("show", PAYMENT.id, "--output", "json") == 0
    assert json.loads(capsys.readouterr().out)["fed_by"][0]["source"] == "file:pain001"
    assert run("show", "postgres:payhub.payment_statu") == 4
    assert PAYMENT.id in capsys.readouterr().err


def test_the_difference_tells_structure_from_traffic(
    run: Run, systems: list[MemoryDiscoverer], capsys: pytest.CaptureFixture[str]
) -> None:
    run("discover")
    assert run("diff") == 4
    assert "CW2104" in capsys.readouterr().err
    systems[0].assets = [replace(PAYMENT, structure={"columns": [{"name": "a", "type": "int"}]})]
    systems[3].assets = [asset("file:pain001", 114)]
    run("discover")
    capsys.readouterr()
    assert run("diff") == 0
    text = capsys.readouterr().out
    assert "columns.a.type: text -> int" in text
    assert "volume: 113 -> 114" in text
    assert "1 structural changes" in text
    assert run("diff", "--output", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["structural"]) == ("cutwater.inventory.diff/1", 1)


def test_discovering_again_without_a_change_finds_none(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("discover")
    capsys.readouterr()
    assert run("discover", "--output", "json") == 0
    assert json.loads(capsys.readouterr().out)["structural_changes"] == 0


def test_a_system_that_is_away_is_inconclusive_and_named(
    run: Run, systems: list[MemoryDiscoverer], capsys: pytest.CaptureFixture[str]
) -> None:
    systems[1].failure = Unavailable("CW2109", "Kafka did not answer")
    assert run("discover") == 7
    captured = capsys.readouterr()
    assert "kafka  not checked: CW2109" in captured.out
    assert "CW2110" in captured.err
    assert run("list") == 0
    assert "kafka  not checked" in capsys.readouterr().out


def test_when_nothing_answers_nothing_is_saved(
    run: Run, systems: list[MemoryDiscoverer], capsys: pytest.CaptureFixture[str]
) -> None:
    for system in systems:
        system.failure = Unavailable("CW2109", "away")
    assert run("discover") == 5
    assert "CW2105" in capsys.readouterr().err
    assert run("list") == 4


def test_a_wrong_password_is_something_to_mend_and_waiting_does_not_help(
    run: Run, systems: list[MemoryDiscoverer], capsys: pytest.CaptureFixture[str]
) -> None:
    for system in systems:
        system.failure = BadInput("CW3101", "PostgreSQL refuses the login")
    assert run("discover") == 4
    assert "CW3101 PostgreSQL refuses the login" in capsys.readouterr().err
    systems[0].failure = Unavailable("CW2109", "away")
    assert run("discover") == 5
