"""What to do about a finding that bars a message, by its code."""

from __future__ import annotations

_REMEDIES = {
    "empty": "ask the sender for the content",
    "unknown_format": "give it as ISO 20022 XML, SWIFT FIN, Bacs Standard 18, or CSV with a manifest",
    "too_large": "split the file",
    "xml": "the sender has to mend the XML",
    "encoding": "save it in the encoding that its first line declares",
    "dtd": "remove the DOCTYPE: no ISO 20022 message has one",
    "xinclude": "put the content in place of the include",
    "no_document": "an ISO 20022 message has a Document element",
    "namespace": "the Document's xmlns has to name the message, as in urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08",
    "empty_document": "ask the sender for the content",
    "missing_identity": "the sender has to give the message an id",
    "missing_field": "the sender has to give it",
    "missing_status": "the sender has to give it",
    "missing_account": "the sender has to name the account",
    "missing_label": "ask for the whole file",
    "amount": "digits, one decimal point (FIN: one comma), at most 18 digits and 5 decimals, with a currency of three letters",
    "date": "a day of the calendar in the standard's form",
    "direction": "CRDT or DBIT",
    "balance": "a balance is C or D, YYMMDD, currency, amount",
    "statement_line": "see the standard's form of field 61",
    "missing_currency": "the statement needs a balance with a currency",
    "fin_blocks": "ask for the whole message, blocks 1 to 5",
    "fin_header": "ask for the whole message, blocks 1 to 5",
    "fin_fields": "see the standard's form of the message",
    "fin_ack": "451 is 0 or 1",
    "record_length": "a data record has 100 or 106 characters",
    "record": "digits where Standard 18 has digits",
    "transaction_code": "99, 01, 17, 18, 19, Z4, Z5, 0N, 0C or 0S",
    "currency": "00 is sterling",
    "no_manifest": "write FILE.manifest.json with rows, sums and sha256",
    "manifest": "a JSON object with rows, sums by currency and sha256",
    "control_total": "ask the sender which is right",
    "csv": "quote what holds a delimiter, a quote or a line end",
    "columns": "as many cells as the header has",
    "missing_column": "name the columns, or map them in the manifest's columns",
    "schema": "the sender has to follow the schema",
    "too_many_findings": "mend those that are listed first",
    "archive": "pack it again",
    "archive_bomb": "unpack it yourself if you trust it",
    "archive_depth": "unpack it first",
    "archive_member": "pack the file itself",
    "unreadable": "look at its permissions",
    "no_report": "ask the sender for the content",
}


def remedy(code: str) -> str:
    """Empty where there is nothing to say."""
    return _REMEDIES.get(code, "")
