"""The place where two texts part is shown, whatever they are made of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciliation.marks import Part, line, marked


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_parts_are_the_texts_and_only_what_differs_is_marked(source: str, target: str) -> None:
    left, right = marked(source, target)
    assert "".join(part.text for part in left) == source
    assert "".join(part.text for part in right) == target
    assert [part.text for part in left if not part.differs] == [part.text for part in right if not part.differs]
    assert (source == target) == (not any(part.differs for part in (*left, *right)))


def test_what_looks_alike_is_told_by_its_code_points() -> None:
    left, right = marked("PAYPAL", "PAYP\u0410L")
    assert left[1] == Part("A", True, "U+0041")
    assert right[1] == Part("\u0410", True, "U+0410")
    assert line(marked("GB-12", "GB-12\u00a0")[1]) == "GB-12[U+00A0]"
    assert marked("GB-12", "GB-13")[1][1] == Part("3", True)


def test_long_texts_are_split_at_their_common_start_and_end() -> None:
    text = "x" * 100_000
    left, right = marked(f"{text}a{text}", f"{text}bc{text}")
    assert ([part.text for part in left if part.differs], [part.text for part in right if part.differs]) == (
        ["a"],
        ["bc"],
    )
