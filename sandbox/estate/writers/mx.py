"""pacs.008, pacs.002, camt.053 and camt.054 with the business application header head.001, in one envelope."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sandbox.estate.model import Account, Entry, Payment, Statement
from sandbox.estate.names import LEDGER_BIC8, OWN_BANK
from sandbox.estate.writers import xml

_URN = "urn:iso:std:iso:20022:tech:xsd:"
PACS008, PACS002 = "pacs.008.001.08", "pacs.002.001.10"
CAMT053, CAMT054 = "camt.053.001.08", "camt.054.001.08"
LEDGER_BIC = LEDGER_BIC8 + "XXX"


def envelope(definition: str, identifier: str, sender: str, receiver: str, at: datetime, document: str) -> bytes:
    """head.001.001.02 and the document, wrapped as the archive keeps them."""
    header = (
        f'<AppHdr xmlns="{_URN}head.001.001.02"><Fr><FIId><FinInstnId><BICFI>{sender}</BICFI></FinInstnId></FIId></Fr>'
        f"<To><FIId><FinInstnId><BICFI>{receiver}</BICFI></FinInstnId></FIId></To><BizMsgIdr>{identifier}</BizMsgIdr>"
        f"<MsgDefIdr>{definition}</MsgDefIdr><BizSvc>swift.cbprplus.02</BizSvc><CreDt>{xml.instant(at)}</CreDt></AppHdr>"
    )
    return (
        f'{xml.DECLARATION}<BusMsgEnvlp>\n{header}\n<Document xmlns="{_URN}{definition}">{document}</Document>\n</BusMsgEnvlp>\n'
    ).encode()


def pacs008(payment: Payment, at: datetime) -> bytes:
    """The interbank credit transfer of one payment; InstrId, EndToEndId and UETR as everywhere."""
    payee = payment.creditor.bank.bic11
    identifier = f"P8{payment.instruction_id}"
    amount = xml.money("IntrBkSttlmAmt", payment.amount, payment.currency)
    body = (
        f"<FIToFICstmrCdtTrf><GrpHdr><MsgId>{identifier}</MsgId><CreDtTm>{xml.instant(at)}</CreDtTm><NbOfTxs>1</NbOfTxs>"
        f"<SttlmInf><SttlmMtd>INDA</SttlmMtd></SttlmInf></GrpHdr><CdtTrfTxInf>{xml.payment_id(payment)}{amount}"
        f"<IntrBkSttlmDt>{payment.value_date}</IntrBkSttlmDt>"
        f"{xml.money('InstdAmt', payment.amount, payment.currency)}<ChrgBr>SHAR</ChrgBr>"
        f"{xml.agent('InstgAgt', OWN_BANK.bic11)}{xml.agent('InstdAgt', payee)}{xml.party('Dbtr', payment.debtor)}"
        f"{xml.account('DbtrAcct', payment.debtor)}{xml.agent('DbtrAgt', OWN_BANK.bic11)}{xml.agent('CdtrAgt', payee)}"
        f"{xml.party('Cdtr', payment.creditor)}{xml.account('CdtrAcct', payment.creditor)}{xml.remittance(payment)}"
        f"</CdtTrfTxInf></FIToFICstmrCdtTrf>"
    )
    return envelope(PACS008, identifier, OWN_BANK.bic11, payee, at, body)


def pacs002(payment: Payment, at: datetime) -> bytes:
    """The answer of the creditor's bank: the last status that it reported."""
    bank = payment.creditor.bank.bic11
    told = next(item for item in reversed(payment.statuses) if item.reported_by == bank)
    identifier = f"P2{payment.instruction_id}"
    reason = f"<StsRsnInf><Rsn><Cd>{told.reason}</Cd></Rsn></StsRsnInf>" if told.reason else ""
    body = (
        f"<FIToFIPmtStsRpt><GrpHdr><MsgId>{identifier}</MsgId><CreDtTm>{xml.instant(at)}</CreDtTm></GrpHdr><TxInfAndSts>"
        f"<OrgnlGrpInf><OrgnlMsgId>P8{payment.instruction_id}</OrgnlMsgId><OrgnlMsgNmId>{PACS008}</OrgnlMsgNmId></OrgnlGrpInf>"
        f"<OrgnlInstrId>{payment.instruction_id}</OrgnlInstrId><OrgnlEndToEndId>{payment.end_to_end_id}</OrgnlEndToEndId>"
        f"<OrgnlUETR>{payment.uetr}</OrgnlUETR><TxSts>{told.status}</TxSts>{reason}"
        f"{xml.agent('InstgAgt', bank)}{xml.agent('InstdAgt', OWN_BANK.bic11)}</TxInfAndSts></FIToFIPmtStsRpt>"
    )
    return envelope(PACS002, identifier, bank, OWN_BANK.bic11, at, body)


