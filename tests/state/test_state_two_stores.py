"""A store opened twice in one process, and once by another that ends: nothing that is written after is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cutwater.state.store import open_store

# Opens, says what it sees, closes: as every command does while a wave's runner lives.
OTHER = """
import sys
from cutwater.state.store import open_store
with open_store(sys.argv[1]) as store:
    print([row.payload["n"] for row in store.journal.records("W01")])
"""


def seen_by_another(url: str) -> str:
    done = subprocess.run([sys.executable, "-c", OTHER, url], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_what_is_written_after_a_second_store_was_closed_is_there(tmp_path: Path) -> None:
    """SQLite's locks are the process's: a file that is opened and closed beside it would drop them all, and the other
    process would then take the write-ahead log for its own to delete."""
    url = f"sqlite:///{tmp_path / 'state.db'}"
    with open_store(url) as runner:
        runner.journal.append("W01", "run.started", {"n": 1})
        with open_store(url) as second:
            second.journal.append("W01", "run.started", {"n": 2})
        assert seen_by_another(url) == "[1, 2]"
        runner.journal.append("W01", "run.started", {"n": 3})
        assert seen_by_another(url) == "[1, 2, 3]"
        assert runner.journal.verify() == []
