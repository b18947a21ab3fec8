"""What the inventory asks of each outside system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from inventory.model import Asset, AssetKind, Edge, Finding


@dataclass(frozen=True)
class Discovery:
    """What one discoverer saw.

    edges may name assets of other kinds (an outbox's topic): they are kept only where that asset was seen too.
    system: facts of the system as a whole. not_checked: part of the system -> why it could not be looked at.
    """

    assets: tuple[Asset, ...] = ()
    edges: tuple[Edge, ...] = ()
    findings: tuple[Finding, ...] = ()
    system: Mapping[str, object] = field(default_factory=dict)
    not_checked: Mapping[str, str] = field(default_factory=dict)


class Discoverer(Protocol):
    """Looks at one system without changing anything in it."""

    @property
    def kind(self) -> AssetKind:
        """The kind of every asset that it finds."""

    def discover(self, now: datetime) -> Discovery:
        """Looks once. Raises Unavailable or BadInput where the system cannot be looked at at all."""
