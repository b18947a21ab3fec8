"""What a notification service remembers: each message that it told its customers of, by topic, partition and offset.

One SQLite file per side. `times` counts: a message that was told twice shows, it does not vanish in an upsert.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from sandbox.layout import Layout

SIDES = ("legacy", "tobe")
Place = tuple[str, int, int]  # topic, partition, offset
_SCHEMA = """
CREATE TABLE IF NOT EXISTS told (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, "offset" INTEGER NOT NULL, message_key TEXT, epoch INTEGER NOT NULL,
  times INTEGER NOT NULL DEFAULT 1, PRIMARY KEY (topic, partition, "offset")) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS topic (name TEXT PRIMARY KEY, id TEXT NOT NULL);
"""
_TELL = """
INSERT INTO told (topic, partition, "offset", message_key, epoch) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET times = times + 1"""


def path_of(layout: Layout, side: str) -> Path:
    return layout.data / "notify" / f"{side}.db"


def hold_file(layout: Layout) -> Path:
    """While it is there nobody reads: a copy of a sandbox is given its groups' offsets first (sandbox.clone)."""
    return layout.data / "notify" / "hold"


class Book:
    """One side's record. Opened by the thread that uses it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.database = sqlite3.connect(path, timeout=30)
        self.database.execute("PRAGMA journal_mode=WAL")
        self.database.executescript(_SCHEMA)

    def tell(self, messages: Iterable[tuple[Place, str]], epoch: int) -> None:
        """Records messages (place, key) in one transaction; once it returns they have been told."""
        with self.database:
            self.database.executemany(_TELL, [(*place, key, epoch) for place, key in messages])

    def positions(self) -> dict[tuple[str, int], int]:
        """Per topic and partition the offset behind the last message that was told."""
        query = 'SELECT topic, partition, max("offset") + 1 FROM told GROUP BY topic, partition'
        return {(topic, partition): at for topic, partition, at in self.database.execute(query)}

    def known(self, topics: Mapping[str, str]) -> None:
        """topics: name -> Kafka's id. What was told of a topic that was made anew since is forgotten with it."""
        with self.database:
            for name, number in topics.items():
                row = self.database.execute("SELECT id FROM topic WHERE name = ?", [name]).fetchone()
                if row is not None and row[0] != number:
                    self.database.execute("DELETE FROM told WHERE topic = ?", [name])
                self.database.execute("INSERT OR REPLACE INTO topic VALUES (?, ?)", [name, number])

    def close(self) -> None:
        self.database.close()


def told(layout: Layout) -> dict[str, dict[Place, int]]:
    """Side -> place -> how often, of both sides; read by tests and the demo's verdict."""
    found: dict[str, dict[Place, int]] = {}
    for side in SIDES:
        book = Book(path_of(layout, side))
        try:
            rows = book.database.execute('SELECT topic, partition, "offset", times FROM told').fetchall()
        finally:
            book.close()
        found[side] = {(topic, partition, offset): times for topic, partition, offset, times in rows}
    return found
