"""One document of a family with transactions: events as its map says, control totals, statuses of whole levels."""

from __future__ import annotations

from functools import cache
from typing import Any

from payments.identity import assembled, join_key, payment_key
from payments.iso20022.context import Level, Message
from payments.iso20022.families import FAMILIES, MESSAGE_ID, Family
from payments.iso20022.fields import day_that_counts, tell
from payments.iso20022.shapes import Teller
from payments.iso20022.xml import Element, leaves, look
from payments.model import EventKind, FileBatch, PaymentEvent
from payments.parties import bic11
from payments.seen import Seen

_WHOLE = ("GrpHdr/GrpRvsl", "GrpHdr/GrpRtr")
_GROUP = "OrgnlGrpInfAndSts/"
_OWN = ("instruction_id", "end_to_end_id", "transaction_id")


class TransactionReader:
    """Is told of each transaction and of each container's end, in the order of the document, and gathers events."""

    def __init__(self, family: Family, message: Message, body: Element) -> None:
        self.family, self.message = family, message
        self.top = Level(body, "", "")
        self._skip, self._teller = _skips(family.name), _teller(family.name)
        self._ordinals = Seen()
        self._count = 0
        self._inner: Level | None = None
        self._inherited: dict[str, Any] = {}
        self._status = family.kind is EventKind.STATUS
        self._interbank = family.kind is EventKind.INITIATED and family.name.startswith("pacs")

    def open(self, level: Level) -> None:
        """Reads what a level says of itself; what stands before its first transaction is enough."""
        if level.said is not None:
            return
        level.values = leaves(level.element, self._skip.get(level.path, frozenset()))
        where = self.family.group_fields if level is self.top else self.family.container_fields
        level.said, level.extra = tell(level.values, where, level.place, self.message.findings)
        if level is self.top:
            identify(self.message, level.values, self.family.sender)

    def transaction(self, element: Element, chain: list[Level], place: str) -> None:
        """chain: the open levels from the body on."""
        message, family = self.message, self.family
        if chain[-1] is not self._inner:
            self._inherited, self._inner = self._of(chain), chain[-1]
        told = self._inherited.copy()
        own, extra = self._teller.tell(element, place, message.findings)
        told.update(own)
        for field, path in family.required:
            if field not in told:
                message.findings.error("missing_field", f"{place}/{path}", f"there is no {field}")
        if self._status and not told.get("status"):
            self._inherit(told, chain, place)
        if family.cover and any(path.startswith(family.cover) for path in extra):
            told["underlying"] = True
        message.events.append(self._event(told, extra, place))
        amount = told.get("amount")
        for level in chain:
            level.add(amount)

    def _of(self, chain: list[Level]) -> dict[str, Any]:
        """What the open levels say of every transaction in them: put together once for the innermost."""
        told: dict[str, Any] = {}
        for level in chain:
            self.open(level)
            told.update(level.said or {})
        return {name: value for name, value in told.items() if value is not None}

    def _inherit(self, told: dict[str, Any], chain: list[Level], place: str) -> None:
        """A transaction without a status has that of its batch, else of its group. PART says only that they differ."""
        for level in reversed(chain):
            found = level.values.get("PmtInfSts") or level.values.get("OrgnlGrpInfAndSts/GrpSts")
            if found and found != "PART":
                told["status"] = found
                return
        self.message.findings.warn("missing_status", f"{place}/TxSts", "neither the transaction nor its group has one")

    def close(self, level: Level, parent: Level) -> None:
        """A container has ended: its control totals, or its own status where no transaction stands in it."""
        for item in (self.top, parent, level):
            self.open(item)
        family, place = self.family, level.place
        if "NbOfTxs" in family.totals and level.path == family.containers[0]:
            self._totals(level, place, "NbOfTxs", "CtrlSum")
            self._batch("batch", level, str((level.said or {}).get("batch_id") or ""), "")
        if level.number == 0:
            self._level(level, parent)

    def finish(self) -> None:
        """The document has ended."""
        self.open(self.top)
        family, message, top = self.family, self.message, self.top
        if family.totals and not self._whole_group():
            self._totals(top, "GrpHdr", "NbOfTxs", "CtrlSum")
            for name in family.totals[2:]:
                if stated := top.values.get(f"GrpHdr/{name}"):
                    message.check(name, stated, top.total, f"GrpHdr/{name}")
            # CtrlSum ignores the currency: the sums that mean something are kept beside it.
            for currency, value in sorted(top.sums.items()):
                message.control[f"sum.{currency}.actual"] = f"{value:f}"
            self._batch("group", top, message.message_id, "GrpHdr/")
        if self._count == 0:
            self._level(top, top)
        if self._count == 0:
            self._nothing()
        message.group = top.extra

    def _whole_group(self) -> bool:
        """A return or reversal of all that another message held names none of it: there is nothing to count."""
        said = self.top.values
        return self.top.number == 0 and any(said.get(path) in ("true", "1") for path in _WHOLE)

    def _nothing(self) -> None:
        family, findings = self.family, self.message.findings
        if family.kind is EventKind.STATUS:
            path = "OrgnlGrpInfAndSts/GrpSts"
            findings.error("missing_status", path, "neither a transaction nor a group status")
        else:
            findings.warn("no_transactions", family.transactions[0], "the message holds no transaction")

    def _totals(self, level: Level, place: str, count: str, total: str) -> None:
        prefix, named = ("GrpHdr/", "") if level is self.top else ("", f"{place}.")
        self.message.check(f"{named}{count}", level.values.get(prefix + count), level.number, f"{place}/{count}")
        self.message.check(f"{named}{total}", level.values.get(prefix + total), level.total, f"{place}/{total}")

    def _batch(self, name: str, level: Level, ident: str, prefix: str) -> None:
        stated = (level.values.get(f"{prefix}NbOfTxs") or None, level.values.get(f"{prefix}CtrlSum") or None)
        sums = dict(sorted(level.sums.items()))
        self.message.batches.append(FileBatch(name, ident, level.number, sums, *stated, extra=level.extra))

    def _level(self, level: Level, parent: Level) -> None:
        """A status, return or recall of a whole level: the first rule that finds something makes one event."""
        for path, stated, where in self.family.levels:
            if path != level.path or not level.values.get(stated):
                continue
            told: dict[str, Any] = {**(self.top.said or {}), **(parent.said or {}), **(level.said or {})}
            own, extra = tell(level.values, where, level.place, self.message.findings) if where else ({}, level.extra)
            told.update(own)
            if level is not self.top:
                extra = {key: value for key, value in extra.items() if key in level.extra}
            event = self._event(told, extra, level.place, whole=True)
            self.message.events.append(event)
            if level is self.top and path == "" and stated.startswith(_GROUP):
                self._more_groups(stated, where)
            return

    def _more_groups(self, stated: str, where: Any) -> None:
        """A report may speak of several messages: `OrgnlGrpInfAndSts` repeats, each with a status of its own."""
        found: dict[str, dict[str, str]] = {}
        for path, text in self.top.values.items():
            head, _, rest = path.partition("/")
            if head.startswith(f"{_GROUP[:-1]}["):
                found.setdefault(head, {})[_GROUP + rest] = text
        for head, values in found.items():
            if values.get(stated):
                told: dict[str, Any] = dict(self.top.said or {})
                for name in ("original_message_id", "original_message_type", "reason"):
                    told.pop(name, None)
                own, extra = tell(values, where, head, self.message.findings)
                self.message.events.append(self._event({**told, **own}, extra, head, whole=True))

    def _event(self, told: dict[str, Any], extra: dict[str, str], place: str, whole: bool = False) -> PaymentEvent:
        message, family = self.message, self.family
        self._count += 1
        number = self.top.number + 1
        ordinal = self._ordinal(told, number)
        if whole:
            ordinal = "group" if not place else place
        sender = message.sender or bic11(told.get("instructing_agent") or "")
        if not sender and self._interbank:
            message.findings.warn("missing_sender", "AppHdr/Fr", "neither Fr nor InstgAgt names the sender")
        told["value_date"] = day_that_counts(told)
        if family.original:
            _about_original(told, family, sender)
        uetr = told.get("uetr")
        key = join_key(family.name, sender, message.identity, ordinal)
        fallback = self._fallback(told, uetr, key, whole) if family.original else ""
        told["message_type"] = message.version
        told["receiver"] = message.header.receiver or None
        return assembled(
            told, family.name, family.kind, sender, message.message_id, ordinal, key, fallback, uetr, extra
        )

    def _ordinal(self, told: dict[str, Any], number: int) -> str:
        """The TxId where it is the first of its name in the message, else the position."""
        if not self.family.named:
            return str(number)
        own, seen = told.get("transaction_id") or "", self._ordinals
        if own and seen.count(own) == 1:
            return own
        return str(number) if seen.count(str(number)) == 1 else f"#{number}"

    def _fallback(self, told: dict[str, Any], uetr: str | None, key: str, whole: bool) -> str:
        """A report goes back to the one who instructed: the original's sender is this message's receiver."""
        receiver, original = self.message.header.receiver, told.get("original_message_id") or ""
        if whole and original:
            return join_key("message", receiver, told.get("original_message_type") or "", original)
        amount = told.get("original_amount") or told.get("amount")
        day = told.get("original_settlement_date") or told.get("value_date")
        return payment_key(uetr, receiver, told.get("instruction_id"), day, amount, join_key("event", key))