def camt053(statement: Statement, at: datetime) -> bytes:
    """One page of a statement: LglSeqNb rises by one per statement, ITBD stands between pages."""
    account, day = statement.account, statement.day
    identifier = f"C53-{statement.statement_id}"
    start = datetime.combine(day, datetime.min.time(), UTC)
    balances = _balance("OPBD" if statement.page == 1 else "ITBD", statement.opening, account, day.isoformat())
    balances += _balance("CLBD" if statement.last_page else "ITBD", statement.closing, account, day.isoformat())
    body = (
        f"<BkToCstmrStmt><GrpHdr><MsgId>{identifier}</MsgId><CreDtTm>{xml.instant(at)}</CreDtTm></GrpHdr><Stmt>"
        f"<Id>{identifier}</Id><StmtPgntn><PgNb>{statement.page}</PgNb><LastPgInd>{str(statement.last_page).lower()}"
        f"</LastPgInd></StmtPgntn><LglSeqNb>{statement.sequence_number}</LglSeqNb><CreDtTm>{xml.instant(at)}</CreDtTm>"
        f"<FrToDt><FrDtTm>{xml.instant(start)}</FrDtTm><ToDtTm>{xml.instant(start + timedelta(hours=23))}</ToDtTm></FrToDt>"
        f"{_account(account)}{balances}{_summary(statement.entries, account)}"
        f"{''.join(_entry(item, account) for item in statement.entries)}</Stmt></BkToCstmrStmt>"
    )
    return envelope(CAMT053, identifier, LEDGER_BIC, OWN_BANK.bic11, at, body)


def camt054(identifier: str, account: Account, entries: Sequence[Entry], at: datetime) -> bytes:
    """Debit and credit advice for one account."""
    body = (
        f"<BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>{identifier}</MsgId><CreDtTm>{xml.instant(at)}</CreDtTm></GrpHdr><Ntfctn>"
        f"<Id>{identifier}</Id><CreDtTm>{xml.instant(at)}</CreDtTm>{_account(account)}{_summary(entries, account)}"
        f"{''.join(_entry(item, account) for item in entries)}</Ntfctn></BkToCstmrDbtCdtNtfctn>"
    )
    return envelope(CAMT054, identifier, LEDGER_BIC, OWN_BANK.bic11, at, body)


def _account(account: Account) -> str:
    return (
        f"<Acct><Id><IBAN>{account.iban}</IBAN></Id><Ccy>{account.currency}</Ccy>"
        f"<Ownr><Nm>{xml.text(account.party.legal_name)}</Nm></Ownr>{xml.agent('Svcr', LEDGER_BIC)}</Acct>"
    )


def _balance(code: str, amount: Decimal, account: Account, day: str) -> str:
    sign = "CRDT" if amount >= 0 else "DBIT"
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{xml.money('Amt', abs(amount), account.currency)}"
        f"<CdtDbtInd>{sign}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def _summary(entries: Sequence[Entry], account: Account) -> str:
    parts = ""
    for tag, direction in (("TtlCdtNtries", "CRDT"), ("TtlDbtNtries", "DBIT")):
        chosen = [item.amount for item in entries if item.credit_debit == direction]
        total = xml.plain(sum(chosen, Decimal(0)), account.currency)
        parts += f"<{tag}><NbOfNtries>{len(chosen)}</NbOfNtries><Sum>{total}</Sum></{tag}>"
    return f"<TxsSummry><TtlNtries><NbOfNtries>{len(entries)}</NbOfNtries></TtlNtries>{parts}</TxsSummry>"


def _entry(entry: Entry, account: Account) -> str:
    amount = xml.money("Amt", entry.amount, account.currency)
    code = "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd><SubFmlyCd>XBCT</SubFmlyCd></Fmly></Domn></BkTxCd>"
    reversal = "<RvslInd>true</RvslInd>" if entry.reversal else ""
    return (
        f"<Ntry><NtryRef>{entry.entry_ref}</NtryRef>{amount}<CdtDbtInd>{entry.credit_debit}</CdtDbtInd>{reversal}"
        f"<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{entry.booking_date}</Dt></BookgDt><ValDt><Dt>{entry.value_date}</Dt></ValDt>"
        f"<AcctSvcrRef>{entry.entry_ref}</AcctSvcrRef>{code}{_details(entry, amount)}</Ntry>\n"
    )


def _details(entry: Entry, amount: str) -> str:
    payment = entry.payment
    if payment is None:
        return "<AddtlNtryInf>ACCOUNT FEE</AddtlNtryInf>"
    return (
        f"<NtryDtls><TxDtls><Refs><AcctSvcrRef>{entry.entry_ref}</AcctSvcrRef><InstrId>{payment.instruction_id}</InstrId>"
        f"<EndToEndId>{payment.end_to_end_id}</EndToEndId><UETR>{payment.uetr}</UETR></Refs>{amount}"
        f"<CdtDbtInd>{entry.credit_debit}</CdtDbtInd>{xml.remittance(payment)}</TxDtls></NtryDtls>"
    )
