"""A second opinion: datacompy's own report over the differing rows, written beside ours.

Values that could be personal are masked with a short hash, so that what differs still differs. Decimals stay Decimals.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from inventory.model import TableMapping
from reconciliation.encoding import Field, Kind, compared, text_of
from reconciliation.rows import SHOWN, Witness, shown


def peer_report(mapping: TableMapping, witness: Witness) -> str:
    """datacompy's text over the rows that `witness` kept; needs the extra `reports`."""
    import datacompy
    import pandas as pd

    fields = compared(mapping)
    names = [item.name for item in fields]
    left, right = (
        pd.DataFrame([_plain(fields, row) for row in rows], columns=names, dtype=object)
        for rows in (witness.source, witness.target)
    )
    join: dict[str, Any] = {"join_columns": list(mapping.key)} if mapping.key else {"on_index": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas' advice on object columns: they are object on purpose
        found = datacompy.PandasCompare(left, right, df1_name="source", df2_name="lake", abs_tol=0, rel_tol=0, **join)
        return str(found.report(sample_count=10))


def _plain(fields: Sequence[Field], row: Mapping[str, Any]) -> dict[str, Any]:
    return {item.name: _value(item, row[item.name]) for item in fields}


def _value(field: Field, value: Any) -> Any:
    if value is None or field.kind not in (Kind.TEXT, Kind.BINARY) or field.name in SHOWN or field.uuid:
        return value
    text = text_of(field, value) or ""
    return f"{shown(field, value)}#{hashlib.sha256(text.encode()).hexdigest()[:6]}"