def _about_original(told: dict[str, Any], family: Family, sender: str) -> None:
    """The event's ids are the original's: it is about that payment."""
    for name in _OWN:
        found = told.get(f"original_{name}")
        if found:
            told[name] = found
    told["original_uetr"] = told.get("uetr")
    if told.get("value_date") is None:
        told["value_date"] = told.get("original_settlement_date")
    if told.get("amount") is None:
        told["amount"] = told.get("original_amount")
    if family.kind in (EventKind.STATUS, EventKind.ANSWERED):
        told["reporter"] = sender or None
    if told.get("original_batch_id"):
        told["batch_id"] = told["original_batch_id"]


def identify(message: Message, values: dict[str, str], sender: tuple[str, ...]) -> None:
    """Message id and sender, of the header and of the group."""
    own = look(values, *MESSAGE_ID) or ""
    message.message_id = own or message.header.message_id
    message.identity = message.header.message_id or own
    if not message.identity:
        message.findings.error("missing_identity", "GrpHdr/MsgId", "neither BizMsgIdr nor MsgId")
    if message.header.sender:
        message.sender = message.header.sender
        return
    path = next((item for item in sender if values.get(item)), "")
    found = values.get(path, "")
    message.sender = bic11(found) if "BIC" in path or "BEI" in path else found


@cache
def _teller(family: str) -> Teller:
    return Teller(FAMILIES[family].fields)


@cache
def _skips(name: str) -> dict[str, frozenset[str]]:
    """For each level of a family, the children that are read on their own."""
    family = FAMILIES[name]
    found: dict[str, set[str]] = {}
    for path in family.transactions + family.containers:
        parent, _, name = path.rpartition("/")
        found.setdefault(parent, set()).add(name)
    return {path: frozenset(names) for path, names in found.items()}
