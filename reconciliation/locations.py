"""Where a side of an ad hoc comparison stands: a URL, read strictly. Pure.

Names in a fragment are verbatim and percent-encoded; a dot inside a name is %2E. A password in a URL is refused: it would
stand in a shell's history, in a process list and in the report.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from cutwater.core.errors import BadInput

FORMS = {
    "postgresql": "postgresql://user@host:port/db#schema.table",
    "parquet": "parquet:///path (a file or a folder)",
    "csv": "csv:///path",
    "duckdb": "duckdb:///file#table",
    "iceberg": "iceberg://catalog/db.table[@snapshot]",
}


@dataclass(frozen=True)
class Location:
    """scheme: one of FORMS. server: what is connected to, without a password ('' for files). path: of a file or folder.
    name: (schema, table), (table,) or (namespace..., table). snapshot: of an Iceberg table, None = the newest."""

    scheme: str
    text: str
    server: str = ""
    path: Path | None = None
    name: tuple[str, ...] = ()
    snapshot: int | None = None


def location(text: str) -> Location:
    """Raises BadInput CW4030 with the form that was expected."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise _bad(text, str(error)) from None
    scheme = {"postgres": "postgresql"}.get(parts.scheme, parts.scheme)
    if scheme not in FORMS:
        raise _bad(text, f"{parts.scheme or 'nothing'} is no kind of store" if "://" in text else "it has no scheme")
    if parts.password is not None:
        raise _bad(
            "a URL with a password", "it carries a password: PGPASSWORD, PGPASSFILE or a service file keep it", scheme
        )
    if scheme == "postgresql":
        return _postgres(text, parts)
    if scheme == "iceberg":
        return _iceberg(text, parts)
    if parts.netloc:
        raise _bad(text, f"{parts.netloc!r} stands where nothing may: three slashes before a path", scheme)
    path = Path(unquote(parts.path))
    if not path.is_absolute() or path == Path("/"):
        raise _bad(text, "the path is missing", scheme)
    name = _names(parts.fragment)
    if scheme == "duckdb" and len(name) not in (1, 2):
        raise _bad(text, "the table is missing, or has too many parts", scheme)
    if scheme != "duckdb" and parts.fragment:
        raise _bad(text, f"#{parts.fragment} names a part of it, and it has none", scheme)
    return Location(scheme, text, path=path, name=name)


def _postgres(text: str, parts: SplitResult) -> Location:
    name = _names(parts.fragment)
    if not 1 <= len(name) <= 2:
        raise _bad(text, "the fragment names no schema.table", "postgresql")
    if not parts.path.strip("/"):
        raise _bad(text, "the database is missing", "postgresql")
    server = f"postgresql://{parts.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")
    if "password" in parts.query.lower():
        raise _bad("a URL with a password", "it carries a password: PGPASSWORD or PGPASSFILE keep it", "postgresql")
    return Location("postgresql", text, server, name=name if len(name) == 2 else ("public", *name))


def _iceberg(text: str, parts: SplitResult) -> Location:
    table, _, number = parts.path.strip("/").partition("@")
    name = _names(table)
    if not parts.netloc or len(name) < 2:
        raise _bad(text, "the catalog or the table is missing", "iceberg")
    if number and not number.isdigit():
        raise _bad(text, f"{number!r} is no snapshot id", "iceberg")
    return Location("iceberg", text, parts.netloc, name=name, snapshot=int(number) if number else None)


def _names(fragment: str) -> tuple[str, ...]:
    """The parts between dots; an empty part makes it no name at all."""
    parts = tuple(unquote(part) for part in fragment.split(".")) if fragment else ()
    return parts if all(parts) and not any("\0" in part for part in parts) else ()


def _bad(text: str, why: str, scheme: str = "") -> BadInput:
    forms = FORMS[scheme] if scheme else "; ".join(FORMS.values())
    return BadInput(
        "CW4030", f"{text} cannot be read as a place", cause=why, state="nothing was read", next=f"write {forms}"
    )
