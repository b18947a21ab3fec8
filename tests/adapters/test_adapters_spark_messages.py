"""The mapInArrow function: every payload has its rows, and the rows say what the parser says."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from adapters.spark.messages import COLUMNS, arrow_schema, event_rows

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "payments"))
import payments_samples as samples


def test_every_payload_has_its_rows() -> None:
    payloads = [
        samples.pacs008(),
        samples.pain001(),
        b"hello",
        samples.ACK,
        samples.mt103("A") + b"$" + samples.mt103("B"),
        None,
    ]
    batch = pa.RecordBatch.from_pydict(
        {"payload": pa.array(payloads, pa.binary()), "stream": ["s"] * 6, "position": [str(n) for n in range(6)]}
    )
    (found,) = event_rows(iter([batch]))
    assert found.schema == arrow_schema()
    rows = found.to_pylist()
    assert [row["position"] for row in rows] == ["0", "1", "1", "1", "2", "3", "4", "4", "5"]
    assert [row["message_status"] for row in rows] == ["ok"] * 4 + ["rejected", "ok", "ok", "ok", "rejected"]
    assert (rows[0]["amount"], rows[0]["currency"], rows[0]["message_type"]) == (
        Decimal("100.5"),
        "EUR",
        "pacs.008.001.08",
    )
    assert rows[4]["event_key"] is None
    assert "unknown_format" in rows[4]["findings"]


def test_the_two_schemas_are_one() -> None:
    assert [name for name, _ in COLUMNS] == arrow_schema().names
    assert len({name for name, _ in COLUMNS}) == len(COLUMNS)
