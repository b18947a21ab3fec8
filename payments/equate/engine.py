"""Equates an MT and an MX message: every atom and every leaf gets one class, the unexplained ones are listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from payments.equate.compare import Match, words
from payments.equate.leftovers import PLACEHOLDERS, of_atom, of_balance, of_leaf
from payments.equate.mt_side import Atom, atoms
from payments.equate.mx_side import Leaf, leaves_of
from payments.equate.rows import ADDRESSES, HEADER, IMPLIED, PAIRS, Row
from payments.fin.reader import FinMessage
from payments.iso20022.xml import Element, local, message_type

_ORDER = {Match.EXACT: 0, Match.NORMALISED: 1, Match.TRUNCATION: 2, Match.DERIVED: 3}


@dataclass(frozen=True, slots=True)
class FieldMatch:
    """One field: its class, both places and values (empty where one side is silent), and a word why."""

    match: Match
    mt_place: str
    mt_value: str
    mx_place: str
    mx_value: str
    why: str = ""


@dataclass
class Equation:
    """The whole pair. comparable: whether the two types correspond at all."""

    mt_type: str
    mx_type: str
    comparable: bool = True
    fields: list[FieldMatch] = field(default_factory=list)

    def count(self) -> dict[Match, int]:
        found = Counter(item.match for item in self.fields)
        return {match: found[match] for match in Match}

    @property
    def unexplained(self) -> list[FieldMatch]:
        return [item for item in self.fields if item.match is Match.UNEXPLAINED]


def equate(message: FinMessage, root: Element) -> Equation:
    """message: one FIN message. root: an XML tree that holds one ISO 20022 document, in whatever wrapper."""
    document = next((item for item in root.iter() if local(item.tag) == "Document"), None)
    family, version = message_type(document) if document is not None else ("", "")
    if not family:
        family, version = _by_header(root)
    result = Equation(f"MT{message.header.mt}", version)
    rows = PAIRS.get((message.header.mt, family))
    if rows is None:
        result.comparable = False
        return result
    return _Pairing(result, atoms(message), leaves_of(root), (*HEADER, *rows, *IMPLIED)).run()


def _by_header(root: Element) -> tuple[str, str]:
    """The type as the header has it, where the document's namespace names none."""
    told = next((item.text for item in root.iter() if local(item.tag) == "MsgDefIdr" and item.text), "")
    return told[:8], told


