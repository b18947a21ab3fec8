"""What is read by a learnt shape is what the long way reads."""

from __future__ import annotations

import pytest
from lxml import etree

from payments.iso20022.families import FAMILIES
from payments.iso20022.fields import tell
from payments.iso20022.shapes import Teller
from payments.iso20022.xml import leaves
from payments.seen import Seen
from payments.values import Findings

URN = "urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08"
LOOK = (
    '<CdtTrfTxInf xmlns="{urn}"><PmtId><InstrId>{a}</InstrId><EndToEndId>{b}</EndToEndId></PmtId>'
    '<IntrBkSttlmAmt Ccy="{c}">{d}</IntrBkSttlmAmt><Dbtr><Nm>{a}</Nm></Dbtr>\n <RmtInf><Ustrd>{b}</Ustrd><Ustrd>two</Ustrd>'
    "</RmtInf><SplmtryData><PlcAndNm>{a}</PlcAndNm><PlcAndNm>{b}</PlcAndNm></SplmtryData></CdtTrfTxInf>"
)
SAID = [
    ("I1", "E1", "EUR", "12.50"), (" I 2 ", "E2", "JPY", "12.5"), ("", "E3", "EUR", "1.00"), ("I4", "E4", "EUR", ""),
    ("A &amp; B", "E5", "EUR", "1"), ("I6", "E6", "XQZ", "0.123456"), ("I7", "Ü\n7", "EUR", "7.00"), (" ", " ", " ", " "),
    ("I9", "<![CDATA[a<b]]>", "EUR", "9"), ("I10", "E10", "EU&quot;", "1"),
]  # fmt: skip


@pytest.mark.parametrize("said", SAID)
def test_a_learnt_shape_tells_what_the_long_way_tells(said: tuple[str, ...]) -> None:
    where, teller = FAMILIES["pacs.008"].fields, Teller(FAMILIES["pacs.008"].fields)

    def element(values: tuple[str, ...]) -> etree._Element:
        return etree.fromstring(LOOK.format(urn=URN, **dict(zip("abcd", values, strict=True))))

    for _ in range(3):  # the second of a look is learnt, the third is read by it
        teller.tell(element(SAID[0]), "T[1]", Findings())
    quick, slow = Findings(), Findings()
    assert teller.tell(element(said), "T[1]", quick) == tell(leaves(element(said)), where, "T[1]", slow)
    assert teller.leaves(element(said)) == leaves(element(said))
    assert quick.tuple() == slow.tuple()


def test_repetitions_are_counted_alike_before_and_after_the_keys_are_many() -> None:
    seen = Seen()
    keys = [f"k{number}" for number in range(Seen.FEW + 50)]
    assert {seen.count(key) for key in ("k0", *keys[1:])} == {1}
    assert [seen.count("k0"), seen.count("k0"), seen.count(keys[-1]), seen.count("new")] == [2, 3, 2, 1]
    early = Seen()
    assert [early.count("a"), early.count("a")] == [1, 2]
    for key in keys:
        early.count(key)
    assert early.count("a") == 3
