"""mt-940 reads the corpus' MT940 and MT950 statements beside us: lines and balances, and why where the two differ."""

from __future__ import annotations

import csv
import os
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from payments.fin import parse_messages
from payments.fin.reader import FinMessage, read_fin
from payments.statements import Statement

CORPUS = Path(os.environ.get("CUTWATER_CORPUS", Path(__file__).resolve().parents[3] / "shared" / "corpus"))
EXPLAINED = {
    "sepa_mt9401.sta": "RC takes a credit back, so it is a debit; mt-940 books it as a credit",
    "IssueGh148Test.java.001.mt940.fin": "the line's amount begins with a comma: refused here, read as zero there",
    "multiline.sta": "no balance names the currency: refused here",
    "raphaelm.sta": "a balance with an amount where the currency belongs: refused here, read as zero there",
}


def lines(peer: Any) -> list[Decimal]:
    found = (item.data.get("amount") for item in peer.transactions)
    return [Decimal(str(amount.amount)) for amount in found if amount is not None]


def differences(peer: Any, statement: Statement) -> list[str]:
    found = []
    if lines(peer) != [item.signed for item in statement.entries if item.signed is not None]:
        found.append("lines")
    for name, code in (("final_opening_balance", "OPBD"), ("final_closing_balance", "CLBD")):
        theirs, ours = peer.data.get(name), statement.balance(code)
        if theirs is None and ours is None:
            continue
        if theirs is None or ours is None or theirs.amount is None or Decimal(str(theirs.amount.amount)) != ours.signed:
            found.append(name)
    return found


def read_by_peer(message: FinMessage) -> Any | None:
    """None where mt-940 gives up: it wants a line's details on the same line."""
    import mt940

    try:
        return mt940.parse("\n".join(f":{tag}:{value}" for tag, value in message.fields) + "\n-\n")
    except (RuntimeError, ValueError):
        return None


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the public sample corpus is not beside this checkout")
@pytest.mark.filterwarnings("ignore")
def test_mt940_reads_the_same_lines_and_balances(capsys: pytest.CaptureFixture[str]) -> None:
    with (CORPUS / "MANIFEST.tsv").open(encoding="utf-8") as source:
        rows = list(csv.DictReader(source, delimiter="\t", quoting=csv.QUOTE_NONE))
    counts: Counter[str] = Counter()
    unexplained = []
    for row in rows:
        if row["type"] not in ("MT940", "MT950"):
            continue
        payload = (CORPUS / row["path"]).read_bytes()
        for message, parsed in zip(read_fin(payload), parse_messages(payload), strict=True):
            if message.header.mt not in ("940", "950") or not parsed.statements:
                continue
            peer = read_by_peer(message)
            if peer is None:
                counts["not read by mt-940"] += 1
                continue
            counts["statements"] += 1
            counts["lines"] += len(parsed.events)
            differing = differences(peer, parsed.statements[0])
            why = next((text for name, text in EXPLAINED.items() if row["path"].endswith(name)), None)
            counts["explained" if differing and why else "differing" if differing else "agreeing"] += 1
            if differing and why is None:
                unexplained.append((row["path"], differing))
    with capsys.disabled():
        print("\nbeside mt-940: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    assert unexplained == []
    assert counts["agreeing"] > 100
