"""Fixtures of these tests; the estate itself is in reconciliation_estate.py."""

from __future__ import annotations

import pytest
from reconciliation_estate import Feeds


@pytest.fixture
def feeds() -> Feeds:
    return Feeds()
