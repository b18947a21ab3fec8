"""`cutwater payments`: what a user sees, by the JSON contract and the exit codes."""

from __future__ import annotations

import gzip
import io
import json
import sys
import tarfile
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from cutwater.cli import payments_text
from cutwater.cli.main import main
from cutwater.commands import payments_sources
from payments.formats import base, fin, mx
from payments.model import Finding

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "payments"))
import payments_samples as samples

EVENT = {
    "kind", "event_key", "uetr", "end_to_end_id", "instruction_id", "transaction_id", "message_id", "amount", "currency",
    "instructed_amount", "instructed_currency", "settlement_date", "debtor_name", "debtor_account", "debtor_agent",
    "creditor_name", "creditor_account", "creditor_agent", "status", "reason", "charges_bearer", "remittance",
}  # fmt: skip
NOTE = "{4:\n:20:N\n-}"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(["payments", *words])
    code = stopped.value.code
    told = capsys.readouterr()
    return (int(code) if code is not None else 0), told.out, told.err


def parsed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[dict[str, Any]]]:
    code, out, _ = run(capsys, "parse", *words, "--output", "json")
    return code, [json.loads(line) for line in out.splitlines()]


def test_one_object_a_message_with_the_fields_of_the_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.xml"
    file.write_bytes(samples.pacs008())
    code, (found,) = parsed(capsys, str(file))
    assert code == 0
    assert found["schema"] == "cutwater.payments.parse/1"
    assert found["source"] == {
        "path": str(file), "index": 0, "offset": 0, "sha256": sha256(samples.pacs008()).hexdigest(),
    }  # fmt: skip
    assert (found["format"], found["type"], found["status"]) == ("mx", "pacs.008.001.08", "ok")
    assert (found["statements"], found["findings"]) == ([], [])
    (event,) = found["events"]
    assert {name for name in event if not name.startswith("original_")} == EVENT
    assert (event["amount"], event["currency"], event["settlement_date"]) == ("100.50", "EUR", "2026-11-24")
    assert (event["uetr"], event["message_id"]) == (samples.UETR, "MSG1")


def test_statements_with_their_entries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.fin").write_bytes(samples.MT940)
    (tmp_path / "b.xml").write_bytes(samples.camt053(samples.entry(reference="R1") + samples.entry()))
    code, (swift, iso) = parsed(capsys, str(tmp_path))
    assert code == 0
    (page,) = swift["statements"]
    assert {name: page[name] for name in ("account", "sequence", "page", "currency")} == {
        "account": "GB82WEST12345698765432", "sequence": "12", "page": "2", "currency": "EUR",
    }  # fmt: skip
    assert (page["opening_balance"], page["closing_balance"]) == ("100", "112.50")
    assert [item["direction"] for item in page["entries"]] == ["CRDT", "DBIT", "DBIT", "CRDT"]
    assert page["entries"][3]["reversal"] is True
    (statement,) = iso["statements"]
    assert (statement["opening_balance"], statement["closing_balance"]) == ("100.00", "130.00")
    assert statement["entries"][0] == {
        "amount": "15.00", "currency": "EUR", "direction": "CRDT", "reversal": False, "booking_date": "2026-11-23",
        "value_date": "2026-11-23", "status": "BOOK", "references": {"AcctSvcrRef": "R1"},
    }  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"hello", b"<a>", b"\x00" * 9000, NOTE.encode(), b"PK\x05\x06" + b"\0" * 18])
def test_a_file_with_no_message_is_one_rejected_object(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(content)
    code, (found,) = parsed(capsys, str(tmp_path / "file"))
    assert (code, found["status"], found["events"]) == (4, "rejected", [])
    assert all(item["path"] and item["message"] for item in found["findings"])
    assert found["findings"][0]["severity"] == "error"


def test_one_rejection_among_others_is_exit_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.fin").write_bytes(samples.mt103("A") + b"$" + samples.mt103("B", amount="1.000,00"))
    code, found = parsed(capsys, str(tmp_path))
    assert (code, [item["status"] for item in found]) == (4, ["ok", "rejected"])
    assert [item["source"]["index"] for item in found] == [0, 1]
    assert found[1]["source"]["offset"] == len(samples.mt103("A")) + 1


def test_no_such_path(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "parse", "nowhere/at/all")
    assert (code, out) == (4, "")
    assert "CW2214" in err


def test_two_documents_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "two.xml").write_bytes(samples.pacs008() + b"\n" + samples.pacs002())
    code, found = parsed(capsys, str(tmp_path))
    assert (code, [item["type"] for item in found]) == (0, ["pacs.008.001.08", "pacs.002.001.10"])
    assert [item["source"]["offset"] for item in found] == [0, len(samples.pacs008()) + 1]


