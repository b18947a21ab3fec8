"""pain.001.001.09: customer credit transfer batches, totals in the group header and in every payment information."""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby

from sandbox.estate.model import Batch, Payment
from sandbox.estate.names import OWN_BANK
from sandbox.estate.writers import xml

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"


def write(batch: Batch) -> bytes:
    """The file of a pain.001 batch; its payments stand in order of their debtors."""
    blocks = []
    for index, (_, members) in enumerate(groupby(batch.payments, key=lambda item: item.debtor.account_id), start=1):
        blocks.append(_information(f"{batch.message_id}-{index}", list(members)))
    first = batch.payments[0]
    header = (
        f"<GrpHdr><MsgId>{batch.message_id}</MsgId><CreDtTm>{xml.instant(batch.received_at)}</CreDtTm>"
        f"<NbOfTxs>{len(batch.payments)}</NbOfTxs><CtrlSum>{_sum(batch.payments)}</CtrlSum>"
        f"<InitgPty><Nm>{xml.text(first.debtor.party.legal_name)}</Nm></InitgPty></GrpHdr>\n"
    )
    body = "".join(blocks)
    return (
        f'{xml.DECLARATION}<Document xmlns="{NAMESPACE}"><CstmrCdtTrfInitn>\n{header}{body}</CstmrCdtTrfInitn></Document>\n'
    ).encode()


def _information(identifier: str, payments: list[Payment]) -> str:
    first = payments[0]
    lines = "".join(_transaction(item) for item in payments)
    return (
        f"<PmtInf><PmtInfId>{identifier}</PmtInfId><PmtMtd>TRF</PmtMtd><NbOfTxs>{len(payments)}</NbOfTxs>"
        f"<CtrlSum>{_sum(payments)}</CtrlSum><ReqdExctnDt><Dt>{first.value_date}</Dt></ReqdExctnDt>"
        f"{xml.party('Dbtr', first.debtor)}{xml.account('DbtrAcct', first.debtor)}"
        f"{xml.agent('DbtrAgt', OWN_BANK.bic11)}<ChrgBr>SHAR</ChrgBr>\n{lines}</PmtInf>\n"
    )


def _transaction(payment: Payment) -> str:
    return (
        f"<CdtTrfTxInf>{xml.payment_id(payment)}<Amt>{xml.money('InstdAmt', payment.amount, payment.currency)}</Amt>"
        f"{xml.agent('CdtrAgt', payment.creditor.bank.bic11)}{xml.party('Cdtr', payment.creditor)}"
        f"{xml.account('CdtrAcct', payment.creditor)}{xml.remittance(payment)}</CdtTrfTxInf>\n"
    )


def _sum(payments: list[Payment]) -> str:
    return xml.plain(sum((item.amount for item in payments), Decimal(0)), payments[0].currency)
