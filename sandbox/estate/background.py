"""Traffic as a process of its own: started, found again, and ended cleanly. It survives the command that started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from cutwater.core.config import Project, load_project
from cutwater.core.errors import Refused, Unavailable
from sandbox.estate import state
from sandbox.estate.traffic import CANNOT_WAIT, Traffic

START_SECONDS, STOP_SECONDS = 60, 90
# Held so that Python does not warn of a process that is meant to outlive us.
_started: list[subprocess.Popen[bytes]] = []
_PID, _RESULT, _LOG = "traffic.pid", "traffic-result.json", "traffic.log"


def running(project: Project) -> dict[str, Any] | None:
    """The pid file of a living traffic process; None where there is none (a stale file is removed)."""
    path = project.sandbox_dir / _PID
    try:
        facts = dict(json.loads(path.read_text("utf-8")))
        process = psutil.Process(int(facts["pid"]))
        if f"{process.create_time():.2f}" == facts["created"] and process.status() != psutil.STATUS_ZOMBIE:
            return facts
    except (FileNotFoundError, ValueError, KeyError):
        return None
    except psutil.NoSuchProcess:
        pass
    path.unlink(missing_ok=True)
    return None


def pay(project: Project, rate: float, seconds: float | None, cannot_wait: float = CANNOT_WAIT) -> dict[str, Any]:
    """Runs traffic in this process until its time is over, or SIGTERM or SIGINT; then drains."""
    _refuse_second(project)
    path = project.sandbox_dir / _PID
    stopped = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopped
        stopped = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        traffic = Traffic(project, rate, cannot_wait)
        created = f"{psutil.Process().create_time():.2f}"
        facts = {"pid": os.getpid(), "created": created, "run": traffic.run, "rate": str(rate)}
        result = traffic.run_until(lambda: stopped, seconds, _once(lambda: state.write_json(path, facts)))
        state.write_json(project.sandbox_dir / _RESULT, result)
        return result
    finally:
        path.unlink(missing_ok=True)
        for number, handler in before.items():
            signal.signal(number, handler)


def detach(project: Project, rate: float, seconds: float | None, cannot_wait: float = CANNOT_WAIT) -> dict[str, Any]:
    """Starts the process and waits for its first payments."""
    _refuse_second(project)
    state.load(project)
    log = project.sandbox_dir / "logs" / _LOG
    log.parent.mkdir(parents=True, exist_ok=True)
    numbers = [str(number) for number in (rate, seconds or 0, cannot_wait)]
    argv = [sys.executable, "-m", "sandbox.estate.background", str(project.root), *numbers]
    with log.open("w") as out:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd=project.root
        )
    _started.append(process)
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        facts = running(project)
        if facts is not None:
            return {"pid": facts["pid"], "run": facts["run"], "rate": rate, "log": str(log), "state": "running"}
        if process.poll() is not None:
            break
        time.sleep(0.1)
    if process.poll() is None:
        process.terminate()
    raise Unavailable(
        "CW1210",
        "the traffic process did not start paying",
        cause=log.read_text("utf-8", errors="replace")[-600:].strip(),
        state="no payment is in flight",
        next="cutwater sandbox status",
    )


def end(project: Project) -> dict[str, Any]:
    """Asks the process to finish what is in flight and to end; what it sent. Does nothing where none runs."""
    facts = running(project)
    if facts is None:
        return {"state": "not running"}
    process = psutil.Process(int(facts["pid"]))
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except psutil.TimeoutExpired:
        raise Unavailable(
            "CW1206",
            f"traffic (pid {facts['pid']}) did not end in {STOP_SECONDS} s",
            state=f"it is still running; its log is {project.sandbox_dir / 'logs' / _LOG}",
            next="cutwater sandbox traffic --stop",
        ) from None
    result = _result(project.sandbox_dir / _RESULT)
    if result.get("run") != facts["run"]:
        log = project.sandbox_dir / "logs" / _LOG
        raise Unavailable(
            "CW1206",
            f"traffic (pid {facts['pid']}) ended without finishing what was in flight",
            cause=log.read_text("utf-8", errors="replace")[-600:].strip() if log.exists() else "",
            state="payments may stand without their last status",
            next="cutwater sandbox status",
        )
    return {"state": "stopped", **result}


def _refuse_second(project: Project) -> None:
    facts = running(project)
    if facts is not None:
        raise Refused(
            "CW1205",
            f"traffic is already running (pid {facts['pid']}, {facts['rate']} payments/s)",
            state="nothing was started",
            next="cutwater sandbox traffic --stop",
        )


def _once(work: Callable[[], None]) -> Callable[[], None]:
    done = False

    def first() -> None:
        nonlocal done
        if not done:
            done = True
            work()

    return first


def _result(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return {}


def main(argv: list[str]) -> None:
    """The process's own entrance."""
    rate, seconds, cannot_wait = (float(text) for text in argv[1:4])
    pay(load_project(Path(argv[0])), rate, seconds or None, cannot_wait)


if __name__ == "__main__":
    main(sys.argv[1:])