def archives() -> dict[str, bytes]:
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/a.xml", samples.pacs008())
        archive.writestr("b.fin", samples.mt103())
    with tarfile.open(fileobj=tarred, mode="w:gz") as archive:
        for name, content in (("a.xml", samples.pacs008()), ("b.fin", samples.mt103())):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return {"a.zip": zipped.getvalue(), "a.tar.gz": tarred.getvalue()}


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_archives(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_bytes(archives()[name])
    (tmp_path / "c.gz").write_bytes(gzip.compress(samples.pacs002()))
    code, found = parsed(capsys, str(tmp_path))
    assert (code, sorted(item["type"] for item in found)) == (0, ["MT103", "pacs.002.001.10", "pacs.008.001.08"])
    member = next(item for item in found if item["type"] == "MT103")
    assert member["source"]["path"] == f"{tmp_path / name}!/b.fin"
    assert member["source"]["sha256"] == sha256(samples.mt103()).hexdigest()


def test_bombs_are_bounded(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payments_sources, "FREE", 1 << 20)
    bomb = gzip.compress(b"\x00" * (20 << 20))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", b"\x00" * (20 << 20))
    for name, content in (("a.gz", bomb), ("b.zip", zipped.getvalue()), ("c.gz", gzip.compress(bomb))):
        (tmp_path / name).write_bytes(content)
    code, found = parsed(capsys, str(tmp_path))
    assert code == 4
    assert [item["findings"][0]["code"] for item in found] == ["archive_bomb"] * 3


def test_torn_archives_and_archives_in_archives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "torn.zip").write_bytes(archives()["a.zip"][:100])
    (tmp_path / "torn.gz").write_bytes(gzip.compress(samples.mt103() * 50)[:-30])
    content = samples.mt103()
    for _ in range(5):
        content = gzip.compress(content)
    (tmp_path / "deep.gz").write_bytes(content)
    code, found = parsed(capsys, str(tmp_path))
    assert code == 4
    assert {item["findings"][0]["code"] for item in found} == {"archive", "archive_depth"}


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_members_of_one_name_are_all_read_and_a_torn_archive_has_its_hash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x.xml", samples.pacs008(amount="1.00"))
        archive.writestr("x.xml", samples.pacs008(amount="2.00"))
    code, found = parsed(capsys, str(tmp_path / "a.zip"))
    assert (code, [item["events"][0]["amount"] for item in found]) == (0, ["1.00", "2.00"])
    torn = (tmp_path / "a.zip").read_bytes()[:-30]
    (tmp_path / "b.zip").write_bytes(torn)
    code, (rejected,) = parsed(capsys, str(tmp_path / "b.zip"))
    assert (code, rejected["source"]["sha256"]) == (4, sha256(torn).hexdigest())


def test_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(samples.mt103())))
    code, (found,) = parsed(capsys, "-")
    assert (code, found["source"]["path"], found["type"]) == (0, "-", "MT103")


def test_names_and_accounts_are_masked_unless_revealed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.fin").write_bytes(samples.mt103())
    (tmp_path / "b.fin").write_bytes(samples.MT940)
    hidden = ("HARBOUR", "MUSTER", "GB82WEST12345698765432", "DE89370400440532013000")
    _, out, err = run(capsys, "parse", str(tmp_path))
    assert not [text for text in hidden if text in out + err]
    assert max(map(len, out.splitlines())) <= 100
    _, out, _ = run(capsys, "parse", str(tmp_path), "--reveal")
    assert "HARBOUR" in out


