"""The lake's catalog: JDBC tables in PostgreSQL, read by PyIceberg here and by Spark elsewhere under one name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cutwater.core.errors import Unavailable

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from cutwater.core.config import Endpoints

NAME = "lake"  # part of every row of the JDBC catalog: Spark must use the same


def open_catalog(endpoints: Endpoints) -> Catalog:
    """Raises Unavailable (CW3201) where the catalog's database does not answer."""
    from pyiceberg.catalog.sql import SqlCatalog
    from sqlalchemy.exc import SQLAlchemyError

    uri = endpoints.catalog_dsn.replace("postgresql://", "postgresql+psycopg://", 1)
    try:
        return SqlCatalog(NAME, uri=uri, warehouse=endpoints.warehouse)
    except SQLAlchemyError as error:
        text = str(error.__cause__ or error).strip().splitlines()[0]
        raise Unavailable(
            "CW3201",
            "the lake's catalog does not answer",
            cause=text,
            state="nothing was written to the lake",
            next="start the catalog's database, then run the same command",
        ) from error
