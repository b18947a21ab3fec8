"""What the tests of both sides of a cutover share: a sandbox for each module, since routes, fences and payments on either side are no
neighbours for others."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from cutover_bridge import WAVE, Bridge

from adapters.aws.route import Route
from cutwater.core.config import Project, load_project
from sandbox import servers
from sandbox.estate import commands


@pytest.fixture(scope="module")
def cutover_project(session_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    root = tmp_path_factory.mktemp("cutover")
    name = f"cutover-{secrets.token_hex(3)}"
    (root / "cutwater.toml").write_text(f'[project]\nname = "{name}"\n\n[endpoints]\nfrom = "sandbox"\n', "utf-8")
    found = load_project(root)
    try:
        servers.up(found)
        commands.seed(found, payments=1_500, days=3, seed=3)
        yield found
    finally:
        servers.down(found, delete=True)


@pytest.fixture
def bridge(cutover_project: Project) -> Iterator[Bridge]:
    found = Bridge(cutover_project)
    found.epoch = Route(cutover_project.endpoints()).read(WAVE).epoch
    found.begin()
    found.number("store")  # a test may open the store without `opens`
    yield found
    servers.up(cutover_project)
    found.clear()


@pytest.fixture
def gateway(cutover_project: Project) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=cutover_project.endpoints().gateway_url, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def ibans(cutover_project: Project) -> tuple[str, str]:
    with psycopg.connect(cutover_project.endpoints().postgres_dsn) as db:
        one, other = db.execute(
            "SELECT iban FROM payhub.account WHERE currency = 'GBP' ORDER BY account_id LIMIT 2"
        ).fetchall()
    return one[0], other[0]


@pytest.fixture
def body(ibans: tuple[str, str]) -> dict[str, Any]:
    return {
        "end_to_end_id": "INVOICE-1", "debtor_iban": ibans[0], "creditor_iban": ibans[1], "amount": "12.34",
        "currency": "GBP", "value_date": "2026-11-23",
    }  # fmt: skip
