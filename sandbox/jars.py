"""The sandbox's Java archives: a lock file of coordinates and hashes, and a fetch that trusts nothing else.

`jars.lock` names no host. Files come from the Maven client's own default repository or from the mirror that its user
names (CUTWATER_MAVEN_MIRROR); what arrives is compared with the lock before it gets its name, so a file that stands
in the cache under its name is the right one. A maintainer renews the lock with `python -m sandbox.jars lock`.
"""

from __future__ import annotations

import fcntl
import os
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cutwater.core.config import cache_home
from cutwater.core.errors import BadInput, Refused, Unavailable
from cutwater.core.hashing import sha256_file
from cutwater.core.progress import Progress, Silent, Task

LOCK = Path(__file__).with_name("jars.lock")
MIRROR = "CUTWATER_MAVEN_MIRROR"
THREADS = 4
TIMEOUT_SECONDS = 60
_PIECE = 1 << 18

# Roots of the lock, by group. A trailing `+` asks for the transitive closure (compile and runtime scope).
ROOTS: dict[str, tuple[str, ...]] = {
    "kafka": ("org.apache.kafka:kafka_2.13:4.1.1+", "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"),
    "registry": ("io.apicurio:apicurio-registry-app:3.0.9:all@tar.gz",),
    "spark": (
        "org.apache.spark:spark-sql-kafka-0-10_2.12:3.5.7",
        "org.apache.spark:spark-token-provider-kafka-0-10_2.12:3.5.7",
        "org.apache.kafka:kafka-clients:3.4.1",
        "org.apache.commons:commons-pool2:2.11.1",
        "org.apache.spark:spark-avro_2.12:3.5.7",
        "org.apache.iceberg:iceberg-spark-runtime-3.5_2.12:1.10.1",
        "org.postgresql:postgresql:42.7.14",
    ),
}


@dataclass(frozen=True, order=True)
class Coordinate:
    """`group:artifact:version[:classifier][@packaging]`."""

    group: str
    artifact: str
    version: str
    classifier: str = ""
    packaging: str = "jar"

    @classmethod
    def parse(cls, text: str) -> Coordinate:
        """Raises BadInput (CW1103) for anything else."""
        body, _, packaging = text.partition("@")
        parts = body.split(":")
        if len(parts) not in (3, 4) or not all(parts):
            raise BadInput("CW1103", f"{text!r} is no coordinate group:artifact:version[:classifier][@packaging]")
        return cls(parts[0], parts[1], parts[2], parts[3] if len(parts) == 4 else "", packaging or "jar")

    def __str__(self) -> str:
        classifier = f":{self.classifier}" if self.classifier else ""
        packaging = f"@{self.packaging}" if self.packaging != "jar" else ""
        return f"{self.group}:{self.artifact}:{self.version}{classifier}{packaging}"

    @property
    def filename(self) -> str:
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.artifact}-{self.version}{classifier}.{self.packaging}"

    @property
    def repository_path(self) -> str:
        """The path beneath a Maven repository's root (Maven 2 layout)."""
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.filename}"


@dataclass(frozen=True, order=True)
class Locked:
    """One line of the lock: which group needs which file; `size` in bytes."""

    group: str
    coordinate: Coordinate
    sha256: str
    size: int

    @property
    def path(self) -> Path:
        """Where the file stands once it is fetched. The folder is named by content: a changed hash is another file."""
        return cache_home() / "jars" / self.sha256[:16] / self.coordinate.filename


def read_lock(path: Path = LOCK) -> list[Locked]:
    """The lock's lines; raises BadInput (CW1103) with the line's number."""
    found = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 4 or len(words[2]) != 64 or not words[3].isdecimal():
            raise BadInput(
                "CW1103",
                f"{path.name} line {number} is not `GROUP COORDINATE SHA256 BYTES`",
                next="restore the file from version control",
            )
        found.append(Locked(words[0], Coordinate.parse(words[1]), words[2].lower(), int(words[3])))
    return found


def paths(group: str, lock: Path = LOCK) -> list[Path]:
    """The files of `group` (kafka, spark, registry) in the cache, fetched or not, in the lock's order."""
    return [item.path for item in read_lock(lock) if item.group == group]


def fetch(
    groups: Iterable[str] = ("kafka", "registry", "spark"), progress: Progress | None = None, lock: Path = LOCK
) -> list[Path]:
    """Brings every missing file of the groups into the cache, four at a time, and returns all their paths.

    Interrupted, it is simply called again: finished files are kept, a `.part` is resumed. Raises Refused (CW1101) for a
    wrong hash, Unavailable (CW1102) where the repository does not answer.
    """
    wanted = [item for item in read_lock(lock) if item.group in set(groups)]
    if any(not item.path.exists() for item in wanted):
        with _only_one():
            _fetch_missing([item for item in wanted if not item.path.exists()], progress or Silent())
    return [item.path for item in wanted]


