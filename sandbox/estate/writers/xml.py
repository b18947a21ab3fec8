"""What the ISO 20022 writers share: escaping, amounts, parties, accounts, agents."""

from __future__ import annotations

import html
from datetime import datetime
from decimal import Decimal

from cutwater.core.money import minor_units
from sandbox.estate.model import Account, Payment

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def text(value: str) -> str:
    """Element content, escaped."""
    return html.escape(value, quote=False)


def plain(amount: Decimal, currency: str) -> str:
    """An amount with the minor units of its currency, no exponent."""
    return f"{amount:.{minor_units(currency)}f}"


def money(tag: str, amount: Decimal, currency: str) -> str:
    """`<tag Ccy="EUR">12.30</tag>`."""
    return f'<{tag} Ccy="{currency}">{plain(amount, currency)}</{tag}>'


def instant(at: datetime) -> str:
    """An ISO date and time in UTC with milliseconds."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def party(tag: str, account: Account) -> str:
    """The account's holder with a postal address."""
    holder = account.party
    address = f"<PstlAdr><StrtNm>{text(holder.street)}</StrtNm><TwnNm>Harbourton</TwnNm><Ctry>{holder.country}</Ctry></PstlAdr>"
    return f"<{tag}><Nm>{text(holder.legal_name)}</Nm>{address}</{tag}>"


def account(tag: str, value: Account) -> str:
    """The account by its IBAN, with its currency."""
    return f"<{tag}><Id><IBAN>{value.iban}</IBAN></Id><Ccy>{value.currency}</Ccy></{tag}>"


def agent(tag: str, bic: str) -> str:
    """A bank by its BIC (BICFI since pain.001.001.08 and pacs.008.001.07)."""
    return f"<{tag}><FinInstnId><BICFI>{bic}</BICFI></FinInstnId></{tag}>"


def remittance(payment: Payment) -> str:
    """Unstructured remittance: the first 140 characters, which is what one `Ustrd` holds."""
    return f"<RmtInf><Ustrd>{text(payment.remittance[:140])}</Ustrd></RmtInf>" if payment.remittance else ""


def payment_id(payment: Payment) -> str:
    """The identifiers of a payment in pain.001 and pacs.008."""
    return (
        f"<PmtId><InstrId>{payment.instruction_id}</InstrId><EndToEndId>{payment.end_to_end_id}</EndToEndId>"
        f"<UETR>{payment.uetr}</UETR></PmtId>"
    )
