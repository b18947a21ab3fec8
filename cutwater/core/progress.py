"""Progress of long work: bars on a terminal, one line per change in a pipe, always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


class Task(Protocol):
    """One piece of long work."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Done `amount` units more (rows, bytes, records)."""

    def total(self, total: int) -> None:
        """The total became known, or was corrected."""


class Progress(Protocol):
    """Where long work reports to."""

    def task(self, name: str, total: int | None = None, unit: str = "rows") -> Task:
        """Begin a piece of work of `total` units."""

    def say(self, line: str) -> None:
        """One line of the story."""


class Silent:
    """Reports nothing: for tests and for `--output json` in a pipe."""

    def task(self, name: str, total: int | None = None, unit: str = "rows") -> Task:
        return _SilentTask()

    def say(self, line: str) -> None:
        return None


class _SilentTask:
    def advance(self, amount: int = 1, note: str = "") -> None:
        return None

    def total(self, total: int) -> None:
        return None


class Lines:
    """For a pipe: a line at the start, then at most one per 30 s or 25 %, and one at the end."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr

    def task(self, name: str, total: int | None = None, unit: str = "rows") -> Task:
        return _LineTask(self, name, total, unit)

    def say(self, line: str) -> None:
        print(line, file=self.stream, flush=True)


class _LineTask:
    def __init__(self, out: Lines, name: str, total: int | None, unit: str) -> None:
        self.out, self.name, self.goal, self.unit = out, name, total, unit
        self.done, self.said, self.at = 0, 0, time.monotonic()

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.done += amount
        finished = self.goal is not None and self.done >= self.goal > self.said
        step = self.goal is not None and self.done - self.said >= max(1, self.goal // 4)
        if finished or step or time.monotonic() - self.at >= 30:
            of = f" of {self.goal:,}" if self.goal is not None else ""
            self.out.say(f"  {self.name}: {self.done:,}{of} {self.unit}{' ' + note if note else ''}")
            self.said, self.at = self.done, time.monotonic()

    def total(self, total: int) -> None:
        self.goal = total


class Bars:
    """For a terminal."""

    def __init__(self, rich_progress: RichProgress) -> None:
        self.rich = rich_progress

    def task(self, name: str, total: int | None = None, unit: str = "rows") -> Task:
        return _BarTask(self.rich, self.rich.add_task(name, total=total, unit=unit))

    def say(self, line: str) -> None:
        self.rich.console.print(line, markup=False, highlight=False)


class _BarTask:
    def __init__(self, bar: RichProgress, task_id: TaskID) -> None:
        self.bar, self.task_id = bar, task_id

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.bar.advance(self.task_id, amount)

    def total(self, total: int) -> None:
        self.bar.update(self.task_id, total=total)


@contextmanager
def progress_for(quiet: bool = False) -> Iterator[Progress]:
    """Bars where standard error is a terminal, lines where it is a pipe, nothing when `quiet`."""
    if quiet:
        yield Silent()
        return
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("  {task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True, highlight=False), transient=True) as bar:
        yield Bars(bar)
