"""The lake's feed tables in Iceberg: created from lakehouse.tables, and columns of values to Arrow by the same types."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from adapters.iceberg.types import arrow_schema
from lakehouse.tables import LAKE_TABLES, TableSpec

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from lakehouse.intake import Columns

# A blind retry of an append would take a batch in twice where another writer came first: the store looks again instead.
NEEDED = {"commit.retry.num-retries": "0", "commit.manifest-merge.enabled": "true"}
_CREATED = {
    **NEEDED,
    "format-version": "2",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    "write.parquet.compression-codec": "zstd",
}


def open_tables(catalog: Catalog) -> dict[str, Table]:
    """The four tables by name, created where absent, with the properties that exactly-once rests on."""
    return {spec.name: _open(catalog, spec) for spec in LAKE_TABLES}


def _open(catalog: Catalog, spec: TableSpec) -> Table:
    from pyiceberg.exceptions import NoSuchTableError

    try:
        table = catalog.load_table(spec.name)
    except NoSuchTableError:
        table = _create(catalog, spec)
    missing = {key: value for key, value in NEEDED.items() if table.properties.get(key) != value}
    if missing:
        with table.transaction() as transaction:
            transaction.set_properties(missing)
    return table


def _create(catalog: Catalog, spec: TableSpec) -> Table:
    from pyiceberg.exceptions import TableAlreadyExistsError

    catalog.create_namespace_if_not_exists(spec.name.partition(".")[0])
    properties = {**_CREATED, "comment": spec.comment}
    try:
        transaction = catalog.create_table_transaction(spec.name, schema=schema_of(spec), properties=properties)
        if spec.partition_by:
            with transaction.update_spec() as update:
                update.add_identity(spec.partition_by)
        transaction.commit_transaction()
    except TableAlreadyExistsError:
        pass  # another tap was quicker: its table is as good
    return catalog.load_table(spec.name)


@cache
def schema_of(spec: TableSpec) -> pa.Schema:
    """The Arrow schema of a table."""
    return arrow_schema(spec.columns)


def to_arrow(spec: TableSpec, columns: Columns) -> pa.Table:
    """Columns of Python values as an Arrow table in the table's order. Raises ArrowInvalid where a value does not fit."""
    import pyarrow as pa

    schema = schema_of(spec)
    return pa.Table.from_arrays([pa.array(columns[item.name], type=item.type) for item in schema], schema=schema)
