"""The lake's own tables as data: (column, Iceberg type, required). Adapters create them from this one definition.

`legacy.<table>` and `legacy_changes.<table>` come from a mapping instead (inventory.model.TableMapping).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    required: bool = False


@dataclass(frozen=True)
class TableSpec:
    name: str
    columns: tuple[Column, ...]
    partition_by: str = ""  # a column, partitioned by its identity
    comment: str = ""


RAW_MESSAGE = TableSpec(
    "raw.message",
    (
        Column("message_id", "string", True),  # sha256 of stream and position: the same delivery has the same id
        Column("stream", "string", True),  # kafka:<topic> | file:<feed> | swift:<feed>
        Column("position", "string", True),  # "<partition>:<offset>", file name, or archive name
        Column("partition", "int"),
        Column("offset", "long"),
        Column("file_name", "string"),
        Column("lt", "string"),  # logical terminal, 12 characters
        Column("session", "string"),
        Column("sequence", "long"),  # OSN of a received, ISN of a sent message
        Column("schema_id", "int"),
        Column("sha256", "string", True),
        Column("size", "long", True),
        Column("headers", "string"),  # JSON
        Column("payload", "binary", True),
        Column("received_at", "timestamptz", True),
        Column("ingest_day", "date", True),
    ),
    partition_by="ingest_day",
    comment="Every received message as it came. Immutable: the event store.",
)

RAW_INTAKE = TableSpec(
    "raw.intake",
    (
        Column("message_id", "string", True),
        Column("stream", "string", True),
        Column(
            "outcome", "string", True
        ),  # accepted | duplicate | conflict | quarantined | control (nothing to book: ACK)
        Column("format", "string"),
        Column("events", "int", True),  # events of the message in all
        Column("duplicates", "int", True),  # of them, already known with the same content
        Column("findings", "string"),  # JSON
        Column("control", "string"),  # JSON: stated control totals
        Column("decided_at", "timestamptz", True),
    ),
    comment="What became of each message: in = accepted + duplicate + conflict + quarantined + control.",
)

PAYMENT_EVENT = TableSpec(
    "core.payment_event",
    (
        Column("event_key", "string", True),
        Column("content_hash", "string", True),
        Column("message_id", "string", True),
        Column("stream", "string", True),
        Column("family", "string", True),
        Column("kind", "string", True),
        Column("sender", "string"),
        Column("message_ref", "string"),
        Column("ordinal", "string"),
        Column("payment_key", "string", True),
        Column("uetr", "string"),
        Column("end_to_end_id", "string"),
        Column("instruction_id", "string"),
        Column("amount", "decimal(23,5)"),
        Column("currency", "string"),
        Column("value_date", "date"),
        Column("status", "string"),
        Column("reason", "string"),
        Column("reporter", "string"),
        Column("event_time", "timestamptz"),
        Column("debtor_account", "string"),
        Column("creditor_account", "string"),
        Column("batch_id", "string"),
        Column("extra", "string"),  # JSON
        Column("ingested_at", "timestamptz", True),
    ),
    comment="Canonical events, append-only, exactly once by event key.",
)

QUARANTINE = TableSpec(
    "quarantine.message",
    (
        Column("message_id", "string", True),
        Column("stream", "string", True),
        Column("rule", "string", True),
        Column("place", "string"),
        Column("text", "string"),
        Column("payload", "binary"),
        Column("quarantined_at", "timestamptz", True),
    ),
    comment="What could not be accepted, with the reason.",
)

LAKE_TABLES = (RAW_MESSAGE, RAW_INTAKE, PAYMENT_EVENT, QUARANTINE)

# Columns in front of the source's own in every change table.
CHANGE_COLUMNS = (
    Column("_lsn", "long", True),  # end of the commit record
    Column("_seq", "long", True),  # ordinal within the transaction
    Column("_xid", "long", True),  # 64-bit transaction id
    Column("_op", "string", True),  # I | U | D
    Column("_commit_ts", "timestamptz", True),
    Column("_unchanged", "string"),  # comma-separated names of unchanged TOAST columns
)