def _fetch_missing(missing: list[Locked], progress: Progress) -> None:
    unique = list({item.path: item for item in missing}.values())
    if not unique:
        return
    task = progress.task("Java archives", total=sum(item.size for item in unique), unit="bytes")
    with ThreadPoolExecutor(THREADS, thread_name_prefix="jars") as pool:
        pending = [pool.submit(_fetch_one, item, task) for item in sorted(unique, key=lambda one: -one.size)]
        try:
            for future in pending:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch_one(item: Locked, task: Task) -> None:
    part = item.path.with_name(item.path.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    resumed = part.exists() and part.stat().st_size > 0
    _download(item, part, task)
    if sha256_file(part) != item.sha256 and resumed:
        # What stood there before may have been the wrong half: once more, from nothing.
        part.unlink()
        _download(item, part, task)
    actual = sha256_file(part)
    if actual != item.sha256:
        part.unlink()
        raise Refused(
            "CW1101",
            f"{item.coordinate} is not the file that {LOCK.name} names",
            cause=f"SHA-256 {actual[:16]}..., expected {item.sha256[:16]}...",
            state="the file was removed; nothing used it",
            next=f"check the mirror ({MIRROR}), then cutwater sandbox up",
        )
    os.replace(part, item.path)


def _download(item: Locked, part: Path, task: Task) -> None:
    import requests
    from jgo.util import http

    url = f"{_repository()}/{item.coordinate.repository_path}"
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        with http.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as answer:
            if answer.status_code == 416:  # the part is complete already, or longer than the file: the hash decides
                return
            answer.raise_for_status()
            append = answer.status_code == 206
            task.advance(have if append else 0)
            with part.open("ab" if append else "wb") as out:
                for piece in answer.iter_content(_PIECE):
                    out.write(piece)
                    task.advance(len(piece))
    except requests.RequestException as error:
        raise Unavailable(
            "CW1102",
            f"{item.coordinate} could not be fetched",
            cause=_reason(error),
            state="what was fetched so far is kept and will not be fetched again",
            next=f"cutwater sandbox up (behind a firewall: {MIRROR}=<your repository> cutwater sandbox up)",
        ) from error


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    return f"the repository answered {response.status_code}" if response is not None else type(error).__name__


def _repository() -> str:
    chosen = os.environ.get(MIRROR)
    if chosen:
        return chosen.rstrip("/")
    from jgo.constants import MAVEN_CENTRAL_URL

    return str(MAVEN_CENTRAL_URL).rstrip("/")


@contextmanager
def _only_one() -> Iterator[None]:
    """One fetching process at a time; the second waits and then finds the files there."""
    folder = cache_home() / "jars"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def unpacked(group: str = "registry", lock: Path = LOCK) -> Path:
    """The folder of the group's one archive, unpacked beside it at first use (then renamed into place)."""
    archive = paths(group, lock)[0]
    folder = archive.parent / "unpacked"
    if not folder.exists():
        with _only_one():
            if not folder.exists():
                temporary = Path(tempfile.mkdtemp(dir=archive.parent))
                with tarfile.open(archive) as bundle:
                    bundle.extractall(temporary, filter="data")
                os.replace(temporary, folder)
    return folder


def write_lock(path: Path = LOCK) -> list[Locked]:
    """Resolves ROOTS with jgo and writes the lock: a maintainer's command."""
    from jgo.maven import MavenContext

    mirror = os.environ.get(MIRROR)
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder), **({"remote_repos": {"mirror": mirror}} if mirror else {}))
        locked = [
            _hashed(context, group, coordinate)
            for group, roots in ROOTS.items()
            for coordinate in sorted({found for root in roots for found in _closure(context, root)})
        ]
    head = (
        "# Java archives of the sandbox: GROUP COORDINATE SHA256 BYTES, no hosts.\n"
        "# Renewed by: python -m sandbox.jars lock\n"
    )
    lines = [f"{item.group} {item.coordinate} {item.sha256} {item.size}\n" for item in locked]
    path.write_text(head + "".join(lines), "utf-8")
    return locked


def _closure(context: object, root: str) -> list[Coordinate]:
    coordinate = Coordinate.parse(root.removesuffix("+"))
    if not root.endswith("+"):
        return [coordinate]
    dependency = context.create_dependency(f"{coordinate.group}:{coordinate.artifact}:{coordinate.version}")  # type: ignore[attr-defined]
    _, transitive = context.resolver.resolve([dependency])  # type: ignore[attr-defined]
    found = [
        Coordinate(item.groupId, item.artifactId, item.version, item.classifier or "", item.type or "jar")
        for item in transitive
        if item.scope in ("compile", "runtime") and not item.optional
    ]
    return [coordinate, *found]


def _hashed(context: object, group: str, coordinate: Coordinate) -> Locked:
    component = context.project(coordinate.group, coordinate.artifact).at_version(coordinate.version)  # type: ignore[attr-defined]
    path: Path = component.artifact(classifier=coordinate.classifier, packaging=coordinate.packaging).resolve()
    return Locked(group, coordinate, sha256_file(path), path.stat().st_size)


def verify(lock: Path = LOCK) -> list[Locked]:
    """The files in the cache whose content is no longer what the lock names."""
    present = [item for item in read_lock(lock) if item.path.exists()]
    return [item for item in present if sha256_file(item.path) != item.sha256]


def main(argv: list[str]) -> int:
    """`python -m sandbox.jars lock|fetch|verify`."""
    from cutwater.core.progress import progress_for

    verb = argv[0] if argv else ""
    if verb == "lock":
        sys.stderr.write(f"{len(write_lock())} files locked\n")
    elif verb == "fetch":
        with progress_for() as progress:
            fetch(progress=progress)
    elif verb == "verify":
        wrong = verify()
        sys.stderr.writelines(f"{item.coordinate} differs from the lock\n" for item in wrong)
        return 3 if wrong else 0
    else:
        sys.stderr.write("usage: python -m sandbox.jars lock|fetch|verify\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
