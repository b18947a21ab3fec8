"""Every version of every family, by its official schema: what the elements say is what the event says.

The oracle looks elements up by their names alone, wherever they stand; it knows nothing of the maps that are under test.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from xsd_samples import Maker

from cutwater.commands.payments_json import event_body
from payments.iso20022.families import FAMILIES
from payments.registry import parse

FOLDER = Path(os.environ.get("CUTWATER_XSD_DIR", Path(__file__).resolve().parents[3] / "shared" / "iso20022" / "xsd"))
SCHEMAS = sorted(
    path
    for path in FOLDER.glob("*.xsd")
    if path.name[:8] in FAMILIES and path.name.split(".")[3] != "01" and path.name.split(".")[2] == "001"
)
ORIGINAL = {
    "original_end_to_end_id": "OrgnlEndToEndId",
    "original_instruction_id": "OrgnlInstrId",
    "original_transaction_id": "OrgnlTxId",
    "original_uetr": "OrgnlUETR",
    "uetr": "OrgnlUETR",
    "end_to_end_id": "OrgnlEndToEndId",
    "debtor_name": "OrgnlTxRef/Dbtr//Nm",
    "creditor_account": "OrgnlTxRef//CdtrAcct//Id//IBAN",
}
PAYMENT = {
    "instruction_id": "PmtId/InstrId",
    "end_to_end_id": "PmtId/EndToEndId",
    "uetr": "PmtId/UETR",
    "debtor_account": "DbtrAcct/Id/IBAN",
    "creditor_account": "CdtrAcct/Id/IBAN",
    "charges_bearer": "ChrgBr",
    "remittance": "RmtInf/Ustrd",
}
BETWEEN = {**PAYMENT, "transaction_id": "PmtId/TxId", "amount": "IntrBkSttlmAmt", "settlement_date": "IntrBkSttlmDt"}
ENTRY = {
    "amount": "Amt",
    "uetr": "Refs/UETR",
    "end_to_end_id": "Refs/EndToEndId",
    "remittance": "RmtInf/Ustrd",
    "debtor_name": "RltdPties/Dbtr//Nm",
}
EXPECTED: dict[str, tuple[str, dict[str, str]]] = {
    "pain.001": ("CdtTrfTxInf", {**PAYMENT, "amount": "InstdAmt", "creditor_name": "Cdtr/Nm"}),
    "pain.008": ("DrctDbtTxInf", {**PAYMENT, "amount": "InstdAmt", "debtor_name": "Dbtr/Nm"}),
    "pacs.008": ("CdtTrfTxInf", {**BETWEEN, "debtor_name": "Dbtr/Nm", "creditor_name": "Cdtr/Nm", "instructed_amount": "InstdAmt"}),
    "pacs.009": ("CdtTrfTxInf", {name: path for name, path in BETWEEN.items() if name not in ("remittance", "charges_bearer")}),
    "pacs.002": ("TxInfAndSts", {**ORIGINAL, "status": "TxSts", "reason": "StsRsnInf/Rsn/Cd"}),
    "pain.002": ("TxInfAndSts", {**ORIGINAL, "status": "TxSts", "reason": "StsRsnInf/Rsn/Cd"}),
    "pacs.004": ("TxInf", {**ORIGINAL, "amount": "RtrdIntrBkSttlmAmt", "original_amount": "OrgnlIntrBkSttlmAmt", "reason": "RtrRsnInf/Rsn/Cd"}),
    "pacs.007": ("TxInf", {**ORIGINAL, "amount": "RvsdIntrBkSttlmAmt", "reason": "RvslRsnInf/Rsn/Cd"}),
    "pacs.028": ("TxInf", ORIGINAL),
    "camt.056": ("TxInf", {**ORIGINAL, "reason": "CxlRsnInf/Rsn/Cd", "original_amount": "OrgnlIntrBkSttlmAmt"}),
    "camt.055": ("TxInf", {**ORIGINAL, "reason": "CxlRsnInf/Rsn/Cd", "original_amount": "OrgnlInstdAmt"}),
    "camt.029": ("TxInfAndSts", {**ORIGINAL, "status": "TxCxlSts"}),
    "camt.052": ("Ntry", ENTRY),
    "camt.053": ("Ntry", ENTRY),
    "camt.054": ("Ntry", ENTRY),
}  # fmt: skip


def told(element: Any, path: str) -> str | None:
    """The first element at `path`; `//` goes any way down, `/` one step."""
    steps = "".join(f"/*[local-name()='{step}']" if step else "/" for step in path.split("/"))
    found = element.xpath(f".//{steps[1:]}" if "/" in path else f".{steps}")
    return (found[0].text or None) if found else None


@pytest.mark.skipif(not SCHEMAS, reason="the official schemas are not at hand (CUTWATER_XSD_DIR)")
@pytest.mark.parametrize("alternative", [0, 1, 2])
@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.stem)
def test_what_the_elements_say_is_what_the_event_says(schema: Path, alternative: int) -> None:
    payload = Maker(schema, alternative).message()
    parsed = parse(payload)
    family = schema.name[:8]
    assert (parsed.type, parsed.form, parsed.accepted) == (schema.stem, "mx", True)
    name, fields = EXPECTED[family]
    elements = etree.fromstring(payload).xpath(f"//*[local-name()='{name}']")
    assert len(parsed.events) == len(elements)
    for element, event in zip(elements, parsed.events, strict=True):
        body = event_body(event)
        for field, path in fields.items():
            expected = told(element, path)
            assert expected is None or body[field] == expected.replace(" ", ""), (field, path)
    if family in ("camt.052", "camt.053", "camt.054"):
        (statement,) = parsed.statements
        assert len(statement.entries) == len(elements)


CORPUS = Path(os.environ.get("CUTWATER_CORPUS", Path(__file__).resolve().parents[3] / "shared" / "corpus"))


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the public sample corpus is not beside this checkout")
def test_the_corpus_says_by_its_elements_what_its_events_say(capsys: pytest.CaptureFixture[str]) -> None:
    with (CORPUS / "MANIFEST.tsv").open(encoding="utf-8") as source:
        rows = list(csv.DictReader(source, delimiter="\t", quoting=csv.QUOTE_NONE))
    agreed, files, differing = 0, 0, []
    for row in rows:
        if row["type"] not in EXPECTED or row["xsd_check"] != "valid":
            continue
        payload = (CORPUS / row["path"]).read_bytes()
        parsed, (name, fields) = parse(payload), EXPECTED[row["type"]]
        elements = etree.fromstring(payload.lstrip()).xpath(f"//*[local-name()='Document']//*[local-name()='{name}']")
        # What speaks of a whole group or batch has its place as its ordinal.
        events = [item for item in parsed.events if item.ordinal != "group" and "[" not in item.ordinal]
        assert (len(events), parsed.accepted) == (len(elements), True), row["path"]
        files += 1
        for element, event in zip(elements, events, strict=True):
            body = event_body(event)
            several = len(element.xpath(".//*[local-name()='TxDtls']")) > 1
            for field, path in fields.items():
                expected = told(element, path)
                if expected is None or (several and field != "amount"):
                    continue  # an entry of several transactions is none of them
                same = _plain(body[field]) == _plain(expected)
                agreed += same
                if not same:
                    differing.append((row["path"], field, path))
    with capsys.disabled():
        print(f"\n{files} XSD-valid messages: {agreed} fields agree with their elements, {len(differing)} do not")
    assert differing == []


def _plain(text: str | None) -> str:
    """Blanks within accounts, the case of UETRs and lines of one remittance are form."""
    return "".join((text or "").split("\n", 1)[0].split()).lower()