def test_a_large_message_in_parts_says_what_it_says_as_a_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = "".join(samples.entry(reference=f"R{number}", amount="0.01") for number in range(3000))
    (tmp_path / "a.xml").write_bytes(samples.camt053(entries))
    (tmp_path / "b.xml").write_bytes(samples.pain001(stated="9"))
    (tmp_path / "c.xml").write_bytes(samples.pacs002())
    (tmp_path / "d.xml").write_bytes(samples.camt053("") + b"<!-- the end -->")
    whole = parsed(capsys, str(tmp_path))
    monkeypatch.setattr(mx, "TREE", 16)
    assert parsed(capsys, str(tmp_path)) == whole


@pytest.mark.parametrize(
    ("tail", "code"),
    [
        (b"", "xml"),
        (b"<a>&nothing;</a></PmtInf></CstmrCdtTrfInitn></Document>", "xml"),
        (
            b'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="a"/></PmtInf></CstmrCdtTrfInitn></Document>',
            "xinclude",
        ),
        (b"\xff</PmtInf></CstmrCdtTrfInitn></Document>", "encoding"),
    ],
)
@pytest.mark.parametrize("tree", [16, 8 << 20])
def test_what_breaks_late_is_rejected_in_trees_and_in_streams(
    tail: bytes,
    code: str,
    tree: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mx, "TREE", tree)
    content = samples.pain001()
    (tmp_path / "a.xml").write_bytes(content[: content.rindex(b"</PmtInf>")] + tail)
    exit_code, (found,) = parsed(capsys, str(tmp_path))
    assert (exit_code, found["status"]) == (4, "rejected")
    assert code in [item["code"] for item in found["findings"]]


def test_csv_with_its_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = b"reference,amount,currency,date,creditor_name\nR1,10.50,EUR,2026-11-24,M Muster\nR2,5,EUR,2026-11-24,A\n"
    (tmp_path / "a.csv").write_bytes(content)
    told = {"id": "F1", "rows": 2, "sums": {"EUR": "15.50"}, "sha256": sha256(content).hexdigest()}
    (tmp_path / "a.csv.manifest.json").write_text(json.dumps(told))
    code, (found,) = parsed(capsys, str(tmp_path))
    assert (code, found["format"], found["type"], found["status"]) == (0, "file", "csv", "ok")
    assert [item["amount"] for item in found["events"]] == ["10.50", "5"]
    renamed = content.replace(b"reference", b"order")
    (tmp_path / "a.csv").write_bytes(renamed)
    told |= {"columns": {"instruction_id": "order"}, "sha256": sha256(renamed).hexdigest()}
    (tmp_path / "a.csv.manifest.json").write_text(json.dumps(told))
    code, (found,) = parsed(capsys, str(tmp_path))
    assert (code, [item["instruction_id"] for item in found["events"]]) == (0, ["R1", "R2"])
    (tmp_path / "a.csv.manifest.json").unlink()
    code, (found,) = parsed(capsys, str(tmp_path))
    assert (code, found["findings"][0]["code"]) == (4, "no_manifest")


def test_bacs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").write_bytes(samples.bacs())
    code, (found,) = parsed(capsys, str(tmp_path))
    assert (code, found["format"], found["type"], found["status"]) == (0, "file", "bacs18", "ok")
    assert [item["creditor_name"] for item in found["events"]] == ["M MUSTER", "M MUSTER"]


def test_totals_and_checks_between_messages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.xml").write_bytes(samples.pain001(total="31"))
    (tmp_path / "b.fin").write_bytes(samples.mt103("A"))
    (tmp_path / "c.fin").write_bytes(samples.mt103("A", amount="9,"))
    code, out, _ = run(capsys, "totals", str(tmp_path), "--output", "json")
    told = json.loads(out)
    assert code == 0
    assert told["schema"] == "cutwater.payments.totals/1"
    sums = {(item["type"], item["currency"]): (item["count"], item["sum"]) for item in told["totals"]}
    assert sums["MT103", "EUR"] == (2, "1243.5")
    assert [item["code"] for item in told["differences"]] == ["control_total"]
    code, out, _ = run(capsys, "validate", str(tmp_path), "--output", "json")
    told = json.loads(out)
    assert code == 0
    assert {item["code"] for item in told["between"]} == {"conflict", "sequence_repeat"}
    assert run(capsys, "totals", str(tmp_path))[0] == run(capsys, "validate", str(tmp_path))[0] == 0


