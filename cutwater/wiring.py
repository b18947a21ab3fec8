"""The one place that maps a configured kind to an adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.duckdb.compare_side import LakeSide
    from adapters.postgres.compare_side import PostgresSide
    from cutwater.core.config import Project
    from reconciliation.ports import FeedView


def compare_sides(project: Project) -> tuple[PostgresSide, LakeSide]:
    """Both sides of a table comparison: the source under its exported snapshot, the lake at its snapshot ids."""
    from adapters.duckdb.compare_side import LakeSide
    from adapters.duckdb.lake import LakeReader
    from adapters.iceberg.catalog import open_catalog
    from adapters.postgres.compare_side import PostgresSide

    ends = project.endpoints()
    return PostgresSide(ends.postgres_dsn), LakeSide(LakeReader(open_catalog(ends)))


def feed_view(project: Project) -> FeedView:
    """Both sides of the feeds: the lake's tables, and the broker's and the folders' own listings."""
    from pathlib import Path

    from adapters.duckdb.feed_view import LakeFeedView
    from adapters.duckdb.lake import LakeReader
    from adapters.files.feed_sources import Sources
    from adapters.files.listing import FileListing
    from adapters.iceberg.catalog import open_catalog
    from adapters.kafka.watermarks import Watermarks
    from reconciliation.ports import FeedView

    ends = project.endpoints()
    sources = Sources(Watermarks(ends.kafka_bootstrap), FileListing(Path(ends.drop_dir), Path(ends.swift_dir)))
    return FeedView(LakeFeedView(LakeReader(open_catalog(ends))), sources)
