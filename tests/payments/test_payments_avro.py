"""The events' Avro schema: generated from the model, versioned, and never changed so that an older reader fails."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

import payments_samples as samples
import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer

from payments.avro import VERSION, broken, record, schema
from payments.registry import parse

SPECS = Path(__file__).resolve().parents[2] / "docs" / "specs"


def stored(version: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SPECS / f"payment-event.v{version}.avsc").read_text())
    return found


def test_the_schema_is_the_stored_one_of_its_version() -> None:
    assert schema() == stored(VERSION), "the model has changed: raise payments.avro.VERSION and store the new schema"
    for version in range(1, VERSION):
        assert broken(stored(version), stored(version + 1)) == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda one: one["fields"].pop(0), "event_key is gone or renamed"),
        (lambda one: one["fields"][0].update(name="key"), "event_key is gone or renamed"),
        (lambda one: one["fields"][0].update(type="int"), "event_key was string and is int"),
        (lambda one: one["fields"][8].update(type="string"), "uetr was null or string and is string"),
        (lambda one: one["fields"].append({"name": "new", "type": "string"}), "new is new and has no default"),
    ],
)
def test_a_change_that_breaks_a_reader_is_named(change: Any, why: str) -> None:
    new = copy.deepcopy(schema())
    change(new)
    assert why in broken(schema(), new)


def test_a_field_with_a_default_and_a_wider_one_may_come() -> None:
    new = copy.deepcopy(schema())
    new["fields"].append({"name": "new", "type": ["null", "string"], "default": None})
    new["fields"][0]["type"] = ["null", "string"]
    assert broken(schema(), new) == []


@pytest.mark.parametrize(
    "payload", [samples.pacs008(), samples.pacs002(), samples.mt103(), samples.MT940, samples.bacs(), samples.pain001()]
)
def test_every_event_is_written_and_read_back(payload: bytes) -> None:
    form = parse_schema(schema())
    for event in parse(payload).events:
        out = io.BytesIO()
        schemaless_writer(out, form, record(event))
        assert schemaless_reader(io.BytesIO(out.getvalue()), form, None) == record(event)