def test_a_timeline_over_channels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.fin").write_bytes(samples.mt103())
    (tmp_path / "b.zip").write_bytes(archives()["a.zip"])
    (tmp_path / "c.xml").write_bytes(samples.pacs002("ACSC"))
    code, out, _ = run(capsys, "timeline", samples.UETR, str(tmp_path), "--output", "json")
    told = json.loads(out)
    assert code == 0
    assert {item["step"] for item in told["history"]} == {"sent", "status"}
    assert told["status"] == "ACSC"
    code, _, err = run(capsys, "timeline", "11111111-2222-4333-8444-555555555555", str(tmp_path))
    assert code == 4
    assert "CW2213" in err


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Element 'Nm': [facet 'maxLength'] The value 'Zoe O'Hara' has a length of '10'.", "has a length of '10'."),
        ("Element 'Nm': 'Zoe O'Hara' is not a valid value of 'T'.", "is not a valid value of 'T'."),
        ("Element 'Nm': [facet 'pattern'] The value 'Zoe O'Hara and so on", "The value '***'"),
    ],
)
def test_what_a_schema_quotes_is_masked_whatever_its_quotation_marks(said: str, shown: str) -> None:
    found = payments_text._words(Finding("error", "schema", "Nm", said))
    assert "Hara" not in found
    assert "Zoe" not in found
    assert found.startswith("Element 'Nm': ")
    assert found.endswith(shown)


def test_each_payment_of_a_batch_entry_has_its_booking_in_its_timeline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Many banks repeat the entry's own reference in each detail: it ties nothing together."""
    other = "11111111-2222-4333-8444-555555555555"

    def detail(uetr: str, amount: str) -> str:
        return (
            f"<TxDtls><Refs><AcctSvcrRef>B1</AcctSvcrRef><EndToEndId>E{amount}</EndToEndId><UETR>{uetr}</UETR></Refs>"
            f'<Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd></TxDtls>'
        )

    details = f"<NtryDtls>{detail(samples.UETR, '10.00')}{detail(other, '5.00')}</NtryDtls>"
    (tmp_path / "a.xml").write_bytes(samples.pacs008(amount="10.00"))
    (tmp_path / "b.xml").write_bytes(samples.camt053(samples.entry(reference="B1", details=details), closing="115.00"))
    for uetr, steps, amount in ((samples.UETR, {"sent", "booked"}, "10.00"), (other, {"booked"}, "5.00")):
        code, out, _ = run(capsys, "timeline", uetr, str(tmp_path), "--output", "json")
        told = json.loads(out)
        assert code == 0
        assert {item["step"] for item in told["history"]} == steps
        assert [item["amount"] for item in told["history"] if item["step"] == "booked"] == [amount]


