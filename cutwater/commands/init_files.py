"""The text of a new project's files: every setting that a person may want, the unused ones as comments.

Nothing that moves by itself (counts, sizes, dates) stands in them, so that the same database gives the same files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from cutwater.core.errors import BadInput

SOURCE_PASSWORD = "CUTWATER_SOURCE_PASSWORD"  # noqa: S105 - names of environment variables
CATALOG_PASSWORD = "CUTWATER_CATALOG_PASSWORD"  # noqa: S105
SANDBOX = "sandbox"
_PLAIN = re.compile(r"[a-z0-9_.:]+")


@dataclass(frozen=True)
class Dsn:
    """A DSN without its password. kept: as the file holds it, with `${variable}` in the password's place, if there was one."""

    bare: str
    kept: str
    password: str = ""
    variable: str = ""


@dataclass(frozen=True)
class TableEntry:
    """One table of the wave file. fields: columns to be carried as text, and why. left_out: why it is not in the wave."""

    asset: str
    target: str
    key: tuple[str, ...]
    fields: Mapping[str, str] = field(default_factory=dict)
    as_text: Sequence[str] = ()
    generated: Sequence[str] = ()
    left_out: str = ""
    empty: bool = False


def split_dsn(text: str, variable: str, what: str) -> Dsn:
    """Takes the password out of a libpq URL or `key=value` DSN; raises BadInput CW1020 for anything else."""
    try:
        parts = {key: str(value) for key, value in conninfo_to_dict(text).items()}
    except ProgrammingError as error:
        raise _no_dsn(what, str(error).strip().splitlines()[0]) from None
    if not parts.get("dbname") or not parts.get("user"):
        raise _no_dsn(what, "user or database is missing")
    password = parts.pop("password", "")
    user, host, port, database = (parts.pop(key, "") for key in ("user", "host", "port", "dbname"))
    folder = host.startswith("/")
    if folder:
        parts["host"] = host
    place = "" if folder else f"[{host}]" if ":" in host else quote(host, safe=",")
    place += f":{port}" if port else ""
    tail = f"/{quote(database, safe='')}" + (f"?{urlencode(parts)}" if parts else "")
    name = quote(user, safe="")
    secret = f":${{{variable}}}" if password else ""
    bare, kept = (f"postgresql://{name}{middle}@{place}{tail}" for middle in ("", secret))
    return Dsn(bare, kept, password, variable if password else "")


def _no_dsn(what: str, why: str) -> BadInput:
    return BadInput(
        "CW1020",
        f"{what} is no DSN of a PostgreSQL database",
        cause=why,
        state="nothing was written",
        next=f"{what} postgresql://USER:PASSWORD@HOST:5432/DATABASE",
    )


def config_text(name: str, source: Dsn, catalog: Dsn | None, warehouse: str) -> str:
    """cutwater.toml."""
    secret = f"the password comes from ${source.variable}, as it is" if source.variable else "it needs no password"
    if catalog is None:
        lake = (
            "# The lake's catalog is tables in a PostgreSQL database, which Spark and PyIceberg both write. For trying out it is the\n"
            "# sandbox's (`cutwater sandbox up`): this machine's, and gone with `cutwater sandbox down --delete`. For more than that name\n"
            "# a database of your own, never the source:\n"
            f'#   catalog_dsn = "postgresql://lake:${{{CATALOG_PASSWORD}}}@db.example:5432/lake"\n'
            '#   warehouse = "/srv/lake"\n'
            f'catalog_dsn = "{SANDBOX}"\nwarehouse = "{SANDBOX}"\n'
        )
    else:
        lake = (
            "# The lake's catalog: tables in this PostgreSQL database, which Spark and PyIceberg both write. They are made at first use.\n"
            f"catalog_dsn = {json.dumps(catalog.kept)}\n"
            "# Where the lake's files stand. Iceberg writes this path into its metadata: it cannot be moved later.\n"
            f"warehouse = {json.dumps(warehouse, ensure_ascii=False)}\n"
        )
    return (
        "# A project of cutwater, written by `cutwater init`: yours to edit. No secret belongs here: a value may name an\n"
        "# environment variable, ${LIKE_THIS}.\n"
        f"[project]\nname = {json.dumps(name)}\n\n"
        '[endpoints]\nfrom = "settings"\n'
        f"# The source: its tables move. cutwater reads it, and creates a publication and a replication slot; {secret}.\n"
        f"postgres_dsn = {json.dumps(source.kept)}\n{lake}"
        "\n# Plans, journal and evidence; without this a SQLite file in .cutwater/ of this folder.\n"
        '# [state]\n# url = "postgresql+psycopg://cutwater:${CUTWATER_STATE_PASSWORD}@db.example:5432/cutwater"\n'
    )


