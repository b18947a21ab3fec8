"""A system that is only told: for unit tests of what stands on discovery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from inventory.model import Asset, AssetKind, Edge, Finding
from inventory.ports import Discovery


@dataclass
class MemoryDiscoverer:
    """Says what it was given; raises `failure` where one is set."""

    told: AssetKind
    assets: Sequence[Asset] = ()
    edges: Sequence[Edge] = ()
    findings: Sequence[Finding] = ()
    failure: Exception | None = None
    looked: list[datetime] = field(default_factory=list)

    @property
    def kind(self) -> AssetKind:
        return self.told

    def discover(self, now: datetime) -> Discovery:
        self.looked.append(now)
        if self.failure is not None:
            raise self.failure
        seen = tuple(replace(item, last_seen=item.last_seen or now) for item in self.assets)
        return Discovery(seen, tuple(self.edges), tuple(self.findings))