def test_schemas_of_the_users(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = (
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:iso:std:iso:20022:tech:xsd:pacs.002.001.10"'
        ' elementFormDefault="qualified"><xs:element name="Document"><xs:complexType><xs:sequence><xs:element name="Other"/>'
        "</xs:sequence></xs:complexType></xs:element></xs:schema>"
    )
    (tmp_path / "xsd").mkdir()
    (tmp_path / "xsd" / "pacs.002.001.10.xsd").write_text(schema)
    (tmp_path / "a.xml").write_bytes(samples.pacs002())
    words = (str(tmp_path / "a.xml"), "--schemas", str(tmp_path / "xsd"))
    code, (found,) = parsed(capsys, *words)
    assert code == 4
    assert [(item["code"], item["path"]) for item in found["findings"]] == [("schema", "FIToFIPmtStsRpt")]
    monkeypatch.setattr(base, "MAX_BYTES", 64)
    code, (found,) = parsed(capsys, *words)
    assert (code, [item["code"] for item in found["findings"]]) == (0, ["not_validated"])
    code, _, err = run(capsys, "parse", str(tmp_path / "a.xml"), "--schemas", str(tmp_path / "nowhere"))
    assert code == 4
    assert "CW2215" in err


def test_envelopes_of_any_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = samples.pacs008().decode().partition("?>")[2]
    document = content[content.index("<Document") : content.index("</Document>") + 11]
    soap = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header/><s:Body>{}</s:Body></s:Envelope>'
    (tmp_path / "a.xml").write_text(soap.format(document))
    (tmp_path / "b.xml").write_text(f'<m:Message xmlns:m="urn:bank">{content}{content}</m:Message>')
    (tmp_path / "c.xml").write_text(f"<Message><Payload><![CDATA[{document}]]></Payload></Message>")
    prefixed = document.replace("<", "<p:").replace("<p:/", "</p:").replace("xmlns=", "xmlns:p=")
    (tmp_path / "d.xml").write_text(prefixed)
    code, found = parsed(capsys, str(tmp_path))
    assert code == 0
    assert [item["type"] for item in found] == ["pacs.008.001.08"] * 5
    assert {item["events"][0]["amount"] for item in found} == {"100.50"}
    assert found[1]["source"]["index"] == 0 < found[2]["source"]["index"]
    assert found[1]["source"]["offset"] < found[2]["source"]["offset"]


def test_large_batches_are_read_piece_by_piece(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.fin").write_bytes(b"$".join(samples.mt103(f"R{number}") for number in range(50)))
    (tmp_path / "b.bacs").write_bytes(samples.bacs(records=2500, stated=2500))
    (tmp_path / "c.fin").write_bytes(
        b"".join(b":20:A\r\n:25:1\r\n:60F:C261123EUR1,\r\n:62F:C261123EUR1,\r\n" for _ in range(40))
    )
    whole = parsed(capsys, str(tmp_path))
    monkeypatch.setattr(fin, "PIECE", 700)
    assert parsed(capsys, str(tmp_path)) == whole
    assert len(whole[1]) == 91
    assert len(whole[1][50]["events"]) == 2500


def test_an_mt_and_an_mx_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.fin").write_bytes(samples.mt103("INSTR1", amount="100,5", uetr=samples.UETR))
    (tmp_path / "b.xml").write_bytes(samples.pacs008())
    words = ("equate", str(tmp_path / "a.fin"), str(tmp_path / "b.xml"))
    code, out, _ = run(capsys, *words, "--output", "json")
    told = json.loads(out)
    places = {item["mt"]["path"]: item["class"] for item in told["fields"] if item["mt"]}
    assert told["schema"] == "cutwater.payments.equate/1"
    assert (places["{3:{121:}}"], places[":32A:amount"], places[":20:reference"]) == ("exact", "exact", "exact")
    assert code == (3 if told["counts"]["unexplained"] else 0)
    _, out, err = run(capsys, *words, "--all")
    assert not [text for text in ("HARBOUR", "MUSTER", "GB82WEST12345698765432") if text in out + err]
    code, _, err = run(capsys, "equate", str(tmp_path / "b.xml"), str(tmp_path / "a.fin"))
    assert code == 4
    assert "CW2211" in err


def test_other_messages_are_kept_by_their_identity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = "<CdtrPmtActvtnReqStsRpt><GrpHdr><MsgId>X1</MsgId></GrpHdr><Other>said</Other></CdtrPmtActvtnReqStsRpt>"
    (tmp_path / "a.xml").write_text(f'<Document xmlns="{samples.URN}pain.014.001.07">{body}</Document>')
    (tmp_path / "b.fin").write_bytes(samples.fin("I300BANKDEFFXXXXN", ":15A:\n:20:FX1\n:22A:NEWT"))
    code, (iso, swift) = parsed(capsys, str(tmp_path), "--full")
    assert code == 0
    assert (iso["type"], iso["status"], iso["events"]) == ("pain.014.001.07", "findings", [])
    assert (iso["message_id"], iso["extra"]["Other"]) == ("X1", "said")
    assert (swift["type"], swift["message_id"], swift["extra"][":22A:"]) == ("MT300", "FX1", "NEWT")


def test_conflicts_are_told_without_account_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    statement = ":20:A\n:25:55779911\n:28C:1\n:60F:C261123EUR1,\n:61:261123C{},NTRFNONREF//S1\n:62F:C261123EUR2,\n"
    for name, amount in (("a", "1"), ("b", "2")):
        (tmp_path / f"{name}.sta").write_text(statement.format(amount))
    (tmp_path / "c.fin").write_bytes(samples.mt103("A") + b"$" + samples.mt103("A", amount="9,"))
    _, out, _ = run(capsys, "validate", str(tmp_path))
    assert "conflict" in out
    assert "55779911" not in out
    code, out, _ = run(capsys, "timeline", samples.UETR, str(tmp_path))
    assert code == 0
    assert "came with two contents" in out