class _Pairing:
    def __init__(self, result: Equation, mt: list[Atom], mx: list[Leaf], rows: Sequence[Row]) -> None:
        self.result, self.mt, self.mx, self.rows = result, mt, mx, rows
        self.split = [_split(atom.name) for atom in mt]
        if not any(sequence for sequence, _ in self.split):
            for leaf in mx:
                leaf.sequence = "" if leaf.sequence == "T1." else leaf.sequence
        self.differ: dict[int, tuple[Leaf, Atom]] = {}

    def run(self) -> Equation:
        for row in self.rows:
            self._row(row)
        self._addresses()
        for leaf, atom in self.differ.values():
            if not leaf.used and leaf.value not in PLACEHOLDERS:
                self._put(Match.UNEXPLAINED, atom, leaf, "the values differ")
        self._again()
        self._own_defaults()
        tags = frozenset(name.partition(".")[0] for _, name in self.split)
        for leaf in self.mx:
            if not leaf.used:
                code, _, end = leaf.path.removeprefix("Bal:").partition("/")
                found = of_balance(code, end, tags) if leaf.path.startswith("Bal:") else of_leaf(leaf.path, leaf.value)
                self._put(found[0], None, leaf, found[1])
        for (_, name), atom in zip(self.split, self.mt, strict=True):
            if not atom.used:
                match, why = of_atom(name, atom.value)
                self._put(match, atom, None, why)
        return self.result

    def _row(self, row: Row) -> None:
        candidates: list[tuple[str, Atom]] | None = None
        for leaf in self.mx:
            if leaf.used or not _ends(leaf.path, row.mx):
                continue
            if candidates is None:
                candidates = [
                    (sequence, atom)
                    for (sequence, name), atom in zip(self.split, self.mt, strict=True)
                    if _named(name, row.mt)
                ]
            near = [atom for sequence, atom in candidates if _near(sequence, leaf.sequence)]
            found = [(match, atom) for atom in near if (match := _how(row, atom, leaf)) is not None]
            if found:
                match, atom = min(found, key=lambda pair: _ORDER[pair[0]])
                self._put(match, atom, leaf, "")
            elif row.strict and near:
                self.differ.setdefault(id(leaf), (leaf, near[0]))

    def _again(self) -> None:
        """An atom that says once more what another has said: it explains no leaf, a leaf explains it."""
        for row in self.rows:
            for (sequence, name), atom in zip(self.split, self.mt, strict=True):
                if atom.used or not _named(name, row.mt):
                    continue
                for leaf in self.mx:
                    if _ends(leaf.path, row.mx) and _near(sequence, leaf.sequence):
                        match = _how(row, atom, leaf)
                        if match is not None:
                            self._put(match, atom, leaf, "said again")
                            break

    def _addresses(self) -> None:
        """An address is compared by its words: MX has them in elements, MT in lines."""
        for field_number, roles in ADDRESSES.items():
            for prefix in ("", "UndrlygCstmrCdtTrf/"):
                name = ("B." if prefix else "") + field_number
                mine = [
                    atom
                    for (_, own), atom in zip(self.split, self.mt, strict=True)
                    if own.startswith(f"{name}.") and not own.endswith(("account", "bic"))
                ]
                theirs = [
                    leaf
                    for leaf in self.mx
                    if any(f"/{prefix}{role}/PstlAdr/" in f"/{leaf.path}" for role in roles)
                    or _ends(leaf.path, tuple(f"{prefix}{role}/Nm" for role in roles))
                ]
                if mine and theirs:
                    self._words(mine, theirs)

    def _words(self, mine: list[Atom], theirs: list[Leaf]) -> None:
        said = {word for atom in mine for word in words(atom.value)}
        told = {word for leaf in theirs for word in words(leaf.value)}
        lines = [line for atom in mine if atom.name.endswith("address") for line in atom.value.split("\n")]
        last = (words(lines[-1])[-1:] or [""])[0] if lines else ""
        for leaf in theirs:
            own, element = words(leaf.value), leaf.path.rpartition("/")[2]
            if leaf.used or not own:
                continue
            if said.issuperset(own):
                self._put(Match.NORMALISED, mine[0], leaf, "words of the address")
            elif element == "Nm":
                self.differ.setdefault(id(leaf), (leaf, mine[0]))
            elif len(lines) >= 3 or (len(last) >= 3 and said.issuperset(own[:-1]) and own[-1].startswith(last)):
                self._put(Match.TRUNCATION, mine[0], leaf, "MT has no room for the rest")
            elif element in ("AdrLine", "StrtNm", "TwnNm") and lines:
                self.differ.setdefault(id(leaf), (leaf, mine[0]))
        for atom in mine:
            own = words(atom.value)
            if not atom.used and own and (told.issuperset(own) or _cut(own, told)):
                atom.used = True

    def _own_defaults(self) -> None:
        """What MT says twice: 33B that repeats 32A, 19 that adds up, 32B that is 33B by the rate."""
        values: dict[str, Atom] = {}
        sums = Decimal(0)
        for (_, name), atom in zip(self.split, self.mt, strict=True):
            values.setdefault(name, atom)
            sums += (_number(atom) or 0) if name == "32B.amount" else 0
        for part in ("currency", "amount"):
            self._implied(values, f"33B.{part}", values.get(f"32A.{part}"), "repeats :32A:")
        if _number(values.get("19.amount")) == sums:
            self._implied(values, "19.amount", values["19.amount"], "the sum of the amounts")
        told, rate = _number(values.get("33B.amount")), _number(values.get("36.rate"))
        if told is not None and rate is not None and _number(values.get("32B.amount")) == told * rate:
            for part in ("currency", "amount"):
                self._implied(values, f"32B.{part}", values[f"32B.{part}"], "the instructed amount by the rate")

    def _implied(self, values: dict[str, Atom], name: str, other: Atom | None, why: str) -> None:
        atom = values.get(name)
        if atom is not None and other is not None and not atom.used and atom.value == other.value:
            self._put(Match.DERIVED, atom, None, why)

    def _put(self, match: Match, atom: Atom | None, leaf: Leaf | None, why: str) -> None:
        if atom is not None:
            atom.used = True
        if leaf is not None:
            leaf.used = True
        self.result.fields.append(
            FieldMatch(
                match,
                atom.place if atom else "",
                atom.value if atom else "",
                leaf.place if leaf else "",
                leaf.value if leaf else "",
                why,
            )
        )


def _how(row: Row, atom: Atom, leaf: Leaf) -> Match | None:
    found = row.how(atom.value, leaf.value)
    return row.how(atom.whole, leaf.value) if found is None and atom.whole else found


def _cut(own: list[str], told: set[str]) -> bool:
    """All words but the last stand there, and the last is the beginning of one."""
    return told.issuperset(own[:-1]) and any(word.startswith(own[-1]) for word in told)


def _split(name: str) -> tuple[str, str]:
    """(`T2.`, `61.amount`); `T0.` is what is common to all transactions."""
    if name[:1] == "T" and name[1:2].isdigit():
        sequence, _, rest = name.partition(".")
        return ("" if sequence == "T0" else f"{sequence}."), rest
    return "", name


def _near(one: str, other: str) -> bool:
    return one == other or not one or not other


def _named(name: str, patterns: tuple[str, ...]) -> bool:
    return any(name == pattern or (pattern[-1] == "*" and name.startswith(pattern[:-1])) for pattern in patterns)


def _ends(path: str, ends: tuple[str, ...]) -> bool:
    return any(path == end or path.endswith("/" + end) for end in ends)


def _number(atom: Atom | None) -> Decimal | None:
    text = atom.value.replace(",", ".", 1) if atom is not None else ""
    return Decimal(text) if text.replace(".", "", 1).isdigit() and len(text) < 25 else None
