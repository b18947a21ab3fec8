"""The wave file: what its owner says about a wave, <project>/waves/<NAME>.yaml. Checked by pydantic, errors by place."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cutwater.core.clock import parse_iso
from cutwater.core.errors import BadInput
from inventory.model import FieldClass
from inventory.type_map import is_lake_type
from waves.approvals import NOBODY, person
from waves.gates import QUERIES
from waves.yaml_marks import Key, Marked, parse_marked, read_marked

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class FieldOverride(_Model):
    """How one column is compared (`class`) and kept (`lake_type`)."""

    field_class: FieldClass | None = Field(default=None, alias="class")
    lake_type: str | None = None

    @field_validator("lake_type")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and not is_lake_type(value):
            raise ValueError(f"{value} is no type of the lake")
        return value


class MappingOverride(_Model):
    """What is said about one table: its target, its key where it has no primary key, its fields."""

    target: Annotated[str, Field(pattern=r"^legacy\.[a-z][a-z0-9_]*$")] | None = None
    key: tuple[str, ...] | None = None
    fields: dict[str, FieldOverride] = Field(default_factory=dict)


class GateEntry(_Model):
    """A question over evidence."""

    id: Name
    query: str
    threshold: str
    max_age_minutes: Annotated[int, Field(gt=0, le=60 * 24 * 31)]
    title: str = ""

    @field_validator("query")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in QUERIES:
            raise ValueError(f"no query {value}{_near(value, QUERIES)}; known: {', '.join(sorted(QUERIES))}")
        return value


class Throttle(_Model):
    """Limits that the owner of the legacy database sets; absent ones do not hold anything back."""

    rows_per_second: Annotated[int, Field(gt=0)] | None = None
    max_active_sessions: Annotated[int, Field(gt=0)] | None = None
    max_lag_bytes: Annotated[int, Field(gt=0)] | None = None
    max_xmin_age: Annotated[int, Field(gt=0)] | None = None


class Options(_Model):
    """chunk_rows: rows per range of a backfill. parallel: ranges at the same time. grace_seconds: how long a message
    may be on its way before it counts as missing."""

    chunk_rows: Annotated[int, Field(ge=100, le=10_000_000)] = 20_000
    parallel: Annotated[int, Field(ge=1, le=16)] = 2
    grace_seconds: Annotated[int, Field(ge=0, le=86_400)] = 60
    throttle: Throttle = Throttle()


class Window(_Model):
    """When the wave is cut over, RFC 3339 with an offset. rollback_minutes: how long a rollback is thought to take, until
    one was measured."""

    start: str
    end: str
    rollback_minutes: Annotated[int, Field(ge=0, le=60 * 24 * 7)] | None = None

    @field_validator("start", "end")
    @classmethod
    def _instant(cls, value: str) -> str:
        parse_iso(value)
        return value

    @model_validator(mode="after")
    def _order(self) -> Window:
        if self.instants[0] >= self.instants[1]:
            raise ValueError("the window ends before it starts")
        return self

    @property
    def instants(self) -> tuple[datetime, datetime]:
        return parse_iso(self.start), parse_iso(self.end)


class Consumers(_Model):
    """Topics whose legacy consumer group hands over to the new side's. grace_seconds: how long the hand-over waits for
    readers to leave: they see the dark route a moment later, and one that was killed stays until its session ends."""

    topics: Annotated[tuple[str, ...], Field(min_length=1)]
    from_group: str
    to_group: str
    grace_seconds: Annotated[int, Field(ge=0, le=60)] = 8


class FileRouteEntry(_Model):
    """A feed whose senders deliver into `incoming` (below the drop), from where the file gateway follows the route's marker
    (docs/guides/cutover.md)."""

    feed: str
    incoming: Annotated[str, Field(min_length=1)]

    @field_validator("incoming")
    @classmethod
    def _below(cls, value: str) -> str:
        if value.startswith("/") or ".." in value.split("/"):
            raise ValueError(f"{value} is not below the drop")
        return value


class Through(_Model):
    """A table beside the source, joined by a column that both have: its columns are named `through.<column>`."""

    table: tuple[str, str]
    join: str


class KeyCopy(_Model):
    """What the store has to know before it answers: rows of a legacy table, by target column. watermark: a source column of
    whole numbers that rises, or of times where overlap_seconds says how far back it is looked again; constants: what every
    copied row has. unless: a target column that marks rows which the legacy side never has (smoke tests)."""

    source: tuple[str, str]
    target: tuple[str, str]
    columns: Annotated[dict[str, str], Field(min_length=1)]
    constants: dict[str, str] = Field(default_factory=dict)
    watermark: str = ""
    through: Through | None = None
    overlap_seconds: Annotated[int, Field(ge=0, le=30 * 86_400)] | None = None
    unless: str = ""

    def as_plain(self) -> dict[str, Any]:
        """What the file says: a plan of a file without the newer settings keeps its hash."""
        newer = {
            "through": self.through is None,
            "overlap_seconds": self.overlap_seconds is None,
            "unless": not self.unless,
        }
        return self.model_dump(mode="json", exclude={name for name, absent in newer.items() if absent})


class ReverseSection(_Model):
    """The way back as data: the store's outbox, and per kind of its events the legacy rows that it becomes (see
    adapters/postgres/reverse_mapping.py)."""

    outbox: tuple[str, str]
    mapping: str = ""  # a file of the project with `writes`
    writes: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)


class SequencePair(_Model):
    """Columns (schema, table, column) of both sides that share their numbers."""

    legacy: tuple[str, str, str]
    store: tuple[str, str, str]


class ComparePair(_Model):
    """A table of the store whose rows the legacy side has to hold after a rollback. columns: the store's -> legacy's; key is
    one of the store's. unless: a column that marks rows which stay in the store (smoke tests)."""

    store: tuple[str, str]
    legacy: tuple[str, str]
    key: str
    columns: Annotated[dict[str, str], Field(min_length=1)]
    unless: str = ""

    @model_validator(mode="after")
    def _key_is_compared(self) -> ComparePair:
        if self.key not in self.columns:
            raise ValueError(f"the key {self.key} is not among the columns")
        return self


