"""The payments language: our rates beside bare lxml and mt-940, each in the same run on the same messages, one core."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from lxml import etree

from bench.report import Section
from payments.fin import parse_messages
from payments.formats.base import Options
from payments.registry import parse, read

URN = "urn:iso:std:iso:20022:tech:xsd:"
PACS = f"{{{URN}pacs.008.001.08}}"
PAIN = f"{{{URN}pain.001.001.09}}"
LOOKUPS = (
    "PmtId/InstrId", "PmtId/EndToEndId", "PmtId/UETR", "IntrBkSttlmAmt", "IntrBkSttlmDt", "ChrgBr", "Dbtr/Nm", "Cdtr/Nm",
    "DbtrAgt/FinInstnId/BICFI", "CdtrAgt/FinInstnId/BICFI",
)  # fmt: skip
_PATHS = [f"{PACS}" + path.replace("/", f"/{PACS}") for path in LOOKUPS]


def bench(rows: int) -> Section:
    """rows: transactions of the large bulk file; the small one has a tenth."""
    lines = [_single(), *_bulk(max(rows // 10, 1000)), _flat(max(rows // 10, 1000), rows), _mt103(), _lines(), _folds()]
    return Section(
        "Payments language",
        "Messages of this bench's own. Ours: bytes to canonical events with their keys; content hashes are made when asked for. "
        "One process, processor time, the best of several goes.",
        ("what", "ours", "beside it", "ratio", "limit"),
        tuple(lines),
        ("Ratios below their limit are printed as they are.",),
    )


def _rate(work: Callable[[], int], seconds: float = 2.0) -> float:
    """The best of several goes: what else runs on the machine only ever makes it slower."""
    best, begun = 0.0, time.monotonic()
    while time.monotonic() - begun < seconds:
        at = time.process_time()
        count = work()
        best = max(best, count / max(time.process_time() - at, 1e-9))
    return best


def _row(what: str, ours: float, other: float, beside: str, limit: str, unit: str = "/s") -> tuple[str, ...]:
    ratio = f"{ours / other:.0%}" if other else ""
    return (what, f"{ours:,.0f} {unit}", f"{other:,.0f} {unit} {beside}" if other else beside, ratio, limit)


def _single() -> tuple[str, ...]:
    payload = pacs008()

    def bare() -> int:
        for _ in range(100):
            found = etree.fromstring(payload).find(f".//{PACS}CdtTrfTxInf")
            [found.findtext(path) for path in _PATHS]
        return 100

    def ours() -> int:
        for _ in range(100):
            parse(payload)
        return 100

    limit = "at least 40%"
    return _row(f"pacs.008 of {len(payload):,} bytes", _rate(ours), _rate(bare), "bare lxml, 10 look-ups", limit)


def _bulk(count: int) -> list[tuple[str, ...]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bulk.xml"
        pain001(path, count)

        def bare() -> int:
            number = 0
            for _, element in etree.iterparse(str(path), tag=f"{PAIN}CdtTrfTxInf"):
                number += 1
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
            return number

        def ours() -> int:
            with path.open("rb") as source:
                return sum(len(item.events) for item in read(source, Options()))

        row = _row(
            f"pain.001 of {count:,} transactions", _rate(ours), _rate(bare), "bare lxml iterparse", "at least 60%"
        )
    return [row]


_CHILD = """
import sys
from payments.formats.base import Options
from payments.registry import read
with open(sys.argv[1], "rb") as source:
    count = sum(len(item.events) for item in read(source, Options()))
with open("/proc/self/status") as status:  # not getrusage: a child begins with its parent's peak
    peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
print(count, peak)
"""


def _flat(small: int, large: int) -> tuple[str, ...]:
    """Peak memory of a process that reads the small file, and of one that reads the large."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for count in (small, large):
            path = Path(folder) / f"{count}.xml"
            pain001(path, count)
            done = subprocess.run([sys.executable, "-c", _CHILD, str(path)], capture_output=True, text=True, check=True)
            found.append(int(done.stdout.split()[1]) / 1024)
            path.unlink()
    what = f"peak memory, {large:,} transactions"
    return (what, f"{found[1]:,.0f} MiB", f"{found[0]:,.0f} MiB at {small:,}", f"{found[1] / found[0]:.0%}", "flat")


