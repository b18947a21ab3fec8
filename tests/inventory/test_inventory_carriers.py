"""Every type has a carrier, every table a name of its own."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.lake_names import lake_name
from inventory.model import TableMapping, parts_of, qualified
from inventory.type_map import lake_type, needs_printing

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20) | st.from_regex(
    r"[a-z][a-z0-9_]{0,8}", fullmatch=True
)


@pytest.mark.parametrize(
    ("pg", "lake", "printed"),
    [
        ("inet", "string", True),
        ("xml", "string", True),
        ("money", "string", True),
        ("tickets.place", "string", True),
        ('"Odd".mood[]', "string", True),
        ("numeric", "string", False),
        ("numeric(60,20)", "string", False),
        ("numeric(3,-2)", "string", False),
        ("numeric(38,10)", "decimal(38,10)", False),
        ("interval", "string", False),
        ("time(3) without time zone", "string", False),
        ("timestamp(6) with time zone", "timestamptz", False),
        ("character varying(20)", "string", False),
        ('"char"', "string", True),
    ],
)
def test_carriers(pg: str, lake: str, printed: bool) -> None:
    assert lake_type(pg) == lake
    assert needs_printing(pg, lake) is printed


def test_a_float_that_identifies_its_row_is_text() -> None:
    assert lake_type("double precision") == "double"
    assert lake_type("double precision", grouped=True) == lake_type("real", grouped=True) == "string"


@given(st.lists(st.tuples(NAMES, NAMES), min_size=2, max_size=6, unique=True))
def test_no_two_tables_share_a_name(tables: list[tuple[str, str]]) -> None:
    names = [lake_name(*table) for table in tables]
    assert len(set(names)) == len(tables)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)
    ids = {TableMapping(*table, "legacy.x", (), ()).asset_id for table in tables}
    assert len(ids) == len(tables)


@given(NAMES, NAMES)
def test_a_qualified_name_gives_its_parts_again(schema: str, table: str) -> None:
    assert parts_of(qualified(schema, table)) == (schema, table)


def test_names_that_look_alike_are_told_apart() -> None:
    assert lake_name("public", "orders") == "orders"
    assert lake_name("shop", "orders") == "shop__orders"
    assert qualified("a", "b") == "a.b"
    alike = [
        ("public", "shop__orders"),
        ("shop", "orders"),
        ("Shop", "orders"),
        ("a.b", "c"),
        ("a", "b.c"),
        ("a", "b_c"),
    ]
    assert len({lake_name(*item) for item in alike}) == len({qualified(*item) for item in alike}) == len(alike)
