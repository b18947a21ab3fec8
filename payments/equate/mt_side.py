"""An MT message as atoms: each component of each field, by a name such as `32A.amount` or `50.name`."""

from __future__ import annotations

from dataclasses import dataclass

from payments.fin.grammar import components
from payments.fin.narrative import code_lines, inline_codes, joined
from payments.fin.party import read_party
from payments.fin.reader import FinMessage

_PARTIES = frozenset({"50", "51", "52", "53", "54", "55", "56", "57", "58", "59"})
_CODED = frozenset({"72", "76", "79", "77A", "77B", "75"})


@dataclass(slots=True)
class Atom:
    """name: the field's number, its part, and the sequence before it where a type has several (`B.50.name`).
    place: as a person would say it (`:50F:` and the component). whole: the code word and its text, where it has one."""

    name: str
    value: str
    place: str
    whole: str = ""
    used: bool = False


def atoms(message: FinMessage) -> list[Atom]:
    """Every value that the message holds: headers first, then the fields in order."""
    header = message.header
    found = [
        Atom("type", header.mt, "block 2"),
        Atom("sender", header.sender, "block 2" if header.direction == "O" else "block 1"),
        Atom("receiver", header.receiver, "block 1" if header.direction == "O" else "block 2"),
        Atom("priority", header.priority, "block 2"),
        Atom("sent", header.input_time, "block 2"),
        Atom("session", header.session if header.session.strip("0") else "", "block 1"),
        Atom("number", header.sequence if header.sequence.strip("0") else "", "block 1"),
    ]
    found.extend(Atom(tag, value, f"{{3:{{{tag}:}}}}") for tag, value in header.user.items())
    found.extend(Atom(f"5.{tag}", value, f"{{5:{{{tag}:}}}}") for tag, value in header.trailers.items())
    sequence = ""
    for tag, value in message.fields:
        sequence = _sequence(header.mt, sequence, tag)
        found.extend(_field(sequence, tag, value))
    return [atom for atom in found if atom.value]


def _sequence(mt: str, sequence: str, tag: str) -> str:
    """COV: the underlying transfer begins at the first 50a; MT101 and MT204: a transaction begins at :21: or :20:; an
    entry of a statement at :61:."""
    if mt in ("202", "205") and tag[:2] == "50":
        return "B."
    number = int(sequence[1:-1]) if sequence[:1] == "T" else 0
    if (mt == "101" and tag == "21") or (mt == "210" and tag == "21") or tag == "61":
        return f"T{number + 1}."
    if mt == "204" and tag == "20" and sequence != "":
        return f"T{number + 1}."
    if mt == "204" and tag == "20":
        return "T0."
    if sequence[:1] == "T" and tag in ("62F", "62M", "64", "65", "90D", "90C"):
        return ""
    return sequence


def _field(sequence: str, tag: str, value: str) -> list[Atom]:
    number, place = tag[:2], f":{tag}:"
    if number in _PARTIES:
        return _party(f"{sequence}{number}", tag, value)
    if tag == "70":
        rest = dict(inline_codes(value))
        coded = [Atom(f"{sequence}70.{code}", text, place) for code, text in rest.items() if code in ("ROC", "EREF")]
        return [Atom(f"{sequence}70", value.replace("\n", ""), place), *coded]
    if tag in _CODED:
        return _coded(f"{sequence}{tag}", place, value)
    if tag == "61":
        return _entry(sequence, value, place)
    if tag == "13D":
        return [Atom(f"{sequence}13D", value.strip(), place)]
    parts = components(tag, value)
    if parts is None:
        return [Atom(f"{sequence}{tag}", value, place)]
    return [Atom(f"{sequence}{tag}.{name}", text, f"{place}{name}") for name, text in parts.items()]


def _party(name: str, tag: str, value: str) -> list[Atom]:
    party, place = read_party(tag, value), f":{tag}:"
    parts = (
        ("account", party.account),
        ("clearing", party.clearing),
        ("bic", party.bic),
        ("name", party.name),
        ("address", "\n".join(party.address)),
        ("country", party.country),
        ("town", party.town),
        *((f"other{number}", text) for number, text in party.other),
    )
    return [Atom(f"{name}.{part}", text, f"{place}{part}") for part, text in parts if text]


def _coded(name: str, place: str, value: str) -> list[Atom]:
    found = []
    for code, text in code_lines(value):
        if code:
            found.append(Atom(f"{name}.{code}", text or code, f"{place}/{code}/", f"/{code}/{text}"))
        else:
            found.append(Atom(name, text, place))
    return found or [Atom(name, joined(value), place)]


def _entry(sequence: str, value: str, place: str) -> list[Atom]:
    from payments.fin.lines import read_line

    line = read_line(value)
    if line is None:
        return [Atom(f"{sequence}61", value, place)]
    parts = (
        ("date", line.value_date),
        ("entry", line.entry_date),
        ("mark", line.mark),
        ("funds", line.funds),
        ("amount", line.amount),
        ("code", line.code),
        ("reference", line.reference),
        ("servicer", line.servicer),
        ("details", line.details),
    )
    return [Atom(f"{sequence}61.{part}", text, f"{place}{part}") for part, text in parts if text]