def wave_text(wave: str, title: str, tables: Sequence[TableEntry], chunk_rows: int) -> str:
    """waves/<wave>.yaml: every table that can move, and as comments those that cannot, with the reason."""
    moving = [item for item in tables if not item.left_out]
    listed = "".join(f"  - {_scalar(item.asset)}{_told(item)}\n" for item in moving)
    left = "".join(f"  # - {_scalar(item.asset)}  # left out: {item.left_out}\n" for item in tables if item.left_out)
    mapped = "".join(_mapping(item) for item in moving)
    return f"""# Written by `cutwater init`: yours to edit. Look at the plan with `cutwater wave plan {wave}`; nothing is created by that.
wave: {wave}
title: {_scalar(title)}

# Who accepts writes after the switch. readers: the source keeps its writers, only readers move.
accepts_writes: readers

# Assets by id, or by pattern: "postgres:shop.*". In which order they are copied is the planner's business.
assets:
{listed}{left}
# Where each table goes, and what is said about its columns:
#   postgres:shop.orders:
#     target: legacy.orders        # its copy; its changes are kept in legacy_changes.orders
#     key: [order_no]              # a unique constraint without NULLs, where there is no primary key
#     fields:
#       valid_to: {{lake_type: string}} # carried as PostgreSQL prints it, e.g. because it holds infinity
#       loaded_at: {{class: ignored}}   # copied, not compared
mappings:
{mapped}
# When the wave is cut over, and who decides. "nobody" shows until somebody is named.
# window:
#   start: 2030-01-05T22:00:00Z
#   end: 2030-01-06T06:00:00Z
roles:
  migration-lead: nobody
approvals: [migration-lead]

# Questions over evidence; these two hold where none are said.
# gates:
#   - id: reconciliation
#     query: reconciliation.verdict
#     threshold: PASS
#     max_age_minutes: 60
#   - id: open-breaks
#     query: reconciliation.open_breaks
#     threshold: 0
#     max_age_minutes: 60

options:
  chunk_rows: {chunk_rows} # rows per range of the copy: what is in memory at once
  parallel: 2 # ranges at the same time
  # throttle:
  #   max_active_sessions: 20 # the copy waits while the source has more active sessions than this
"""


def reconcile_text(tables: Sequence[TableEntry]) -> str:
    """reconcile.yaml."""
    empty = [item.asset for item in tables if item.empty and not item.left_out]
    listed = "".join(f"  - {_scalar(name)}\n" for name in empty)
    allowed = f"allow_empty:\n{listed}" if empty else "# allow_empty:\n#   - postgres:shop.returns\n"
    return f"""# What a reconciliation expects. Written by `cutwater init`: yours to edit; every setting may be left out.
version: 1

# Differences planted per table in a copy of the run's own input: all of them have to be found.
planted_per_table: 40

# A table that is empty on both sides shows nothing, so it is INCONCLUSIVE unless it is allowed to be empty.
{allowed}
# Assets that may stay unchecked, and why; they are listed in every report.
# declared_gaps:
#   postgres:shop.scratch: rebuilt every night, nobody reads the copy
"""


def _scalar(text: str) -> str:
    """A YAML scalar that reads back as this text."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _told(item: TableEntry) -> str:
    words = [f"key {', '.join(item.key)}" if item.key else "no key: compared as a multiset"]
    words += [f"as text: {', '.join(item.as_text)}"] if item.as_text else []
    words += [f"generated, not copied: {', '.join(item.generated)}"] if item.generated else []
    return "  # " + "; ".join(" ".join(word.split()) for word in words)


def _mapping(item: TableEntry) -> str:
    text = f"  {_scalar(item.asset)}:\n    target: {item.target}\n"
    if item.fields:
        text += "    fields:\n"
        text += "".join(
            f"      {_scalar(name) if ':' not in name else json.dumps(name, ensure_ascii=False)}: {{lake_type: string}} # {why}\n"
            for name, why in sorted(item.fields.items())
        )
    return text
