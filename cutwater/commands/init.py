"""What `cutwater init` does: looks at a PostgreSQL database, writes a project that moves it, says what is missing.

Nothing is created in the database. Files that stand there already are never overwritten.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from adapters.iceberg.mapping_data import mapping_of
from adapters.postgres.checks import server_problems, table_problems
from adapters.postgres.connection import Connection, connect, translated, where
from adapters.postgres.discovery import PostgresDiscoverer
from adapters.postgres.probe import unbearable
from cutwater.commands.init_files import (
    CATALOG_PASSWORD,
    SOURCE_PASSWORD,
    Dsn,
    TableEntry,
    config_text,
    reconcile_text,
    split_dsn,
    wave_text,
)
from cutwater.core.clock import Clock, utc_now
from cutwater.core.config import CONFIG_NAME, load_project
from cutwater.core.errors import BadInput, CutwaterError, Refused, Unavailable
from cutwater.core.redaction import plain
from inventory.lake_names import lake_name
from inventory.model import Asset, parts_of
from inventory.type_map import TEXT
from lakehouse.tables import LAKE_TABLES
from waves.mapping import Findings, table_mapping
from waves.wave_file import MappingOverride, WaveDocument, parse_wave

NOTE = "init.json"  # in .cutwater/: what was written, so that a second run knows its own output
_NEVER = ("CW3114", "CW3116", "CW3118", "CW3119")  # no statement of a table's owner mends these as a matter of course
_CHUNK_BYTES = 128 << 20
_IN_ONE_PIECE = 2 << 30
_WHOLE = ("smallint", "integer", "bigint")


@dataclass(frozen=True)
class Wish:
    """What the user asked for. wave: '' for W01, or the one that init wrote before. catalog: '' for the sandbox's, or what
    the project has already. warehouse: '' for a folder of the project."""

    source: str
    wave: str = ""
    name: str = ""
    catalog: str = ""
    warehouse: str = ""
    schemas: tuple[str, ...] = ()
    refresh: bool = False  # write anew what nobody edited, where the source has changed since


@dataclass(frozen=True)
class FoundTable:
    """One table as it was seen. state: pass, late (moves, with something to know) or blocked (until its problems are mended)."""

    name: str
    rows: int | None
    exact: bool
    size: int
    key: tuple[str, ...]
    identity: str
    target: str
    state: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Need:
    """Something that is missing, and the statement (or the word) that mends it."""

    code: str
    what: str
    mend: str


@dataclass(frozen=True)
class Initialised:
    """What was seen, what is missing, what was written, what a wave will create."""

    folder: Path
    source: str
    version: str
    tables: tuple[FoundTable, ...]
    needs: tuple[Need, ...]
    will_create: tuple[str, ...]
    written: tuple[str, ...]
    variables: tuple[str, ...]
    own_catalog: bool
    wave: str
    not_checked: dict[str, str] = field(default_factory=dict)
    stale: tuple[str, ...] = ()  # files that would be written otherwise now, and were left as they are


def source_of(folder: Path) -> str:
    """The source of a project that stands already; BadInput CW1021 where there is none."""
    if not (folder / CONFIG_NAME).is_file():
        raise BadInput(
            "CW1021",
            f"{folder} is no project yet, and no --source was given",
            state="nothing was written",
            next=f"cutwater init {folder} --source postgresql://USER:PASSWORD@HOST:5432/DATABASE",
        )
    project = load_project(folder)
    if project.endpoints_from == "sandbox":
        return project.endpoints().postgres_dsn
    only = {name: value for name, value in project.configured.items() if name == "postgres_dsn"}
    return replace(project, configured=only).endpoints().postgres_dsn


def init(folder: Path, wish: Wish, clock: Clock = utc_now) -> Initialised:
    """Writes the project's files, all or (where one of another hand stands in the way: CW1022) none."""
    source = split_dsn(wish.source, SOURCE_PASSWORD, "--source")
    catalog = split_dsn(wish.catalog, CATALOG_PASSWORD, "--catalog") if wish.catalog else None
    wish = replace(wish, wave=wish.wave or _wave_before(folder))
    _check_wave(wish.wave)
    dsn = _with_password(source, wish.source)
    try:
        found = PostgresDiscoverer(dsn, wish.schemas).discover(clock())
    except Unavailable as error:  # no wave is under way here: there is nothing to resume
        error.next = "start the database, or mend --source; then the same command again"
        raise
    with connect(dsn, "init", statement_seconds=30, lock_seconds=2) as db, translated("looking at the source"):
        looked = [_look(db, asset, wish.wave) for asset in found.assets]
        needs = [Need(p.code, p.what, p.next) for p in (*server_problems(db), *_slot_taken(db, wish.wave))]
        version = str(db.info.server_version // 10000)
    entries = [entry for entry, _, _ in looked]
    if not entries:
        raise BadInput(
            "CW1023",
            f"{where(dsn)} holds no table that the role can see",
            state="nothing was written",
            next="check the database's name and the role's rights, or leave --schema out",
        )
    needs += [need for _, _, wants in looked for need in wants]
    texts = _texts(folder, wish, source, catalog, entries, _chunk_rows(found.assets))
    written, stale = _write(folder, texts, wish.refresh)
    return Initialised(
        folder,
        where(dsn),
        version,
        tuple(table for _, table, _ in looked),
        tuple({(need.code, need.mend, need.what): need for need in needs}.values()),
        tuple(_will_create(wish.wave, entries)),
        written,
        tuple(re.findall(r"\$\{(CUTWATER_(?:SOURCE|CATALOG)_PASSWORD)\}", _settings(texts[CONFIG_NAME]))),
        'catalog_dsn = "sandbox"' not in _settings(texts[CONFIG_NAME]),
        wish.wave,
        {part: why for part, why in found.not_checked.items() if not why.startswith("no SELECT right")},
        stale,
    )


def _settings(config: str) -> str:
    """The configuration without its comments."""
    return "\n".join(line for line in config.splitlines() if not line.startswith("#"))


def _wave_before(folder: Path) -> str:
    """The wave that init wrote here before; W01 in a new project."""
    before = [name[6:-5] for name in _known(folder) if name.startswith("waves/") and name.endswith(".yaml")]
    return before[0] if len(before) == 1 else "W01"


def _known(folder: Path) -> dict[str, str]:
    """File -> hash of what init wrote here before."""
    note = folder / ".cutwater" / NOTE
    try:
        return dict(json.loads(note.read_text("utf-8"))) if note.is_file() else {}
    except (OSError, ValueError):  # nobody knows what we wrote: what stands there counts as another hand's
        return {}


def _check_wave(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,31}", name):
        raise BadInput("CW3001", f"{name!r} is no name of a wave", next="letters, digits, - and _, e.g. W01")


def _with_password(source: Dsn, given: str) -> str:
    """The DSN to connect with: a password that is not in it may stand in the environment already."""
    from psycopg.conninfo import make_conninfo

    known = os.environ.get(SOURCE_PASSWORD)
    return given if source.password or known is None else make_conninfo(given, password=known)


def _look(db: Connection, asset: Asset, wave: str) -> tuple[TableEntry, FoundTable, list[Need]]:
    """One table as an entry of the wave file, as a line for people, and what it lacks."""
    schema, table = parts_of(asset.name)
    target = f"legacy.{lake_name(schema, table)}"
    odd = {name: "holds infinity, NaN or a year that the lake's type cannot" for name in unbearable(db, asset)}
    wished = MappingOverride.model_validate({"target": target, "fields": {name: {"lake_type": TEXT} for name in odd}})
    data = table_mapping(asset, wished, Findings(_NO_DOCUMENT))
    problems = list(_problems(db, data))
    left_out = _left_out(asset, problems)
    needs = [Need(p.code, p.what, p.next) for p in problems if not left_out]
    kept = {str(column["name"]): column for column in data["columns"]}
    columns = _columns(asset)
    entry = TableEntry(
        asset.id,
        target,
        tuple(data["key"]),
        odd,
        [name for name, column in kept.items() if _is_carried(column, columns[name])],
        [name for name in columns if name not in kept],
        plain(left_out).replace("\n", " "),
        asset.measures.get("volume") == 0 and bool(asset.measures.get("exact")),
    )
    notes = tuple(_notes(asset, entry, left_out))
    state = "blocked" if problems or left_out else "late" if notes else "pass"
    line = FoundTable(
        asset.name,
        _int(asset.measures.get("volume")),
        bool(asset.measures.get("exact")),
        _int(asset.measures.get("bytes")) or 0,
        entry.key,
        str(asset.structure.get("replica_identity", "")),
        target,
        state,
        notes,
    )
    return entry, line, needs


def _problems(db: Connection, data: Mapping[str, Any]) -> Iterator[CutwaterError]:
    """As the wave's own check asks; a question that itself is refused (a lock, a right) is the table's problem."""
    try:
        with translated(f"checking {data['source_schema']}.{data['source_table']}"):
            yield from table_problems(db, mapping_of(data))
    except CutwaterError as error:
        yield error


def _left_out(asset: Asset, problems: Sequence[CutwaterError]) -> str:
    """Why a table cannot be part of a wave as it is."""
    if plain(asset.name) != asset.name or "\n" in asset.name or "\t" in asset.name:
        return "its name holds a control character"
    return next((problem.what for problem in problems if problem.code in _NEVER), "")


def _notes(asset: Asset, entry: TableEntry, left_out: str) -> Iterator[str]:
    """What has to be known of a table beside what is missing for it."""
    if left_out:
        yield f"left out: {left_out}"
        return
    if not entry.key:
        yield "no primary key: its rows are a multiset, copied in one piece"
    if asset.structure.get("relkind") == "partitioned":
        yield "partitioned: TRUNCATE, ATTACH and DETACH of a partition are in no stream; reconciliation shows their rows"
        if not entry.key:
            yield "a partition made later needs REPLICA IDENTITY FULL before its first UPDATE or DELETE"
    if (_int(asset.measures.get("bytes")) or 0) > _IN_ONE_PIECE and not _has_ranges(asset, entry.key):
        yield "large, and its key does not begin with a whole number: it is copied in one piece, through memory"
    if entry.fields:
        yield f"carried as text: {', '.join(entry.fields)} (infinity, NaN or a year out of range)"


def _is_carried(column: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
    """Whether text is a carrier here, and not the type's own form in the lake."""
    base = str(seen.get("base") or seen["type"])
    own = ("text", "character varying", "character", "uuid", "json", "jsonb")
    return column["lake_type"] == TEXT and not seen.get("enum") and base.split("(")[0] not in own


def _columns(asset: Asset) -> dict[str, Mapping[str, Any]]:
    found: Any = asset.structure.get("columns") or ()
    return {str(item["name"]): item for item in found}


def _has_ranges(asset: Asset, key: Sequence[str]) -> bool:
    return bool(key) and _columns(asset)[key[0]]["type"] in _WHOLE


def _chunk_rows(assets: Sequence[Asset]) -> int:
    """Rows per range so that a range of the widest table stays within 128 MiB; a power of ten, so that growth does not move it."""
    widest = max(
        ((_int(a.measures.get("bytes")) or 0) / max(_int(a.measures.get("volume")) or 1, 1) for a in assets), default=0
    )
    rows = next((n for n in (20_000, 2_000, 200) if n * widest <= _CHUNK_BYTES), 100)
    return rows


def _slot_taken(db: Connection, wave: str) -> Iterator[CutwaterError]:
    """Slots are the whole server's: another project's wave of this name would be in the way."""
    name = _object_name(wave)
    row = db.execute("SELECT database::text FROM pg_replication_slots WHERE slot_name = %s", (name,)).fetchone()
    if row is not None and row[0] != db.info.dbname:
        yield Refused(
            "CW3124",
            f"the server has a slot {name} already, of database {row[0]}",
            next="cutwater init with --wave and a name that is free on this server, e.g. --wave W02",
        )


def _object_name(wave: str) -> str:
    return f"cutwater_{wave.lower().replace('-', '_')}"


def _will_create(wave: str, entries: Sequence[TableEntry]) -> Iterator[str]:
    name = _object_name(wave)
    moving = [item for item in entries if not item.left_out]
    yield f"on the source: publication {name} for {len(moving)} tables (publish_via_partition_root)"
    yield f"on the source: logical replication slot {name} (pgoutput); it keeps WAL while the wave stands still"
    yield f"in the lake: {2 * len(moving)} tables, legacy.NAME and legacy_changes.NAME for each table"
    yield f"in the lake: {len(LAKE_TABLES)} tables of the event store, once: {', '.join(item.name for item in LAKE_TABLES)}"


def _texts(
    folder: Path, wish: Wish, source: Dsn, catalog: Dsn | None, entries: Sequence[TableEntry], chunk_rows: int
) -> dict[str, str]:
    database = source.bare.rsplit("/", 1)[-1].split("?")[0]
    name = wish.name or re.sub(r"[^A-Za-z0-9._-]", "-", folder.resolve().name).strip(".-_")[:64] or "project"
    warehouse = wish.warehouse or str(folder.resolve() / "lake")
    texts = {
        CONFIG_NAME: _config_before(folder, wish, source) or config_text(name, source, catalog, warehouse),
        f"waves/{wish.wave}.yaml": wave_text(wish.wave, f"{database} to the lake", entries, chunk_rows),
        "reconcile.yaml": reconcile_text(entries),
        ".gitignore": ".cutwater/\nlake/\n",
    }
    parse_wave(
        texts[f"waves/{wish.wave}.yaml"].encode(), folder / "waves" / f"{wish.wave}.yaml"
    )  # ours has to be valid
    return texts


def _config_before(folder: Path, wish: Wish, source: Dsn) -> str:
    """cutwater.toml as init wrote it before for this very source, so that its options need not be said again."""
    path = folder / CONFIG_NAME
    if wish.catalog or wish.name or not path.is_file() or _sha256(path.read_bytes()) != _known(folder).get(CONFIG_NAME):
        return ""
    text = path.read_text("utf-8")
    return text if f"postgres_dsn = {json.dumps(source.kept)}\n" in text else ""


def _write(folder: Path, texts: Mapping[str, str], refresh: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(files written, files of ours that would be otherwise now). What another hand wrote or edited is refused: CW1022."""
    note, known = folder / ".cutwater" / NOTE, _known(folder)
    missing: list[str] = []
    stale: list[str] = []
    foreign: list[str] = []
    for name, text in texts.items():
        path = folder / name
        if not path.exists():
            missing.append(name)
        elif (content := path.read_bytes()) != text.encode():
            (stale if _sha256(content) == known.get(name) else foreign).append(name)
    if foreign:
        raise Refused(
            "CW1022",
            f"{folder} holds files that init did not write, or that were edited since: {', '.join(foreign)}",
            state="nothing was written, nothing was overwritten",
            next="choose another folder, or remove these files; an existing project goes on with cutwater wave plan",
        )
    writing = [*missing, *(stale if refresh else ())]
    kept = {name: _sha256(texts[name].encode()) for name in writing}
    bodies = {folder / name: texts[name] for name in writing}
    if writing:
        bodies[note] = json.dumps(known | kept, indent=1, sort_keys=True) + "\n"
    for path, body in bodies.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body, "utf-8")
        except OSError as error:
            raise BadInput(
                "CW1025",
                f"{path} cannot be written",
                cause=error.strerror or str(error),
                state="what was written before it stands; nothing was created in the database",
                next="name a folder that can be made, and run the same command",
            ) from None
    return tuple(writing), () if refresh else tuple(stale)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


_NO_DOCUMENT: WaveDocument = parse_wave(
    b"wave: W01\ntitle: none\naccepts_writes: readers\nassets: ['*']\n", Path("W01.yaml")
)