class CutoverSection(_Model):
    """How the wave is cut over. grace_seconds: for writers in flight at the fence. outbox: schema, table and the column
    that is null while a row is unpublished. smoke: channels of the smoke test in the dark. probe: channels that do not pass
    the route, tried before the dark; files: feeds whose files are held in the dark and then go to the side that opens;
    probe_seconds: how long one may take to reach the lake. sequence_margin: added above both sides'
    maximum. store_tables: what the way back fences on the new side. keys: what the store has to know of the legacy side."""

    grace_seconds: Annotated[int, Field(ge=0, le=300)] = 2
    outbox: tuple[str, str, str] | None = None
    consumers: Consumers | None = None
    files: tuple[FileRouteEntry, ...] = ()
    smoke: tuple[str, ...] = ("api",)
    probe: tuple[Name, ...] = ()
    probe_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    sequence_margin: Annotated[int, Field(ge=0)] = 10_000
    store_tables: tuple[tuple[str, str], ...] = ()
    keys: tuple[KeyCopy, ...] = ()
    sequences: tuple[SequencePair, ...] = ()
    compare_back: tuple[ComparePair, ...] = ()
    reverse: ReverseSection | None = None


class WaveSpec(_Model):
    """A wave as its file says it."""

    wave: Name
    title: str
    accepts_writes: Literal["readers", "feeds", "store"]
    assets: Annotated[tuple[str, ...], Field(min_length=1)]
    window: Window | None = None
    roles: dict[str, str] = Field(default_factory=dict)
    approvals: tuple[str, ...] | None = None  # roles that have to approve; all of `roles` named *-lead where absent
    approvers: Annotated[int, Field(ge=1, le=9)] | None = None  # different people, the maker not among them
    deciders: Annotated[tuple[str, ...], Field(min_length=1)] | None = (
        None  # roles that decide; `approvals` where absent
    )
    gates: tuple[GateEntry, ...] = ()
    options: Options = Options()
    cutover: CutoverSection | None = None  # absent: the plan ends with its dual run
    mappings: dict[str, MappingOverride] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> WaveSpec:
        ids = [gate.id for gate in self.gates]
        if len(ids) != len(set(ids)):
            raise ValueError("two gates have the same id")
        unknown = [role for role in self.approvals or () if role not in self.roles]
        if unknown:
            raise ValueError(f"approvals names {', '.join(unknown)}, which roles does not")
        strangers = [role for role in self.deciders or () if role not in self.roles]
        if strangers:
            raise ValueError(f"deciders names {', '.join(strangers)}, which roles does not")
        self._check_approvers()
        return self

    def _check_approvers(self) -> None:
        least = self.least_approvers
        if self.approvers is not None and self.approvers < least:
            raise ValueError(
                f"approvers is {self.approvers}: a wave of {self.accepts_writes} moves writes, which {least} people approve"
            )
        named = [person(who) for who in self.roles.values()]
        if named and not set(NOBODY) & set(named) and len(set(named)) < self.needed_approvers:
            raise ValueError(f"{self.needed_approvers} different people have to approve, roles names {len(set(named))}")

    @property
    def least_approvers(self) -> int:
        """Where writes move, one checker is not enough."""
        return 1 if self.accepts_writes == "readers" else 2

    @property
    def needed_approvers(self) -> int:
        """How many different people have to approve."""
        return self.approvers if self.approvers is not None else self.least_approvers

    @property
    def approving_roles(self) -> tuple[str, ...]:
        """Roles that have to approve the plan, sorted."""
        if self.approvals is not None:
            return tuple(sorted(self.approvals))
        leads = [role for role in self.roles if role.endswith("-lead")]
        return tuple(sorted(leads or self.roles))


