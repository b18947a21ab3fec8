"""The outside against the journal: a route, a gateway or a fence that somebody else changed is told, never taken as well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from waves_bench import ESTATE, WAVE

from adapters.aws.route import Route, parameter, ssm_client
from adapters.postgres.connection import connect
from adapters.postgres.fence import DropFence, LiftFence, RaiseFence
from cutwater.commands import doctor, route_looks, wave_status
from cutwater.commands.wave import plan_wave
from cutwater.core.config import Project, load_project
from cutwater.jobs.wave_state import history_of, put_row
from cutwater.state.store import Store, open_store
from waves.ports import Fence

Looks = dict[str, route_looks.Look]


@pytest.fixture(scope="module")
def ssm() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def acts_on() -> Iterator[dict[str, Any]]:
    """A gateway that says what it acts on; `url` is its address."""
    said: dict[str, Any] = {"side": "tobe", "epoch": 4}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        said["url"] = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, daemon=True).start()
        yield said
        server.shutdown()


def made(root: Path, **ends: str) -> Project:
    lines = "".join(f'{name} = "{value}"\n' for name, value in ends.items())
    (root / "cutwater.toml").write_text(f'[project]\nname = "t"\n[endpoints]\n{lines}')
    (root / "waves").mkdir()
    (root / "waves" / "W01.yaml").write_bytes(WAVE)
    project = load_project(root)
    with open_store(project.state_url) as store:
        store.snapshots.save(ESTATE.as_dict())
    plan_wave(project, "W01", "Ann")
    return project


def did(store: Store, effect: str, action: str, args: dict[str, Any], outcome: dict[str, Any] | None = None) -> None:
    intent = {"step": effect.split("/")[0], "effect": effect, "action": action, "args": {"wave": "W01", **args}}
    store.journal.append("W01", "effect.intent", intent)
    if outcome is not None:
        store.journal.append("W01", "effect.outcome", {**intent, "outcome": outcome})


def cut_over(project: Project, route: bool = True) -> None:
    """The journal of a wave whose cutover is done, route and fences as it says."""
    with open_store(project.state_url) as store:
        did(store, "fence/dark", "route.set", {"side": "dark", "epoch": 3}, {"token": 7})
        did(store, "fence/raise", "fence.raise", {"side": "legacy", "epoch": 3}, {})
        did(store, "switch/open", "fence.lift", {"side": "store", "epoch": 4}, {})
        did(store, "open/route", "route.set", {"side": "tobe", "epoch": 4}, {"token": 7})
        for old, new in (("READY", "CUTTING_OVER"), ("CUTTING_OVER", "CUT_OVER")):
            store.journal.append("W01", "wave.state", {"from": old, "to": new})
        put_row(store, history_of(store, "W01"))
    ends = project.endpoints()
    if route and ends.aws_endpoint:
        client = ssm_client(ends.aws_endpoint)
        client.delete_parameters(Names=[parameter("W01")])
        Route(ends).set("W01", "tobe", 4, 7)


def seen(project: Project) -> Looks:
    with open_store(project.state_url) as store:
        return {item.name: item for item in route_looks.looks(project, store, "W01")}


def words(found: Looks) -> dict[str, str]:
    return {name: item.word for name, item in found.items()}


def test_a_route_that_somebody_else_set_is_told_everywhere(tmp_path: Path, ssm: str, acts_on: dict[str, Any]) -> None:
    project = made(tmp_path, aws_endpoint=ssm, gateway_url=acts_on["url"], postgres_dsn="", store_dsn="")
    cut_over(project)
    assert (seen(project)["route"].word, seen(project)["gateway"].word) == ("pass", "pass")
    value = '{"side": "dark", "epoch": 1, "token": 1}'
    ssm_client(ssm).put_parameter(Name=parameter("W01"), Value=value, Type="String", Overwrite=True)
    acts_on.update(side="dark", epoch=1)
    found = wave_status.status(project, "W01")
    assert found["verdict"] == "NO-GO"
    assert found["money"].startswith("THE JOURNAL AND THE WORLD DIFFER")
    assert "is dark, epoch 1; the journal says tobe, epoch 4" in found["money"]
    assert found["next"].startswith("aws ssm put-parameter")
    assert words(seen(project))["gateway"] == "fail"
    checks = {item.name: item for item in doctor.doctor(project)}
    assert (checks["route"].state, checks["gateway"].state) == ("fail", "fail")
    assert checks["route"].fix == found["next"]
    # What it says to do mends it.
    Route(project.endpoints())._ssm().put_parameter(
        Name=parameter("W01"), Value=found["next"].split("--value ")[1].strip("'"), Type="String", Overwrite=True
    )
    assert words(seen(project))["route"] == "pass"


def test_a_route_that_is_gone_is_told(tmp_path: Path, ssm: str) -> None:
    project = made(tmp_path, aws_endpoint=ssm)
    cut_over(project)
    ssm_client(ssm).delete_parameter(Name=parameter("W01"))
    found = seen(project)["route"]
    assert found.word == "fail"
    assert "is gone" in found.text
    ssm_client(ssm).put_parameter(Name=parameter("W01"), Value="nonsense", Type="String")
    assert seen(project)["route"].word == "fail"


def test_what_does_not_answer_is_not_known_and_never_green(tmp_path: Path) -> None:
    away = "postgresql://u:p@127.0.0.1:9/x"
    project = made(
        tmp_path,
        aws_endpoint="http://127.0.0.1:9",
        gateway_url="http://127.0.0.1:9",
        postgres_dsn=away,
        store_dsn="",
    )
    with open_store(project.state_url) as store:
        store.journal.append("W01", "wave.state", {"from": "PLANNED", "to": "PREPARED"})
    assert seen(project) == {}  # nothing was said of a route yet: nobody is asked
    cut_over(project, route=False)
    assert set(words(seen(project)).values()) == {"unknown"}
    found = wave_status.status(project, "W01")
    assert found["money"].startswith("the journal says switched")
    assert "not known whether it is so: route, gateway, fence legacy, fence store" in found["money"]
    assert found["verdict"] == "NO-GO"
    assert {item.state for item in doctor.doctor(project) if item.name in words(seen(project))} == {"unknown"}


def test_what_is_being_set_is_no_difference(tmp_path: Path, ssm: str) -> None:
    project = made(tmp_path, aws_endpoint=ssm)
    cut_over(project)
    with open_store(project.state_url) as store:
        did(store, "switch/rollback/dark", "route.set", {"side": "dark", "epoch": 5})
    assert words(seen(project))["route"] == "pass"
    Route(project.endpoints()).set("W01", "dark", 5, 8)
    assert words(seen(project))["route"] == "late"


@pytest.mark.real
def test_a_fence_that_somebody_lifted_is_told(tmp_path: Path, sandbox_project: Project) -> None:
    ends = sandbox_project.endpoints()
    project = made(tmp_path, postgres_dsn=ends.postgres_dsn, store_dsn=ends.store_dsn)
    sides = {"legacy": ends.postgres_dsn, "store": ends.store_dsn}
    hand = Fence("W01", 7, "run")
    cut_over(project)
    try:
        assert words(seen(project)) == {"route": "unknown", "fence legacy": "fail", "fence store": "fail"}
        RaiseFence(sides).perform({"side": "legacy", "wave": "W01", "epoch": 3, "tables": [], "grace_seconds": 5}, hand)
        LiftFence(sides).perform({"side": "store", "wave": "W01", "epoch": 4}, hand)
        found = seen(project)
        assert (found["fence legacy"].word, found["fence store"].word) == ("pass", "pass")
        LiftFence(sides).perform({"side": "legacy", "wave": "W01", "epoch": 5}, hand)
        found = seen(project)
        assert (found["fence legacy"].word, found["fence store"].word) == ("fail", "pass")
        assert "is open, epoch 5; the journal says closed, epoch 3" in found["fence legacy"].text
        with connect(ends.postgres_dsn, "test") as db:
            db.execute(found["fence legacy"].next.split(": ", 1)[1].encode())
        assert seen(project)["fence legacy"].word == "pass"
    finally:
        for side in sides:
            DropFence(sides).perform({"side": side, "wave": "W01"}, hand)