def _mt103() -> tuple[str, ...]:
    payload = mt103() * 500

    def ours() -> int:
        return sum(len(item.events) for item in parse_messages(payload))

    return _row("MT103 in a batch", _rate(ours), 0, "", "at least 30,000 /s")


def _lines() -> tuple[str, ...]:
    payload = mt940(200)

    def ours() -> int:
        return sum(len(item.events) for item in parse_messages(payload))

    try:
        import mt940 as peer
    except ImportError:
        return _row("MT940 lines", _rate(ours), 0, "mt-940 is not installed", "at least 5x")
    text = payload.decode()

    def other() -> int:
        return len(peer.parse(io.StringIO(text)).transactions)

    return _row("MT940 lines", _rate(ours), _rate(other), "mt-940", "at least 500%")


def _folds() -> tuple[str, ...]:
    from payments.lifecycle.events import fact_of
    from payments.lifecycle.ledger import Ledger

    known = datetime(2026, 11, 23, tzinfo=UTC)
    events = [event for number in range(2000) for event in parse(pacs008(number)).events]
    facts = [fact_of(event, known) for event in events]

    def ours() -> int:
        ledger = Ledger()
        for fact in facts:
            ledger.fold(fact)
        return len(facts)

    return _row("life cycle folds", _rate(ours), 0, "", "at least 60,000 /s")


def pacs008(number: int = 0) -> bytes:
    """A message of about 4 KB, as CBPR+ writes them."""

    def party(role: str, name: str, account: str) -> str:
        return (
            f"<{role}><Nm>{name}</Nm><PstlAdr><StrtNm>High Street</StrtNm><BldgNb>{number % 99 + 1}</BldgNb><PstCd>EC1A 1BB</PstCd>"
            f"<TwnNm>London</TwnNm><Ctry>GB</Ctry></PstlAdr></{role}><{role}Acct><Id><IBAN>{account}</IBAN></Id></{role}Acct>"
        )

    def agent(role: str, bic: str) -> str:
        return f"<{role}><FinInstnId><BICFI>{bic}</BICFI></FinInstnId></{role}>"

    ids = f"<InstrId>INSTR{number}</InstrId><EndToEndId>E2E{number}</EndToEndId><UETR>{number:08x}-1c57-4b62-9a53-0f6b6f1f3a11</UETR>"
    lines = "".join(
        f"<InstrForNxtAgt><InstrInf>/ACC/LINE {line} {'X' * 140}</InstrInf></InstrForNxtAgt>" for line in range(11)
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Envelope><AppHdr xmlns="{URN}head.001.001.02"><Fr><FIId><FinInstnId><BICFI>BANKGB2LXXX'
        "</BICFI></FinInstnId></FIId></Fr><To><FIId><FinInstnId><BICFI>BANKDEFFXXX</BICFI></FinInstnId></FIId></To>"
        f"<BizMsgIdr>M{number}</BizMsgIdr><MsgDefIdr>pacs.008.001.08</MsgDefIdr><BizSvc>swift.cbprplus.02</BizSvc>"
        f'<CreDt>2026-11-23T10:00:00Z</CreDt></AppHdr><Document xmlns="{URN}pacs.008.001.08"><FIToFICstmrCdtTrf><GrpHdr>'
        f"<MsgId>M{number}</MsgId><CreDtTm>2026-11-23T10:00:00Z</CreDtTm><NbOfTxs>1</NbOfTxs><SttlmInf><SttlmMtd>INDA</SttlmMtd></SttlmInf>"
        f"</GrpHdr><CdtTrfTxInf><PmtId>{ids}</PmtId><PmtTpInf><SvcLvl><Cd>G001</Cd></SvcLvl></PmtTpInf>"
        f'<IntrBkSttlmAmt Ccy="EUR">{number + 1}.50</IntrBkSttlmAmt><IntrBkSttlmDt>2026-11-24</IntrBkSttlmDt>'
        f'<InstdAmt Ccy="EUR">{number + 1}.50</InstdAmt><ChrgBr>SHAR</ChrgBr>{agent("InstgAgt", "BANKGB2LXXX")}'
        f"{agent('InstdAgt', 'BANKDEFFXXX')}{party('Dbtr', 'Harbour Works', 'GB82WEST12345698765432')}{agent('DbtrAgt', 'BANKGB2LXXX')}"
        f"{agent('CdtrAgt', 'BANKDEFFXXX')}{party('Cdtr', 'M Muster', 'DE89370400440532013000')}{lines}<Purp><Cd>SUPP</Cd></Purp>"
        f"<RmtInf><Ustrd>Invoice {number} {'of the year ' * 8}</Ustrd></RmtInf></CdtTrfTxInf></FIToFICstmrCdtTrf></Document></Envelope>"
    ).encode()


