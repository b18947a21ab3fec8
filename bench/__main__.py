"""`make bench`: every bench, or those named: `python -m bench [NAME...] [--rows N]`.

A bench is a function from the number of rows to a Section; add it to BENCHES.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from bench import backfill, compare, messages, places
from bench.report import Section, machine, show, write

BENCHES: dict[str, Callable[[int], Section]] = {
    "backfill": backfill.bench,
    "compare": compare.bench,
    "places": places.bench,
    "messages": messages.bench,
}


def main() -> None:
    """Runs, prints, writes docs/benchmarks.md (only where every bench was run)."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BENCHES)}; none: all")
    parser.add_argument("--rows", type=int, default=500_000)
    given = parser.parse_args()
    unknown = sorted(set(given.names) - set(BENCHES))
    if unknown:
        parser.error(f"there is no bench {', '.join(unknown)}")
    facts = machine()
    sys.stdout.write(facts + "\n")
    sections = []
    for name, run in BENCHES.items():
        if given.names and name not in given.names:
            continue
        sections.append(run(given.rows))
        show(sections[-1])
    if not given.names:
        write(sections, facts)


if __name__ == "__main__":
    main()
