"""The actions of the step `probe`: a mark for the round, a marked message through each channel, and what the lake made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from adapters.probe.message_file import filled, load_probe, words
from cutwater.core.clock import Clock, iso, parse_iso, utc_now
from cutwater.core.errors import Refused
from cutwater.core.ids import new_id
from waves.ports import Fence, Outcome, Waiting


class Sender(Protocol):
    """One way to deliver: adapters/kafka/probe.py, adapters/files/probe.py."""

    def send(self, probe: Any, known: Mapping[str, str]) -> Outcome: ...
    def find(self, probe: Any, known: Mapping[str, str]) -> Outcome | None: ...


class ProbeMark:
    """`probe.mark` {wave}: out are mark and at; another mark in every round."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self.clock = clock

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        return {"mark": f"{args['wave']}-{new_id('P')}", "at": iso(self.clock())}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # nothing was sent under a mark that was not recorded

    def describe(self, args: Mapping[str, Any]) -> str:
        return "choose the mark of this round's probes"


class ProbeSend:
    """`probe.send` {wave, channel, mark, at}: out is the place. senders: by `through` of the channel's file."""

    def __init__(self, folder: Path, senders: Mapping[str, Sender]) -> None:
        self.folder, self.senders = folder, senders

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        sender, probe, known = self._of(args)
        return sender.send(probe, known)

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        sender, probe, known = self._of(args)
        return sender.find(probe, known)

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"send a marked message through {args['channel']} (smoke/{args['channel']}.yaml)"

    def _of(self, args: Mapping[str, Any]) -> tuple[Sender, Any, dict[str, str]]:
        probe = load_probe(self.folder / f"{args['channel']}.yaml")
        known = words(str(args["mark"]), str(args["at"]), str(args["channel"]))
        ready = type(probe).model_validate(filled(probe.model_dump(), known))
        return self.senders[probe.through], ready, known


class Lake(Protocol):
    """What became of deliveries: adapters/duckdb/probe.py."""

    def outcomes(self, places: Sequence[Mapping[str, Any]]) -> list[str]:
        """Per place the outcome of raw.intake; '' while it is not there, or not judged."""


class ProbeSeen:
    """`probe.seen` {wave, at, patience_seconds, places: {channel: place}}: each stands in raw.message and is judged `control`.

    Raises Waiting while one is on its way, Refused (CW3059) where one does not come in time, or was not taken as marked.
    """

    def __init__(self, lake: Callable[[], Lake], clock: Clock = utc_now) -> None:
        self.lake, self.clock = lake, clock

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        places: Mapping[str, Any] = args["places"]
        found = dict(zip(places, self.lake().outcomes(list(places.values())), strict=True))
        wrong = {channel: outcome for channel, outcome in found.items() if outcome not in ("", "control")}
        if wrong:
            text = ", ".join(f"{channel}: {outcome}" for channel, outcome in sorted(wrong.items()))
            raise self._failed(f"the lake did not take a probe as marked: {text}", args)
        missing = sorted(channel for channel, outcome in found.items() if not outcome)
        if missing:
            what = f"the probe of {', '.join(missing)} is not in the lake"
            if self.clock() - parse_iso(str(args["at"])) > timedelta(seconds=int(args["patience_seconds"])):
                raise self._failed(f"{what} after {args['patience_seconds']} s", args)
            raise Waiting("CW3059", f"{what} yet")
        return {"seen": found}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # a question: asked again

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"see {len(args['places'])} marked messages in the lake, booked nowhere"

    def _failed(self, what: str, args: Mapping[str, Any]) -> Refused:
        return Refused(
            "CW3059", what, state="nothing is dark; the way back begins by itself",
            money="the probes are marked: no production count has them",
            next=f"look at the channel and its feed's tap: cutwater wave status {args['wave']}; then cutwater wave cutover again",
        )  # fmt: skip
