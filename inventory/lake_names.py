"""What a source table is called in the lake: a pure function of its schema and name, two tables never share one.

A plain name (lower-case letters, digits, single underscores) is `<table>` in schema public and `<schema>__<table>` in any
other. Every other name becomes a readable remnant and 12 hex digits of its hash, `<remnant>___<hash>`. Plain parts hold no
double underscore, so the three forms cannot meet.
"""

from __future__ import annotations

import re
import unicodedata

from cutwater.core.hashing import sha256_json

_PLAIN = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 48


def lake_name(schema: str, table: str) -> str:
    """The name in namespace `legacy`: matches `[a-z][a-z0-9_]*`."""
    if all(_PLAIN.fullmatch(part) for part in (schema, table)):
        return table if schema == "public" else f"{schema}__{table}"
    return f"{_remnant(f'{schema}_{table}')}___{sha256_json([schema, table])[:12]}"


def is_plain(name: str) -> bool:
    """Whether a name may stand in the lake as it is."""
    return _PLAIN.fullmatch(name) is not None


def _remnant(text: str) -> str:
    """What is left of a name in lower-case ASCII: for people, not for telling tables apart."""
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "_", ascii_only.lower()).strip("_")[:_LONGEST].strip("_")
    return words if words[:1].isalpha() else f"t_{words}".rstrip("_")
