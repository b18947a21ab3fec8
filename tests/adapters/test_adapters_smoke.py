"""The smoke test: a marked payment sent, seen and reversed; anything else stops the cutover."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from adapters.http_api.smoke import SmokeRun
from cutwater.core.errors import BadInput, Refused, Unavailable
from waves.ports import Fence

CALLS = """
- {name: send, method: POST, path: /payments, json: {uetr: "{uetr}", value_date: "{today}", amount: "0.01"}, expect: [201]}
- {name: see, path: "/payments/{uetr}/status"}
- {name: reverse, method: POST, path: "/payments/{uetr}/status", json: {status: CANC}, expect: [200, 201]}
"""
ARGS = {"wave": "W01", "epoch": 3, "channel": "api"}
FENCE = Fence("W01", 1, "R1")


class Side:
    """A payments API that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str, Any]] = []
        self.codes = {"POST /payments": 201}
        side = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                mark = self.headers.get("x-cutwater-smoke", "")
                side.asked.append((self.command, self.path, mark, json.loads(body) if body else None))
                self.send_response(side.codes.get(f"{self.command} {self.path}", 200))
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_POST = answer

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def side() -> Iterator[Side]:
    made = Side()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "api.yaml").write_text(CALLS, "utf-8")
    return tmp_path


def smoke(side: Side, folder: Path) -> SmokeRun:
    return SmokeRun(side.url, folder, lambda: date(2026, 11, 23))


def test_sent_seen_and_reversed_and_the_same_payment_when_tried_again(side: Side, folder: Path) -> None:
    told = smoke(side, folder).perform(ARGS, FENCE)
    assert [item["code"] for item in told["calls"]] == [201, 200, 200]
    send, see, reverse = side.asked
    assert send[:3] == ("POST", "/payments", "W01-3-api")
    assert send[3] == {"uetr": told["uetr"], "value_date": "2026-11-23", "amount": "0.01"}
    assert see[1] == reverse[1] == f"/payments/{told['uetr']}/status"
    assert reverse[3] == {"status": "CANC"}
    assert smoke(side, folder).perform(ARGS, FENCE)["uetr"] == told["uetr"]
    assert smoke(side, folder).perform({**ARGS, "epoch": 5}, FENCE)["uetr"] != told["uetr"]


def test_another_answer_than_expected_is_a_no(side: Side, folder: Path) -> None:
    side.codes["POST /payments"] = 409
    with pytest.raises(Refused, match="CW3044") as caught:
        smoke(side, folder).perform(ARGS, FENCE)
    assert "answered 409, expected 201" in caught.value.cause
    assert len(side.asked) == 1


def test_no_answer_may_be_tried_again(folder: Path) -> None:
    with pytest.raises(Unavailable, match="CW3045"):
        SmokeRun("http://127.0.0.1:1", folder).perform(ARGS, FENCE)


@pytest.mark.parametrize("code", [502, 503, 504])
def test_a_side_that_does_not_answer_now_may_be_tried_again(side: Side, folder: Path, code: int) -> None:
    side.codes["POST /payments"] = code
    with pytest.raises(Unavailable, match=f"CW3045.*send: {code}"):
        smoke(side, folder).perform(ARGS, FENCE)


@pytest.mark.parametrize("text", ["", "- {name: send}", "- 7", "\t{", "- {name: x, path: /, expect: []}"])
def test_a_file_that_cannot_be_read_names_itself(side: Side, tmp_path: Path, text: str) -> None:
    (tmp_path / "api.yaml").write_text(text, "utf-8")
    with pytest.raises(BadInput, match=r"CW3046 the smoke test api\.yaml"):
        smoke(side, tmp_path).perform(ARGS, FENCE)
    with pytest.raises(BadInput, match=r"CW3046 the smoke test other\.yaml"):
        smoke(side, tmp_path).perform({**ARGS, "channel": "other"}, FENCE)
    assert side.asked == []
