"""A query's rows as a stream of Arrow batches, through ADBC, in an exported snapshot: memory stays that of one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg import sql

from adapters.postgres.arrow_reader import BATCH_BYTES, database, run, session
from cutwater.core.errors import Unavailable

if TYPE_CHECKING:
    import pyarrow as pa


@contextmanager
def streamed(dsn: str, query: str, name: str, exported: str) -> Iterator[pa.RecordBatchReader]:
    """Raises Unavailable CW4004 where the source breaks off, also while the batches are read."""
    import pyarrow as pa
    from adbc_driver_manager import AdbcConnection, AdbcStatement, Error

    try:
        with AdbcConnection(database(session(dsn, name))) as db:
            db.set_autocommit(False)
            run(db, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            run(db, "SET TRANSACTION SNAPSHOT " + sql.Literal(exported).as_string(None))
            with AdbcStatement(db) as prepared:
                prepared.set_options(**{"adbc.postgresql.batch_size_hint_bytes": BATCH_BYTES})
                prepared.set_sql_query(query)
                stream, _ = prepared.execute_query()
                yield pa.RecordBatchReader.from_stream(stream)
    except (Error, pa.ArrowException) as error:
        raise Unavailable(
            "CW4004",
            "a table could not be read to its end",
            cause=str(error).splitlines()[0][:300],
            state="nothing was changed; the table counts as not checked",
            next="the same command again",
        ) from error


def counted(batches: pa.RecordBatchReader, told: Callable[[int], None]) -> pa.RecordBatchReader:
    """The same batches; `told` hears the bytes of each."""
    import pyarrow as pa

    def every() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            told(batch.nbytes)
            yield batch

    return pa.RecordBatchReader.from_batches(batches.schema, every())
