"""`make fuzz`: every entry point of the payments language under mutated messages, in trees and in streams.

    python tests/payments/fuzz_messages.py [SECONDS] [SEED]

Coverage-guided where atheris is installed, else by mutation from the samples (and the corpus, where it is beside the
checkout). An exception, a message without an end, or more than a second of processor time stops it and leaves the input in
`fuzz-found-*`; what is found becomes a test of tests/payments.
"""

from __future__ import annotations

import io
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import payments_samples as samples

from cutwater.commands.payments_json import JsonLines, Place
from payments.formats import fin, mx
from payments.formats.base import Options
from payments.registry import read

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(os.environ.get("CUTWATER_CORPUS", ROOT.parent / "shared" / "corpus"))
PIECES = (
    b"<", b">", b"&", b"{", b"}", b"{4:", b"-}", b":20:", b"\r\n", b"\n", b"\0", b"\xff", b"\xed\xa0\x80", b"9" * 20, b",", b".",
    b"-", b"/", b"//", b"<![CDATA[", b"]]>", b"<!--", b"$", b"{1:F01", b"{5:", b"2026-02-30", b'Ccy="', b"EUR", b"?", b"+",
    b"\xc3\xa9", b"1e5", b"</Document>", b"<Ntry>", b"</Ntry>",
)  # fmt: skip
MANIFEST = b'{"rows": 1, "sums": {"EUR": "1.0"}}'


def one(payload: bytes) -> None:
    """Reads it as a tree, as a stream and piece by piece, and writes it as JSON."""
    for tree, piece, part in ((8 << 20, 16 << 20, 1000), (16, 256, 1)):
        mx.TREE, fin.PIECE = tree, piece
        lines, last = JsonLines(lambda _: None, full=True), False
        for parsed in read(io.BytesIO(payload), Options(part=part, beside=MANIFEST)):
            lines.part(Place("x", parsed.index, parsed.offset, ""), parsed, parsed.status, parsed.findings)
            last = parsed.last
        if not last:
            raise AssertionError("no message, or one without an end")


def seeds() -> list[bytes]:
    own = [
        samples.pacs008(), samples.pacs002(), samples.pain001(), samples.camt053(samples.entry(reference="R") + samples.entry()),
        samples.mt103(), samples.MT940, samples.NAK, samples.bacs(), samples.bacs(multi=True),
        b"reference,amount,currency,date\nA,1.0,EUR,2026-01-01\n",
    ]  # fmt: skip
    files = sorted(CORPUS.rglob("*")) if CORPUS.is_dir() else []
    return own + [path.read_bytes() for path in files if path.is_file() and path.stat().st_size < 20_000]


def mutated(data: list[bytes], chance: random.Random) -> bytes:
    found = bytearray(chance.choice(data))
    for _ in range(chance.randint(1, 6)):
        start = chance.randint(0, len(found))
        end = min(len(found), start + chance.choice([0, 1, 2, 10, 50, 400]))
        other = chance.choice(data)
        begin = chance.randint(0, len(other))
        found[start:end] = chance.choice(
            [chance.choice(PIECES), b"", bytes(found[start:end]) * 2, other[begin : begin + 300], chance.randbytes(4)]
        )
    return bytes(found)


def by_mutation(seconds: float, seed: int, work: Callable[[bytes], None]) -> int:
    data, chance, count = seeds(), random.Random(seed), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        payload, begun = mutated(data, chance), time.process_time()
        try:
            work(payload)
        except BaseException:
            Path(f"fuzz-found-{seed}-{count}").write_bytes(payload)
            raise
        if time.process_time() - begun > 1:
            Path(f"fuzz-found-{seed}-{count}").write_bytes(payload)
            raise AssertionError(f"{len(payload)} bytes took more than a second")
        count += 1
    return count


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    try:
        import atheris
    except ImportError:
        count = by_mutation(seconds, seed, one)
        sys.stdout.write(
            f"{count:,} mutated messages in {seconds:.0f} s, none broke a reader (atheris is not installed)\n"
        )
        return
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds:.0f}", f"-seed={seed}"], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
