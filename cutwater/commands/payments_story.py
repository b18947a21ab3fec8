"""`cutwater payments equate` and `timeline`: two messages side by side; one payment put together from many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cutwater.commands.payments import REJECTED, parse
from cutwater.core.clock import utc_now
from cutwater.core.errors import BadInput, Refused
from payments.equate.engine import Equation, equate
from payments.fin.reader import read_fin
from payments.iso20022.xml import read as read_xml
from payments.lifecycle.details import with_details
from payments.lifecycle.events import fact_of
from payments.lifecycle.ledger import Axis, Ledger, Payment, Taken
from payments.values import Findings

MAX_PAIR = 16 * 1024 * 1024


@dataclass(frozen=True)
class Pair:
    """An equated pair and where it came from. number: which message of the MT file it was, from 1."""

    mt_path: Path
    mx_path: Path
    number: int
    equation: Equation

    def require(self) -> None:
        """Refused (exit 3) where a difference has no explanation."""
        left = len(self.equation.unexplained)
        if left:
            raise Refused(
                "CW2212",
                f"{left} of {len(self.equation.fields)} fields differ and nothing explains it",
                cause="; ".join(_pointer(item.mt_place, item.mx_place) for item in self.equation.unexplained[:3]),
                next="the listed places of both messages; --reveal shows their values",
            )


def _pointer(mt: str, mx: str) -> str:
    return f"{mt or 'nothing in MT'} / {mx or 'nothing in MX'}"


def equate_files(mt: Path, mx: Path) -> Pair:
    """The MT message of `mt` that fits the one ISO 20022 document of `mx` best. Raises BadInput where none does."""
    findings = Findings()
    root = read_xml(_bytes(mx), findings)
    if root is None:
        raise BadInput("CW2211", f"{mx} is no ISO 20022 message", cause=findings.items[0].message)
    best: Pair | None = None
    kinds = []
    for number, message in enumerate(read_fin(_bytes(mt)), 1):
        if not message.fields:
            continue
        found = Pair(mt, mx, number, equate(message, root))
        kinds.append(f"{found.equation.mt_type} and {found.equation.mx_type or 'no document'}")
        if found.equation.comparable and (best is None or _misfit(found) < _misfit(best)):
            best = found
    if best is None:
        raise BadInput(
            "CW2211",
            "the two messages do not correspond",
            cause=f"{kinds[0]} are no pair" if kinds else f"there is no SWIFT message in {mt}",
            next="cutwater payments equate MT-FILE MX-FILE",
        )
    return best


def _misfit(pair: Pair) -> int:
    return len(pair.equation.unexplained)


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as source:
            payload = source.read(MAX_PAIR + 1)
    except OSError as error:
        raise BadInput("CW2211", f"{path} cannot be read", cause=error.strerror or str(error)) from error
    if len(payload) > MAX_PAIR:
        raise BadInput("CW2211", f"{path} is larger than {MAX_PAIR >> 20} MiB", next="cut the one message out of it")
    return payload


@dataclass(frozen=True)
class Timeline:
    """A payment as of an instant. read: events taken in, by what folding did; rejected: messages that could not be read."""

    payment: Payment
    read: dict[Taken, int]
    rejected: int
    as_of: datetime | None
    axis: Axis


def timeline(key: str, paths: Sequence[Path | str], as_of: datetime | None, axis: Axis) -> Timeline:
    """Reads every file beneath `paths`, folds every event, and tells the one payment that `key` names.

    What was known when is the file's time, of standard input now. Raises BadInput where nothing has the key.
    """
    ledger, counts, rejected, now = Ledger(), dict.fromkeys(Taken, 0), 0, utc_now()
    for piece in parse(paths):
        known = datetime.fromtimestamp(piece.known, UTC) if piece.known is not None else now
        rejected += piece.last and piece.status == REJECTED
        for event in with_details(piece.parsed):
            counts[ledger.fold(fact_of(event, known))] += 1
    told = ledger if as_of is None else ledger.as_of(as_of, axis)
    payment = told.payment(key)
    if payment is None:
        raise BadInput(
            "CW2213",
            f"no payment has the key {key}",
            cause=f"{sum(counts.values())} events of {len(list(told.payments()))} payments were read"
            + (f", {rejected} messages were rejected" if rejected else ""),
            next="a UETR, a payment key or an event key: cutwater payments parse PATH shows them",
        )
    return Timeline(payment, counts, rejected, as_of, axis)
