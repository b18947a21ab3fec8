"""One sandbox for the whole session: started when the first test asks for it, removed with its data at the end."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from cutwater.core.config import CONTAINERS, PROVIDER_VARIABLE, Project, load_project

# A deadline is a timing assertion: on a machine that does other work, too, it fails for no reason of ours.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def session_home() -> Iterator[Path]:
    """CUTWATER_HOME of this session. Not pytest's own folder: that one is closed to other accounts, and PostgreSQL's is one."""
    folder = Path(tempfile.mkdtemp(prefix="cutwater-test-"))
    folder.chmod(0o711)
    before = os.environ.get("CUTWATER_HOME")
    os.environ["CUTWATER_HOME"] = str(folder)
    yield folder
    if before is None:
        os.environ.pop("CUTWATER_HOME", None)
    else:
        os.environ["CUTWATER_HOME"] = before
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sandbox_project(session_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose sandbox is up. Tests share it: each makes its own schemas, topics and names."""
    from sandbox import containers, servers

    if os.environ.get(PROVIDER_VARIABLE) == CONTAINERS and (why := containers.absence()):
        pytest.skip(f"{PROVIDER_VARIABLE}={CONTAINERS}: {why}")
    root = tmp_path_factory.mktemp("project")
    (root / "cutwater.toml").write_text(
        f'[project]\nname = "test-{secrets.token_hex(3)}"\n\n[endpoints]\nfrom = "sandbox"\n', "utf-8"
    )
    project = load_project(root)
    try:
        servers.up(project)
        yield project
    finally:
        servers.down(project, delete=True)
