"""FIN's outer form: batches, broken neighbours, bare texts; and its time, which grows with the input alone."""

from __future__ import annotations

import re

import payments_samples as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.fin.fields import split_fields
from payments.fin.grammar import GRAMMAR, components, pattern
from payments.fin.headers import Header
from payments.fin.lines import read_line
from payments.fin.narrative import code_lines, inline_codes
from payments.fin.party import read_party
from payments.fin.reader import FinMessage, read_fin
from payments.fin.sequences import Gap, Sequences
from payments.registry import parse


def read(payload: bytes) -> list[FinMessage]:
    return list(read_fin(payload))


def types(payload: bytes) -> list[str]:
    return [item.header.mt for item in read(payload)]


ONE, TWO = samples.mt103("A"), samples.mt103("B")


@pytest.mark.parametrize(
    "payload",
    [
        ONE + TWO,
        ONE + b"$" + TWO,
        ONE + b"$\r\n" + TWO + b"$",
        ONE + b"\r\n" + TWO + b"\r\n\x1a",
        b"\x01" + ONE + b"\x03" + b" " * 200 + b"\x01" + TWO + b"\x03" + b"\x00" * 100,
        b"\xef\xbb\xbf" + ONE + TWO,
        ONE.replace(b"\r\n", b"\n") + TWO,
        ONE.replace(b"\r\n", b"\r") + b"\n" + TWO,
    ],
)
def test_batches_in_every_frame(payload: bytes) -> None:
    found = read(payload)
    assert [item.header.mt for item in found] == ["103", "103"]
    assert [dict(item.fields)["20"] for item in found] == ["A", "B"]
    assert [item.troubles for item in found] == [[], []]
    for item in found:
        assert payload[item.offset : item.offset + 4] == b"{1:F"
        assert payload[: item.end].rstrip().endswith(b"}")


@pytest.mark.parametrize(
    "broken",
    [
        ONE[:60],
        ONE[: ONE.index(b":59:")],
        ONE.replace(b"-}", b""),
        ONE.replace(b"}{2:", b"{2:"),
        b"{1:F01BANKGB2LAXXX0001000042",
        b"{1:{2:{3:{4:{5:",
        b"{1:F01}{4:{4:{4:",
        ONE.replace(b"{5:{CHK:0}}", b"{5:{CHK:0"),
    ],
)
def test_a_broken_message_does_not_take_its_neighbours_with_it(broken: bytes) -> None:
    found = read(ONE + b"$" + broken + b"\r\n$" + TWO)
    whole = [item for item in found if not any(severity == "error" for severity, *_ in item.troubles)]
    names = [dict(item.fields).get("20") for item in whole]
    assert names[0] == "A"
    assert names[-1] == "B"


def test_the_last_brace_of_block_three_may_be_missing() -> None:
    (message,) = read(ONE.replace(b"}}{4:", b"}{4:"))
    assert message.header.user["121"] == samples.UETR
    assert message.troubles == [("warn", "fin_blocks", "block 3", "lacks its closing brace")]


def test_blocks_in_another_order_and_a_block_twice() -> None:
    block2, block3 = b"{2:I103BANKDEFFXXXXN}", b"{3:{121:" + samples.UETR.encode() + b"}}"
    (message,) = read(ONE.replace(block2 + block3, block3 + block2))
    assert (message.header.mt, message.header.user["121"], message.troubles) == ("103", samples.UETR, [])
    (message,) = read(ONE.replace(block2, block2 * 2))
    assert message.troubles == [("error", "fin_blocks", "block 2", "stands twice in one message")]


def test_an_acknowledgement_stands_before_its_message() -> None:
    found = read(samples.ACK + ONE)
    assert [(item.header.service, item.header.mt) for item in found] == [("21", ""), ("01", "103")]
    assert found[0].nested == "{177:2611231200}{451:0}"


def test_a_message_within_a_message_stays_within() -> None:
    inner = b"{1:F01BANKGB2LAXXX0000000000}{2:I300BANKDEFFXXXXN}{4:\n:20:X\n-}{5:{CHK:1}}"
    found = read(b"{1:F01BANKGB2LAXXX0001000042}{2:I096BANKDEFFXXXXN}{4:" + inner + b"}{5:{CHK:0}}" + ONE)
    assert types_of(found) == ["096", "103"]
    assert "{4:\n:20:X\n-}" in found[0].nested