@dataclass(frozen=True)
class WaveDocument:
    """A valid wave file and where everything in it stands."""

    spec: WaveSpec
    marked: Marked

    def where(self, *key: str | int) -> str:
        return self.marked.where(key)


def wave_path(root: Path, wave: str) -> Path:
    """<project>/waves/<wave>.yaml; raises BadInput CW3001 for a name that is no name."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,31}", wave):
        raise BadInput("CW3001", f"{wave!r} is no name of a wave", next="letters, digits, - and _, e.g. W01")
    return root / "waves" / f"{wave}.yaml"


def load_wave(root: Path, wave: str) -> WaveDocument:
    """The wave's file. Raises BadInput CW3001-CW3003 with file, line, column and what would be right."""
    path = wave_path(root, wave)
    if not path.is_file():
        known = sorted(item.stem for item in (root / "waves").glob("*.yaml"))
        raise BadInput(
            "CW3001",
            f"there is no wave file {path}",
            cause=f"known waves: {', '.join(known)}" if known else "the project has no wave files yet",
            state="nothing was planned",
            next=f"cutwater wave plan {near[0]}"
            if (near := difflib.get_close_matches(wave, known, 1))
            else f"write {path}",
        )
    document = _validated(read_marked(path))
    if document.spec.wave != wave:
        raise BadInput(
            "CW3003",
            f"{document.where('wave')} the file is named {wave}, the wave in it {document.spec.wave}",
            state="nothing was planned",
            next=f"mend {path}",
        )
    return _with_reverse(document, root)


def _with_reverse(document: WaveDocument, root: Path) -> WaveDocument:
    """The mapping run backwards, read from its own file where the wave file names one: the plan freezes its content."""
    section = document.spec.cutover
    if section is None or section.reverse is None or not section.reverse.mapping:
        return document
    path = root / section.reverse.mapping
    try:
        writes = yaml.safe_load(path.read_text("utf-8"))
        reverse = ReverseSection.model_validate({**section.reverse.model_dump(), "writes": writes})
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise BadInput(
            "CW3003",
            f"{document.where('cutover')} the mapping run backwards cannot be read",
            cause=f"{path}: {str(error).splitlines()[0][:160]}",
            state="nothing was planned",
            next=f"mend {path}",
        ) from error
    cutover = section.model_copy(update={"reverse": reverse})
    return replace(document, spec=document.spec.model_copy(update={"cutover": cutover}))


def parse_wave(raw: bytes, path: Path) -> WaveDocument:
    """As `load_wave`, of bytes."""
    return _validated(parse_marked(raw, path))


def _validated(marked: Marked) -> WaveDocument:
    if not isinstance(marked.data, dict):
        raise BadInput("CW3003", f"{marked.where(())} a wave file holds settings, `name: value`", next="see the guide")
    try:
        return WaveDocument(WaveSpec.model_validate(marked.data), marked)
    except ValidationError as error:
        found = [_sentence(marked, item) for item in error.errors(include_url=False, include_context=False)]
        raise BadInput(
            "CW3003",
            found[0],
            cause="; ".join(found[1:]),
            state="nothing was planned",
            next=f"mend {marked.path}",
            details={"problems": found},
        ) from None


def _sentence(marked: Marked, item: Any) -> str:
    key: Key = tuple(part for part in item["loc"] if part != "[key]")
    kind, name = str(item["type"]), ".".join(map(str, key)) or "the file"
    if kind == "extra_forbidden":
        return f"{marked.where(key)} unknown setting {name}{_near(str(key[-1]), _settings(key[:-1]))}"
    if kind == "missing":
        return f"{marked.where(key[:-1])} {name} is missing"
    text = str(item["msg"]).removeprefix("Value error, ")
    return f"{marked.where(key)} {name}: {text[0].lower()}{text[1:]}"


def _settings(parents: Key) -> list[str]:
    """Names that are known below a key path."""
    names: dict[Key, type[BaseModel]] = {
        (): WaveSpec,
        ("window",): Window,
        ("options",): Options,
        ("options", "throttle"): Throttle,
    }
    model = names.get(parents)
    if parents[:1] == ("gates",):
        model = GateEntry
    elif parents[:1] == ("mappings",):
        model = FieldOverride if "fields" in parents else MappingOverride
    return [field.alias or name for name, field in model.model_fields.items()] if model is not None else []


def _near(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), 1, 0.5)
    return f": did you mean {close[0]}?" if close else ""
