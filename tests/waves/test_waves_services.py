"""The pool of services: what was never seen is not called caught up, and a lost database is an outage, not a defect."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from cutwater.core.clock import utc_now
from cutwater.core.errors import Unavailable
from waves.ports import Fence, ServiceStatus
from waves.services import ServicePool, settled_error


class Broken:
    """A service whose first poll already fails."""

    name = "stream"

    def poll(self, fence: Fence) -> ServiceStatus:
        raise RuntimeError("before the first status")

    def answer(self, kind: str, payload: Any, fence: Fence) -> None:
        return None

    def close(self) -> None:
        return None


def failed(error: Exception) -> Any:
    future: Future[None] = Future()
    future.set_exception(error)
    return settled_error(future, "stream")


def test_a_service_that_never_spoke_is_seen_and_is_not_caught_up() -> None:
    with ThreadPoolExecutor(1) as executor:
        pool = ServicePool(lambda names: [Broken()], Fence("W01", 1, "R1"), executor, lambda: 0.0, utc_now)
        pool.add(["stream"])
        assert [(view.name, view.caught_up) for view in pool.views()] == [("stream", False)]
        pool.pump()
        executor.submit(int).result()
        pool.pump()
        (view,) = pool.views()
    assert not view.caught_up
    assert "CW3020" in view.error


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("select 1", None, Exception("terminating connection due to unexpected postmaster exit")),
        ConnectionResetError("reset by peer"),
    ],
)
def test_a_database_that_went_away_is_tried_again(error: Exception) -> None:
    found = failed(error)
    assert isinstance(found, Unavailable)
    assert found.next


def test_what_the_database_says_no_to_stays_a_defect() -> None:
    assert failed(IntegrityError("insert", None, Exception("duplicate key"))).code == "CW3020"