def types_of(found: list[FinMessage]) -> list[str]:
    return [item.header.mt for item in found]


def test_output_header_tells_sender_receiver_and_mir() -> None:
    (message,) = read(samples.MT940)
    header = message.header
    assert (header.direction, header.sender, header.receiver) == ("O", "BANKDEFFXXX", "BANKGB2LXXX")
    assert header.mir == "261123BANKDEFFAXXX0001000007"
    assert (header.input_time, header.output_at, header.priority) == ("2611231200", "2611231201", "N")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (":20:A\n:25:X\n:28C:1/1\n:60F:C261123EUR1,\n:62F:C261123EUR1,", "940"),
        (":20:A\n:25:X\n:28C:1/1\n:34F:EUR0,\n:13D:2611231200+0100", "942"),
        (":20:A\n:23B:CRED\n:32A:261124EUR1,\n:50K:X\n:59:Y\n:71A:SHA", "103"),
        (":20:A\n:21:B\n:32A:261124EUR1,\n:58A:BANKDEFF", "202"),
        (":20:A\n:28D:1/1\n:30:261124\n:21:B\n:32B:EUR1,\n:59:Y\n:71A:SHA", "101"),
        (":20:A\n:21:B\n:76:/CNCL/", "196"),
        (":20:A\n:19:5,\n:30:261124\n:20:B\n:21:C\n:32B:EUR5,\n:53A:BANKDEFF", "204"),
        (":20:A\n:77T:X", ""),
    ],
)
def test_a_bare_text_tells_its_type(text: str, kind: str) -> None:
    for payload in (text.encode(), b"{4:\r\n" + text.replace("\n", "\r\n").encode() + b"\r\n-}"):
        (message,) = read(payload)
        assert (message.header.mt, message.bare) == (kind, True)


def test_bare_statements_end_at_a_dash_or_at_the_next_reference() -> None:
    one = ":20:A\n:25:X\n:28C:1/1\n:60F:C261123EUR1,\n:62F:C261123EUR1,\n"
    for between in ("-\n", "", "-}\r\n", "\n\n"):
        found = read((one + between + one.replace(":20:A", ":20:B")).encode())
        assert [dict(item.fields)["20"] for item in found] == ["A", "B"]


@pytest.mark.parametrize("head", ["940\n", "ABNANL2A\n940\nABNANL2A\n", ":940:\n", "0000 01INGB\n940 00\n"])
def test_a_banks_own_header_lines_are_kept(head: str) -> None:
    (message,) = read((head + ":20:A\n:25:X\n:28C:1\n:60F:C261123EUR1,\n-").encode())
    assert message.header.mt == "940"
    assert message.head == head.strip()


def test_bytes_of_no_message_are_named() -> None:
    found = read(b"garbage" + ONE + b"$rest\n" + TWO)
    assert [item.troubles for item in found if not item.header.mt] == [
        [("error", "fin_blocks", "byte 0", "7 bytes belong to no message")],
        [("error", "fin_blocks", f"byte {8 + len(ONE)}", "5 bytes belong to no message")],
    ]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from([ONE, TWO, samples.MT940, samples.ACK, b"$", b"{", b"}", b"\n-}", b"{1:", b"{4:", b"x"]),
        max_size=12,
    )
)
def test_every_byte_belongs_to_one_message_or_to_the_space_between(parts: list[bytes]) -> None:
    payload = b"".join(parts)
    place = 0
    for item in read(payload):
        assert item.offset >= place
        assert item.end > item.offset
        if b"{1:" in payload or b"{4:" in payload:
            assert not payload[place : item.offset].strip(b" \t\r\n\x00\x01\x03\x1a$")
        place = item.end


