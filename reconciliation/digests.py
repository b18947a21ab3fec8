"""Row digests and their sums: 120 bits of MD5 per row, added modulo 2**120, with a count, per bucket of the key.

Whole numbers are spread over the buckets as they are, any other key by its hash: a hash of each key costs as much as the row's.

MD5 serves as a random-looking function that every store has built in, not as a defence against an adversary who
chooses rows: whoever can forge rows in the target can forge them in the source's copy as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from inventory.model import TableMapping
from reconciliation.encoding import Kind, compared, encode_row, key_fields
from reconciliation.ports import BucketDigest

LANE_DIGITS = 15  # hex digits per lane: 60 bits fit a signed 64-bit integer in every dialect
LANE_BITS = 4 * LANE_DIGITS
DIGEST_BITS = 2 * LANE_BITS
MODULUS = 1 << DIGEST_BITS
MIN_BUCKETS, MAX_BUCKETS = 64, 1 << 16
ROWS_PER_BUCKET = 32  # fewer rows to read per difference, against a hash aggregate that grows; measured at 500k rows
SPREAD = 1_048_573  # a prime: numbers that rise in steps of a round number are spread, too
# A small aggregate costs nothing, and each planted fault takes its bucket's rows along.
FEW_PER_BUCKET, FINE_BUCKETS = 4, 1024


def buckets_for(rows: int) -> int:
    """How many buckets a table of `rows` rows gets: a power of two, about 32 rows each, of a small table 4."""
    wanted = MIN_BUCKETS
    while wanted < FINE_BUCKETS and wanted * FEW_PER_BUCKET < rows:
        wanted *= 2
    while wanted < MAX_BUCKETS and wanted * ROWS_PER_BUCKET < rows:
        wanted *= 2
    return wanted


def shift_of(buckets: int) -> int:
    """Bits to shift a 60-bit lane so that its top bits number the bucket; `buckets` is a power of two.

    Bucket b holds the half-open range [b, b + 1) * 2**60 / buckets of the key's hash: no key is in two or in none.
    """
    if buckets < 1 or buckets & (buckets - 1) or buckets > MAX_BUCKETS:
        raise ValueError(f"{buckets} buckets: a power of two up to {MAX_BUCKETS} is needed")
    return LANE_BITS - (buckets.bit_length() - 1)


def lanes(encoded: bytes) -> tuple[int, int]:
    """The two 60-bit lanes of an encoding's MD5: its first and its next 15 hex digits."""
    text = hashlib.md5(encoded, usedforsecurity=False).hexdigest()
    return int(text[:LANE_DIGITS], 16), int(text[LANE_DIGITS : 2 * LANE_DIGITS], 16)


def combine(high: int, low: int) -> int:
    """The 120-bit sum from the exact sums of both lanes."""
    return ((high << LANE_BITS) + low) % MODULUS


def bucket_of(encoded_key: bytes, buckets: int) -> int:
    """The bucket of a key's encoding."""
    return lanes(encoded_key)[0] >> shift_of(buckets)


def is_whole(mapping: TableMapping) -> bool:
    """Whether the key is made of whole numbers alone."""
    return bool(mapping.key) and all(item.kind is Kind.INT for item in key_fields(mapping))


def bucket_of_row(mapping: TableMapping, row: Mapping[str, Any], buckets: int) -> int:
    """The bucket of a row: of whole numbers the sum of their remainders by a prime, each with an odd weight; else of the key's
    encoding."""
    key = key_fields(mapping)
    if not is_whole(mapping):
        return bucket_of(encode_row(key, row), buckets)
    shift_of(buckets)  # a power of two
    parts = (0 if row[item.name] is None else abs(row[item.name]) % SPREAD for item in key)
    return sum((2 * at + 1) * part for at, part in enumerate(parts)) & (buckets - 1)


def digests_of(mapping: TableMapping, rows: Iterable[Mapping[str, Any]], buckets: int) -> dict[int, BucketDigest]:
    """The reference in Python: what every dialect's pushed-down query must yield."""
    fields = compared(mapping)
    result: dict[int, BucketDigest] = {}
    for row in rows:
        number = bucket_of_row(mapping, row, buckets)
        before = result.get(number, BucketDigest(0, 0))
        total = (before.total + combine(*lanes(encode_row(fields, row)))) % MODULUS
        result[number] = BucketDigest(before.count + 1, total)
    return result


def missed_probability(compared_buckets: int) -> str:
    """An upper bound for the chance that a difference stays unseen, as text: buckets times 2**-120."""
    exponent = DIGEST_BITS - max(compared_buckets, 1).bit_length()
    decimal = exponent * 30103 // 100000  # log10(2) = 0.30103
    return f"at most {compared_buckets:,} x 2^-{DIGEST_BITS}, below 10^-{decimal}"
