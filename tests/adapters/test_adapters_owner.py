"""Two projects on one server whose waves have one name: neither takes or drops what is the other's."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from adapters.postgres import owner_mark
from adapters.postgres.owner_journal import JournalOwner, made
from adapters.postgres.replication import CreatePublication, CreateSlot, Drop
from cutwater.commands import doctor
from cutwater.core.config import Project, load_project
from cutwater.core.errors import CutwaterError, Refused
from cutwater.state.store import open_store
from waves.ports import Fence, Outcome

pytestmark = pytest.mark.real


@dataclass
class Migration:
    """One project's wave: carries effects out with their records, as the engine does."""

    project: Project
    dsn: str
    name: str

    def __post_init__(self) -> None:
        self.owner = JournalOwner(self.project, "W01")
        self.say("plan.saved", {"plan": self.project.name})

    def say(self, kind: str, payload: dict[str, Any], run: str = "R1") -> None:
        with open_store(self.project.state_url) as store:
            store.journal.append("W01", kind, payload, run)

    def do(self, action: str, run: str = "R1", crash: bool = False) -> Outcome:
        """crash: after the effect, before its outcome is recorded."""
        kind = action.removeprefix("drop_")
        table = {
            "publication": CreatePublication(self.dsn, self.owner),
            "slot": CreateSlot(self.dsn, self.owner),
            "drop_publication": Drop(self.dsn, "publication", self.owner),
            "drop_slot": Drop(self.dsn, "slot", self.owner),
        }
        args = {"name": self.name, "tables": [[self.name, "item"]], "wait_seconds": 5}
        creates = [f"postgres:{kind}/{self.name}"] if action == kind else []
        facts = {"step": "prepare", "effect": f"prepare/{action}"}
        self.say("effect.intent", {**facts, "action": f"postgres.{action}", "args": args, "creates": creates}, run)
        hand = Fence("W01", 1, run)
        try:
            found = table[action].perform(args, hand)
        except CutwaterError as error:
            self.say("effect.failed", {**facts, "error": {"code": error.code}}, run)
            raise
        if not crash:
            self.say("effect.outcome", {**facts, "outcome": found}, run)
        return found

    def observed(self, kind: str) -> Outcome | None:
        args = {"name": self.name, "tables": [[self.name, "item"]]}
        made: CreatePublication | CreateSlot = (CreatePublication if kind == "publication" else CreateSlot)(
            self.dsn, self.owner
        )
        return made.observe(args, Fence("W01", 1, "R2"))


@pytest.fixture
def run(sandbox_project: Project) -> Callable[[str], Any]:
    dsn = sandbox_project.endpoints().postgres_dsn

    def statement(text: str) -> Any:
        with psycopg.connect(dsn, autocommit=True) as db:
            found = db.execute(text.encode())
            return found.fetchall() if found.description else None

    return statement


