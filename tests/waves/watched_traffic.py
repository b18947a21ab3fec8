"""Traffic that remembers each payment and each answer of the API, and can say afterwards what became of every one."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import httpx
import psycopg

from cutwater.core.clock import utc_now
from cutwater.core.config import Project
from sandbox.estate import observe
from sandbox.estate.api_client import ApiClient, _body
from sandbox.estate.book import Work
from sandbox.estate.model import Payment, Status
from sandbox.estate.traffic import TICKS, Traffic
from sandbox.estate.truth import Tally
from sandbox.estate.world import draw_payment, make_rng

POSTS_MORE = 2.0  # a second, through the API
# What a client can act on: it is done; it comes back later; it repeats with its key.
DONE, LATER, AGAIN = (200, 201), (503,), (502, 504)


class Answers(httpx.Client):
    """Every answer, or that there was none, by idempotency key."""

    def __init__(self, url: str) -> None:
        super().__init__(base_url=url, timeout=5, trust_env=False)
        self.seen: list[tuple[str, str, str]] = []  # key, answer, side
        self.useless: list[str] = []
        self.lose, self.lost = False, ""

    def post(self, url: Any, **more: Any) -> httpx.Response:
        key = more["headers"]["Idempotency-Key"]
        try:
            answer = super().post(url, **more)
        except httpx.TransportError as error:
            self.seen.append((key, type(error).__name__, ""))
            raise
        if self.lose and answer.status_code in DONE:
            self.lose, self.lost = False, key
            raise httpx.ReadError("the answer was lost")
        self.seen.append((key, str(answer.status_code), answer.headers.get("X-Cutwater-Side", "")))
        late = answer.status_code in LATER and answer.headers.get("retry-after", "").isdecimal()
        if answer.status_code not in (*DONE, *AGAIN) and not late:
            self.useless.append(f"{answer.status_code} {answer.text[:200]}")
        return answer


class WatchedTraffic(Traffic):
    """A thread of its own pays, until `finish`; its ledger is kept by uetr."""

    def __init__(self, project: Project, rate: float) -> None:
        super().__init__(project, rate)
        self.api.close()
        self.api = ApiClient(self.endpoints.gateway_url)
        self.api.close()
        self.api._client = self.answers = Answers(self.endpoints.gateway_url)
        self.ledger: dict[str, Payment] = {}
        self.written: dict[str, list[Status]] = {}
        self.mute = False
        self.sides_taken: Counter[str] = Counter()
        self.ended, self.died = threading.Event(), ""
        self.thread = threading.Thread(target=self._live, name="traffic")
        self.thread.start()

    def lose_an_answer(self) -> str:
        """The next payment that the API takes in gets no answer, and its client waits. Returns its key."""
        self.answers.lose, self.mute = True, True
        while not self.answers.lost:
            self.ended.wait(0.05)
        return self.answers.lost

    def go_on(self) -> None:
        """The client whose answer was lost repeats its request."""
        self.mute = False

    def body(self, uetr: str) -> dict[str, object]:
        """A payment that nobody has drawn, as the API takes it."""
        payment = draw_payment(make_rng("body", uetr), self.world, "API", utc_now())
        payment.uetr, payment.end_to_end_id = uetr, "STALE"
        return _body(payment)

    def finish(self) -> None:
        """Pays no more, finishes what is in flight, and lets go."""
        self.ended.set()
        self.thread.join()

    def _live(self) -> None:
        try:
            self.run_until(self.ended.is_set, None, lambda: None)
        except Exception as error:  # noqa: BLE001 - told by `wrong`
            self.died = f"{type(error).__name__}: {error}"

    def _post(self, now: Any) -> None:
        if self.mute and self.answers.lost:
            return
        self._posts_owed += POSTS_MORE / TICKS
        super()._post(now)

    def _written(self, work: Work, tally: Tally) -> None:
        super()._written(work, tally)
        self.sides_taken[self.sides.route.side] += len(work.opened)
        for payment, status in work.advanced:
            self.ledger[payment.uetr] = payment
            self.written.setdefault(payment.uetr, []).append(status)

    def _taken(self, payment: Payment, payment_id: int) -> None:
        super()._taken(payment, payment_id)
        self.ledger[payment.uetr] = payment
        self.written.setdefault(payment.uetr, []).append(payment.statuses[0])

    def wrong(self) -> list[str]:
        """Where the legacy side, the store or a client's answers do not agree with the ledger; [] as a rule."""
        found = [f"traffic died: {self.died}"] if self.died else []
        found += [f"an answer that no client can act on: {text}" for text in self.answers.useless[:5]]
        found += [f"{name}: {count} left" for name, count in self.errors.items() if name in ("unfinished", "api")]
        posted = {key for key, _, _ in self.answers.seen}
        found += [f"posted and never settled: {key}" for key in sorted(posted - set(self.ledger))[:5]]
        found += [f"legacy {text}" for text in self._against(self.endpoints.postgres_dsn, "payhub", whole=True)]
        found += [f"store {text}" for text in self._against(self.endpoints.store_dsn, "tobe", whole=False)]
        return found + [text for text in observe.differences(self.project) if not self._repeated(text)]

    def _against(self, dsn: str, schema: str, whole: bool) -> list[str]:
        """Each payment once, unaltered, with the statuses that were written. whole: every payment has to be there."""
        payments, statuses = _rows(dsn, schema, list(self.ledger))
        found = []
        for uetr, payment in self.ledger.items():
            told = (payment.payment_id, payment.amount, payment.currency, payment.end_to_end_id)
            rows = payments.get(uetr, [])
            if (whole and not rows) or len(rows) > 1 or any(row[:4] != told for row in rows):
                found.append(f"{uetr}: told {told}, found {rows}")
            wanted = sorted((status.seq, status.status) for status in self.written[uetr])
            if whole and statuses.get(uetr) != wanted:
                found.append(f"{uetr}: statuses told {wanted}, found {statuses.get(uetr)}")
            elif not set(statuses.get(uetr, [])) <= set(wanted):
                found.append(f"{uetr}: statuses told {wanted}, found {statuses.get(uetr)}")
            if whole and rows and rows[0][4] != wanted[-1][1]:
                found.append(f"{uetr}: its status is {rows[0][4]}, told {wanted[-1][1]}")
        return found[:10]

    @staticmethod
    def _repeated(difference: str) -> bool:
        """An outbox's relay publishes at least once: what a broker took before it died is sent again, with its event id."""
        if not difference.startswith("topics "):
            return False
        told, seen = (int(part.split(" ")[-1]) for part in difference.split(": ")[1].split(", "))
        return seen > told


def _rows(dsn: str, schema: str, uetrs: list[str]) -> tuple[dict[str, list[Any]], dict[str, list[tuple[int, str]]]]:
    names = "payment_id, amount, currency::text, end_to_end_id, status::text"
    with psycopg.connect(dsn) as db:
        rows = db.execute(
            f"SELECT uetr::text, {names} FROM {schema}.payment WHERE uetr = ANY(%s::uuid[])".encode(), [uetrs]
        ).fetchall()
        told = db.execute(
            f"SELECT p.uetr::text, s.seq, s.status::text FROM {schema}.payment_status s JOIN {schema}.payment p "
            f"ON p.payment_id = s.payment_id WHERE p.uetr = ANY(%s::uuid[]) ORDER BY 1, 2".encode(),
            [uetrs],
        ).fetchall()
    payments: dict[str, list[Any]] = {}
    statuses: dict[str, list[tuple[int, str]]] = {}
    for uetr, *rest in rows:
        payments.setdefault(uetr, []).append(tuple(rest))
    for uetr, seq, status in told:
        statuses.setdefault(uetr, []).append((seq, status))
    return payments, statuses
