"""The type of a message that has no header, from the fields that it has. Rules as data, the first that fits wins."""

from __future__ import annotations

from collections.abc import Sequence

# (type, all of these, one of these, none of these). `50a` stands for 50 with any letter or none.
_RULES: tuple[tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    ("204", ("19", "30", "32B"), (), ()),
    ("942", ("34F",), (), ("32A",)),
    ("941", ("90a",), ("60a", "62a"), ("61",)),
    ("942", ("13D",), ("61", "90a"), ("60a", "62a")),
    ("940", (), ("60a", "62a", "64", "65"), ()),
    ("940", ("25", "28a"), (), ("32a",)),
    ("940", ("61",), (), ("32a",)),
    ("101", ("28D",), ("32B", "30"), ()),
    ("103", ("32A", "23B"), (), ()),
    ("103", ("32A", "59a"), (), ("58a", "25")),
    ("202", ("32A", "58a"), (), ()),
    ("210", ("30", "32B", "25"), (), ()),
    ("910", ("32A", "25", "21"), ("50a", "56a"), ()),
    ("196", ("76",), (), ()),
    ("192", ("11S",), (), ()),
    ("199", ("79",), (), ("32a",)),
)


def guess_type(fields: Sequence[tuple[str, str]]) -> str:
    """Three digits, or an empty text where no rule fits."""
    tags = {tag for tag, _ in fields}
    tags |= {tag[:2] + "a" for tag in tags}
    for name, every, some, none in _RULES:
        if tags.issuperset(every) and (not some or tags.intersection(some)) and not tags.intersection(none):
            return name
    return ""
