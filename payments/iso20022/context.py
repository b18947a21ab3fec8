"""What the family parsers are given."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from payments.iso20022.xml import Element
from payments.values import Findings, check_total


@dataclass(frozen=True)
class Header:
    """The business application header (head.001); empty texts where there is none."""

    sender: str = ""
    receiver: str = ""
    message_id: str = ""
    definition: str = ""
    duplicate: str = ""
    created: str = ""


@dataclass(frozen=True)
class Message:
    """One document: its family and version by namespace, its body, the leaves of its group level, and the collectors."""

    family: str
    version: str
    message_id: str
    header: Header
    body: Element
    group: dict[str, str]
    findings: Findings
    control: dict[str, str]

    def check(self, name: str, stated: str | None, actual: Decimal | int, place: str) -> None:
        """Records a control total, stated and actual; see payments.values.check_total."""
        check_total(self.control, name, stated, actual, place, self.findings)