@pytest.mark.parametrize(
    "unit",
    [
        b"{",
        b"{1:",
        b"{1:}",
        b"{4:\n",
        b"{1:{4:{",
        b"\n-}",
        b":20:",
        b"\n:20:A",
        b"{1:F01{",
        b"}{1:F",
        b"-\n",
        b"{4:{1:{3:{",
    ],
)
def test_work_grows_with_the_input_alone(unit: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in looks at the text, not in seconds: four times the input may cost little more than four times the looks."""
    from payments.fin import frames

    looks = []

    class Counting(str):
        def find(self, *given: object) -> int:  # type: ignore[override]
            start = given[1] if len(given) > 1 else 0
            found = str.find(self, *given)  # type: ignore[arg-type]
            stop = found if found >= 0 else min(len(self), given[2] if len(given) > 2 else len(self))  # type: ignore[type-var]
            looks.append(max(stop - start, 1))  # type: ignore[operator]
            return found

    class Brace:
        @staticmethod
        def search(text: str, start: int, limit: int) -> re.Match[str] | None:
            found = re.compile("[{}]").search(text, start, limit)
            looks.append((found.end() if found else min(limit, len(text))) - start)
            return found

    monkeypatch.setattr(frames, "_BRACE", Brace)

    def cost(times: int) -> int:
        looks.clear()
        list(frames.Framer(Counting((unit * times).decode("latin-1"))))
        return sum(looks)

    assert cost(4000) <= 6 * cost(1000) + 1000


def test_fields_keep_lines_that_only_look_like_tags() -> None:
    assert split_fields("head\n:20:A\n:nonsense\nB:C\n::D\n:61:E") == (
        "head",
        [("20", "A\n:nonsense\nB:C\n::D"), ("61", "E")],
    )


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=200))
def test_fields_lose_nothing(text: str) -> None:
    body = text.replace("\r\n", "\n").replace("\r", "\n")
    head, fields = split_fields(text)
    again = "\n".join([head, *(f":{tag}:{value}" for tag, value in fields)])
    assert again.replace("\n", "") == body.replace("\n", "")


def test_every_line_of_the_grammar_compiles() -> None:
    assert all(pattern(tag) is not None for tag in GRAMMAR)
    assert components("32A", "261124EUR1234,5") == {"date": "261124", "currency": "EUR", "amount": "1234,5"}
    assert components("32A", "261124EUR1234.5") is None
    assert components("57A", "/C/123\nBANKDEFF") == {"account": "C/123", "bic": "BANKDEFF"}
    assert components("28C", "12/3") == {"statement": "12", "page": "3"}


@pytest.mark.parametrize(
    ("tag", "value", "told"),
    [
        ("50K", "/GB82 WEST\nHARBOUR WORKS\n1 QUAY", {"account": "GB82WEST", "name": "HARBOUR WORKS", "address": ("1 QUAY",)}),
        ("50F", "/123\n1/A\n1/B\n2/STREET\n3/GB/LONDON", {"account": "123", "name": "A B", "country": "GB", "town": "LONDON"}),
        ("50F", "NIDN/DE/121231234342\n1/A", {"name": "A", "other": (("id", "NIDN/DE/121231234342"),)}),
        ("57A", "//FW021000089\nCHASUS33", {"clearing": "FW021000089", "bic": "CHASUS33"}),
        ("53B", "/D/12-34\nLONDON", {"side": "D", "account": "12-34", "town": "LONDON"}),
        ("52D", "A BANK\nA STREET", {"name": "A BANK", "address": ("A STREET",)}),
        ("57A", "NOT A BIC", {"name": "NOT A BIC", "bic": ""}),
        ("59F", "1/A\n2/B\n3/DE", {"name": "A", "address": ("B",), "country": "DE", "town": ""}),
    ],
)  # fmt: skip
def test_parties(tag: str, value: str, told: dict[str, object]) -> None:
    party = read_party(tag, value)
    assert {name: getattr(party, name) for name in told} == told


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("2611231124C20,50NTRFREF1//SVC1", ("261123", "1124", "C", "", "20,50", "NTRF", "REF1", "SVC1", "")),
        ("261123RDR1,5FMSCNONREF\ndetails", ("261123", "", "RD", "R", "1,5", "FMSC", "NONREF", "", "details")),
        ("261123    D5,NTRFX", ("261123", "", "D", "", "5,", "NTRF", "X", "", "")),
        ("1811261126CR\n30,00N062NONREF", ("181126", "1126", "C", "R", "30,00", "N062", "NONREF", "", "")),
        ("261123EC1,NTRF//S", ("261123", "", "EC", "", "1,", "NTRF", "", "S", "")),
    ],
)
def test_statement_lines(line: str, told: tuple[str, ...]) -> None:
    found = read_line(line)
    assert found is not None
    assert (
        found.value_date, found.entry_date, found.mark, found.funds, found.amount,
        found.code, found.reference, found.servicer, found.details,
    ) == told  # fmt: skip


@pytest.mark.parametrize("line", ["", "26112", "261123", "261123X5,", "261123C", "261123CX,NTRF", "ABCDEFC5,NTRF"])
def test_lines_that_say_nothing_that_can_be_booked(line: str) -> None:
    assert read_line(line) is None


@given(st.text(max_size=120))
def test_any_text_as_a_line(text: str) -> None:
    read_line(text)
    code_lines(text)
    inline_codes(text)
    for tag in ("50F", "59", "57A", "53B", "52C"):
        read_party(tag, text)
    for tag in GRAMMAR:
        components(tag, text)


def test_code_words() -> None:
    text = "/REJT/99\n/AC04/\n/MREF/REF1\n/TEXT//UETR/174c245f-2682-4291-ad67\n//-2a41e530cd27"
    assert code_lines(text) == [
        ("REJT", "99"),
        ("AC04", ""),
        ("MREF", "REF1"),
        ("TEXT", "/UETR/174c245f-2682-4291-ad67-2a41e530cd27"),
    ]
    assert inline_codes("/ROC/E2E//INV/12\n3") == {"ROC": "E2E", "INV": "123"}


def _header(session: str, number: int, direction: str = "O") -> Header:
    return Header("01", "BANKGB2LAXXX", session, f"{number:06d}", direction, "103")


@given(st.permutations([1, 2, 3, 7, 8, 5, 5]))
def test_gaps_whatever_the_order(numbers: list[int]) -> None:
    sequences = Sequences()
    for number in numbers:
        sequences.add(_header("0001", number))
    sequences.add(_header("0000", 0))
    sequences.add(_header("0002", 9))
    assert list(sequences.gaps()) == [
        Gap("O", "BANKGB2LAXXX", "0001", 4, 4),
        Gap("O", "BANKGB2LAXXX", "0001", 6, 6),
    ]
    assert sequences.repeats == {("O", "BANKGB2LAXXX", "0001", 5): 2}


def test_the_german_way_of_86_names_the_other_side_and_the_purpose() -> None:
    text = (
        ":20:STARTUMSE\n:25:10020030/1234567\n:28C:00000/001\n:60F:C040213EUR1234,56\n:61:0402170217CR99,50NTRFNONREF\n"
        ":86:166?00GUTSCHRIFT?20EREF+E2E-4711?21SVWZ+Rechnung 99 ?22und mehr?30DEUTDEFF?31DE89370400440532013000?32Max ?33Muster\n"
        ":62F:C040217EUR1334,06\n-\n"
    )
    (event,) = parse(text.encode()).events
    assert (event.end_to_end_id, event.remittance) == ("E2E-4711", "Rechnung 99 und mehr")
    assert (event.debtor_name, event.debtor_account) == ("Max Muster", "DE89370400440532013000")
    assert (event.debtor_agent, event.creditor_account) == ("DEUTDEFF", "10020030/1234567")


def test_braces_without_end_are_one_broken_message() -> None:
    head = samples.mt103()[:50]
    found = list(read_fin(head + b"{4:" * 5000 + b"\r\n" + samples.mt103()))
    assert len(found) == 2
    assert found[1].header.mt == "103"
    assert not [item for item in found[1].troubles if item[0] == "error"]


def test_a_plus_without_a_code_is_text() -> None:
    text = ":20:A\n:25:1\n:28C:1\n:60F:C261123EUR1,\n:61:261123C1,NTRFNONREF\n:86:A+B\n:62F:C261123EUR2,\n"
    (event,) = parse(text.encode()).events
    assert event.remittance == "A+B"


def test_headers_that_do_not_end_are_one_broken_message_and_hide_none_behind_them() -> None:
    found = read(b"{1:" * 1000 + ONE)
    assert [item.header.mt for item in found] == ["", "103"]
    assert [item.offset for item in found] == [0, 3000]
    assert any(severity == "error" for severity, *_ in found[0].troubles)
