"""`cutwater init`: what it writes, what it refuses to overwrite, what it says is missing; options anywhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cutwater.cli.options import hoisted
from cutwater.commands import init
from cutwater.commands.init_files import SOURCE_PASSWORD, TableEntry, reconcile_text, split_dsn, wave_text
from cutwater.core.config import Project, load_project
from cutwater.core.errors import BadInput, Refused
from reconciliation.options import ReconcileOptions
from waves.wave_file import parse_wave

sys.path.append(str(Path(__file__).parents[1] / "waves"))
from foreign_world import ForeignDatabase


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("--project X wave plan W01", "wave plan --project X W01"),
        ("wave --project=X plan W01", "wave plan --project=X W01"),
        ("--output json inventory list --sort id", "inventory list --output json --sort id"),
        ("wave plan W01 --project X", "wave plan W01 --project X"),
        ("--project A wave plan W01 --project B", "wave plan --project A W01 --project B"),
        ("--project A doctor", "doctor --project A"),
        ("--version", "--version"),
        ("wave --help", "wave --help"),
        ("--project", "--project"),
    ],
)
def test_options_may_stand_before_the_verb(given: str, understood: str) -> None:
    assert hoisted(given.split()) == understood.split()


@pytest.mark.parametrize(
    ("given", "bare", "kept"),
    [
        ("postgresql://a:b%40@h:5/d?sslmode=require", "postgresql://a@h:5/d?sslmode=require", "a:${P}@h:5"),
        ("postgresql://a@h/d", "postgresql://a@h/d", "//a@h/"),
        ("host=/run/pg dbname=d user='x y' password=z", "postgresql://x%20y@/d?host=%2Frun%2Fpg", "x%20y:${P}@/d"),
        ("postgresql://a@h/d?password=z", "postgresql://a@h/d", "a:${P}@h"),
    ],
)
def test_a_password_is_taken_out_of_a_dsn(given: str, bare: str, kept: str) -> None:
    found = split_dsn(given, "P", "--source")
    assert found.bare == bare
    assert kept in found.kept
    assert psycopg.conninfo.conninfo_to_dict(found.bare)["dbname"] == "d"


@pytest.mark.parametrize("given", ["", "mysql://a@b/c", "postgresql://host", "postgresql://user@host"])
def test_what_is_no_dsn_is_refused(given: str) -> None:
    with pytest.raises(BadInput, match="CW1020"):
        split_dsn(given, "P", "--source")


def test_a_password_in_a_dsn_may_hold_any_character(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P", "p@:/%# ü")
    (tmp_path / "cutwater.toml").write_text(
        '[endpoints]\nfrom = "settings"\npostgres_dsn = "postgresql://a:${P}@h/d"\n'
    )
    dsn = load_project(tmp_path).endpoints().postgres_dsn
    assert psycopg.conninfo.conninfo_to_dict(dsn)["password"] == "p@:/%# ü"


def test_the_written_yaml_is_valid_whatever_the_names() -> None:
    odd = 'postgres:"a.b".x: y # - {é} [*] \\ 😀'
    tables = [
        TableEntry(odd, "legacy.a", (), {"a: b": "why", 'q"': "why"}, ["n"]),
        TableEntry("postgres:s.t", "legacy.t", ("id",), empty=True),
        TableEntry("postgres:s.gone", "legacy.g", (), left_out="unlogged"),
    ]
    spec = parse_wave(wave_text("W01", "a: title", tables, 2000).encode(), Path("W01.yaml")).spec
    assert spec.assets == (odd, "postgres:s.t")
    assert set(spec.mappings[odd].fields) == {"a: b", 'q"'}
    import yaml

    settings = ReconcileOptions.model_validate(yaml.safe_load(reconcile_text(tables)))
    assert settings.allow_empty == ("postgres:s.t",)
    assert ReconcileOptions.model_validate(yaml.safe_load(reconcile_text(tables[:1]))) == ReconcileOptions()


@pytest.fixture
def database(sandbox_project: Project) -> Iterator[ForeignDatabase]:
    made = ForeignDatabase(sandbox_project)
    yield made
    made.drop()


@pytest.mark.real
def test_init_names_what_is_missing_and_never_overwrites(database: ForeignDatabase, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    database.as_admin('CREATE UNLOGGED TABLE public.scratch (id int); CREATE TABLE public."tab\t" (id int PRIMARY KEY)')
    first = init.init(folder, init.Wish(database.url))
    assert first.written == ("cutwater.toml", "waves/W01.yaml", "reconcile.yaml", ".gitignore")
    mends = {need.mend for need in first.needs}
    role = f'"{database.role}"'
    assert {
        f"ALTER ROLE {role} REPLICATION;",
        f'GRANT CREATE ON DATABASE "{database.name}" TO {role};',
        f'GRANT "{database.owner}" TO {role};',
        'ALTER TABLE "tickets"."visits" REPLICA IDENTITY FULL;',
    } <= mends
    assert not [mend for mend in mends if "GRANT SELECT" in mend], "they come with the owner's role"
    left_out = {table.name for table in first.tables for note in table.notes if note.startswith("left out")}
    assert left_out == {"public.scratch", "public.tab\t"}
    every = "".join(path.read_text("utf-8") for path in folder.rglob("*") if path.is_file())
    assert database.password not in every
    assert SOURCE_PASSWORD in every
    assert init.init(folder, init.Wish(database.url)).written == ()
    for need in first.needs:
        database.as_admin(need.mend)
    again = init.init(folder, init.Wish(database.url))
    assert (again.needs, again.written) == ((), ())
    assert again.stale == ("waves/W01.yaml", "reconcile.yaml")
    assert init.init(folder, init.Wish(database.url, refresh=True)).written == again.stale
    (folder / "reconcile.yaml").write_text("version: 1\n")
    with pytest.raises(Refused, match="CW1022") as caught:
        init.init(folder, init.Wish(database.url, refresh=True))
    assert "reconcile.yaml" in caught.value.what
    assert (folder / "reconcile.yaml").read_text() == "version: 1\n"


@pytest.mark.real
def test_init_as_json_and_without_reach(
    database: ForeignDatabase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from cutwater.cli.main import main

    with pytest.raises(SystemExit) as ended:
        main(["--output", "json", "init", str(tmp_path / "shop"), "--source", database.url])
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "cutwater.init/1"
    assert told["ready"] is False
    assert {item["name"] for item in told["tables"]} >= {"tickets.odds", '"dotted.name"."x.y"'}
    wrong = database.url.replace(database.name, "nowhere")
    with pytest.raises(SystemExit) as ended:
        main(["init", str(tmp_path / "other"), "--source", wrong])
    assert ended.value.code == 4
    assert database.password not in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