@pytest.fixture
def both(tmp_path: Path, sandbox_project: Project, run: Callable[[str], Any]) -> Iterator[tuple[Migration, Migration]]:
    name = f"own_{secrets.token_hex(3)}"
    run(f"CREATE SCHEMA {name}")
    run(f"CREATE TABLE {name}.item (id int PRIMARY KEY)")
    projects = []
    for word in ("first", "second"):
        (tmp_path / word).mkdir()
        (tmp_path / word / "cutwater.toml").write_text(f'[project]\nname = "{word}"\n')
        projects.append(load_project(tmp_path / word))
    dsn = sandbox_project.endpoints().postgres_dsn
    yield Migration(projects[0], dsn, name), Migration(projects[1], dsn, name)
    run(f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{name}'")
    run(f"DROP PUBLICATION IF EXISTS {name}")
    run(f"DROP SCHEMA {name} CASCADE")


def standing(run: Callable[[str], Any], name: str) -> tuple[bool, bool]:
    return (
        bool(run(f"SELECT 1 FROM pg_publication WHERE pubname = '{name}'")),
        bool(run(f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{name}'")),
    )


def test_another_projects_publication_and_slot_are_neither_taken_nor_dropped(
    both: tuple[Migration, Migration], run: Callable[[str], Any]
) -> None:
    first, second = both
    first.do("publication")
    first.do("slot")
    for attempt in ("R1", "R2"):
        with pytest.raises(Refused, match="CW3134") as refused:
            second.do("publication", attempt)
        assert "project first" in refused.value.cause
        assert second.observed("publication") is None
    with pytest.raises(Refused, match="CW3134"):
        second.do("slot")
    assert second.observed("slot") is None
    for _ in range(2):
        assert second.do("drop_slot")["left"]
        assert second.do("drop_publication")["left"]
        assert standing(run, first.name) == (True, True)
    assert first.do("drop_slot") == {"dropped": first.name}
    assert first.do("drop_publication") == {"dropped": first.name}
    assert standing(run, first.name) == (False, False)
    second.do("publication")
    second.do("slot")
    assert standing(run, first.name) == (True, True)


def test_doctor_calls_no_slot_of_another_project_an_orphan(both: tuple[Migration, Migration]) -> None:
    first, second = both
    first.do("publication")
    first.do("slot")
    with psycopg.connect(first.dsn) as db:
        marks = {first.name: owner_mark.standing(db, first.name).mark}
    (theirs,) = doctor._slots(second.project, [(first.name, "reserved", 0)], marks)
    (ours,) = doctor._slots(first.project, [(first.name, "reserved", 0)], marks)
    assert (theirs.state, theirs.fix) == ("late", "")
    assert "project first" in theirs.text
    assert ours.state == "fail"  # ours, and no wave of ours has this name


def test_what_a_crash_left_is_still_ours(both: tuple[Migration, Migration], run: Callable[[str], Any]) -> None:
    first, _ = both
    first.do("publication", crash=True)
    first.do("slot", crash=True)
    assert first.observed("publication") is not None
    assert first.observed("slot") is not None
    assert first.do("publication", "R2")["publication"] == first.name
    assert first.do("slot", "R2")["slot"] == first.name
    first.do("drop_slot")
    first.do("drop_publication")
    assert standing(run, first.name) == (False, False)


def test_a_slot_that_somebody_left_is_not_taken_with_our_publication(
    both: tuple[Migration, Migration], run: Callable[[str], Any]
) -> None:
    """Its position is another's: what was written since is not what our copy lacks."""
    first, _ = both
    run(f"SELECT pg_create_logical_replication_slot('{first.name}', 'pgoutput')")
    first.do("publication")
    with pytest.raises(Refused, match="CW3134") as refused:
        first.do("slot")
    assert "pg_drop_replication_slot" in refused.value.next
    assert first.observed("slot") is None
    assert first.do("drop_slot")["left"]
    run(f"SELECT pg_drop_replication_slot('{first.name}')")
    first.do("slot", "R2", crash=True)
    assert first.observed("slot") is not None


def test_what_an_older_version_made_without_a_mark_is_ours_by_the_journal(
    both: tuple[Migration, Migration], run: Callable[[str], Any]
) -> None:
    first, second = both
    first.do("publication")
    first.do("slot")
    run(f"COMMENT ON PUBLICATION {first.name} IS NULL")
    assert first.observed("publication") is not None
    assert first.observed("slot") is not None
    with pytest.raises(Refused, match="CW3134"):
        second.do("publication")
    assert second.do("drop_publication")["left"]
    assert first.do("drop_publication")["dropped"] == first.name
    assert first.do("drop_slot")["dropped"] == first.name
    assert standing(run, first.name) == (False, False)
    run(f"CREATE PUBLICATION {first.name} FOR TABLE {first.name}.item")
    with pytest.raises(Refused, match="CW3134"):  # ours was dropped: this one is of somebody's hand
        first.do("publication", "R3")


def test_the_identity_outlives_a_process_and_is_no_other_stores(both: tuple[Migration, Migration]) -> None:
    first, second = both
    assert JournalOwner(first.project, "W01").mark == first.owner.mark
    assert first.owner.mark.owner != second.owner.mark.owner
    assert not made([], "postgres:slot/x")