def pain001(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as out:
        out.write(
            f'<Document xmlns="{URN}pain.001.001.09"><CstmrCdtTrfInitn><GrpHdr><MsgId>P1</MsgId><CreDtTm>2026-11-23T10:00:00Z</CreDtTm>'
            f"<NbOfTxs>{count}</NbOfTxs><InitgPty><Nm>Harbour Works</Nm></InitgPty></GrpHdr><PmtInf><PmtInfId>B1</PmtInfId>"
            "<ReqdExctnDt><Dt>2026-11-25</Dt></ReqdExctnDt><DbtrAcct><Id><IBAN>GB82WEST12345698765432</IBAN></Id></DbtrAcct>\n"
        )
        for number in range(count):
            out.write(
                f'<CdtTrfTxInf><PmtId><InstrId>I{number}</InstrId><EndToEndId>E{number}</EndToEndId></PmtId><Amt><InstdAmt Ccy="EUR">'
                f"{number % 1000 + 1}.00</InstdAmt></Amt><CdtrAgt><FinInstnId><BICFI>BANKDEFFXXX</BICFI></FinInstnId></CdtrAgt><Cdtr><Nm>"
                f"M Muster {number}</Nm></Cdtr><CdtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></CdtrAcct><RmtInf><Ustrd>Invoice "
                f"{number}</Ustrd></RmtInf></CdtTrfTxInf>\n"
            )
        out.write("</PmtInf></CstmrCdtTrfInitn></Document>")


def mt103() -> bytes:
    text = (
        ":20:REF1\n:23B:CRED\n:32A:261124EUR1234,5\n:33B:EUR1234,5\n:50K:/GB82WEST12345698765432\nHARBOUR WORKS\nHIGH STREET 1\nLONDON\n"
        ":52A:BANKGB2L\n:57A:BANKDEFF\n:59:/DE89370400440532013000\nM MUSTER\nBERLIN\n:70:/INV/1\n:71A:SHA"
    ).replace("\n", "\r\n")
    head = "{1:F01BANKGB2LAXXX0001000042}{2:I103BANKDEFFXXXXN}{3:{121:6d8a3f0e-1c57-4b62-9a53-0f6b6f1f3a11}}"
    return f"{head}{{4:\r\n{text}\r\n-}}{{5:{{CHK:0}}}}".encode()


def mt940(count: int) -> bytes:
    entries = "".join(
        f":61:2611231123C1,00NTRFREF{number}//SVC{number}\n:86:/EREF/E{number}/REMI/RENT\n" for number in range(count)
    )
    return (
        f":20:ST1\n:25:GB82WEST12345698765432\n:28C:12/1\n:60F:C261123EUR100,00\n{entries}:62F:C261123EUR{100 + count},00\n-\n"
    ).encode()
