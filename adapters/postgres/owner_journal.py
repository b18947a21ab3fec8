"""Who we are to other projects on the same server: an identity of the state store, and what its journal says we made."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from adapters.postgres.owner_mark import FOREIGN, Mark
from cutwater.core.config import Project
from cutwater.state.store import open_store
from waves.store import RecordView

_KINDS = ("effect.intent", "effect.failed", "effect.outcome")
_DROPS = {"postgres.drop_slot": "slot", "postgres.drop_publication": "publication"}


@dataclass
class JournalOwner:
    """The owner of a wave's objects. Its identity is the hash of the journal's first record: no two stores share it, and it
    lasts as long as the journal does."""

    project: Project
    wave: str

    @cached_property
    def mark(self) -> Mark:
        with open_store(self.project.state_url) as store:
            first = store.journal.first_hash()
        return Mark(first[:16], re.sub(r"\s", "-", self.project.name), self.wave)

    def made(self, what: str, but_run: str = "") -> bool:
        with open_store(self.project.state_url) as store:
            return made(store.journal.records(self.wave, _KINDS), what, but_run)


def made(records: Iterable[RecordView], what: str, but_run: str = "") -> bool:
    """Whether the journal says that `postgres:<kind>/<name>` is of its making: an intent to create it that was not refused
    because it was another's, and no removal since."""
    ours, begun = False, dict[str, Any]()
    for record in records:
        effect = str(record.payload.get("effect", ""))
        if record.kind == "effect.intent":
            begun[effect] = record.payload
            ours = ours or (what in record.payload.get("creates", ()) and record.run_id != but_run)
            continue
        intent = begun.get(effect, {})
        if what in intent.get("creates", ()):
            if record.kind == "effect.outcome":
                ours = True
            elif record.payload.get("error", {}).get("code") == FOREIGN:
                ours = False
        elif record.kind == "effect.outcome" and _dropped(intent) == what:
            ours = False
    return ours


def _dropped(intent: dict[str, Any]) -> str:
    kind = _DROPS.get(str(intent.get("action", "")), "")
    return f"postgres:{kind}/{intent.get('args', {}).get('name', '')}" if kind else ""
