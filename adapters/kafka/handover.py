"""kafka.handover: a consumer group's committed offsets become another group's. Nothing is read twice, nothing is skipped.

Kafka compares nothing when it stores offsets, so the rules are checked before: the old group has no members, no
transaction is open below the end, every partition with messages has a committed offset within what the broker keeps.

What was handed over is kept on the broker itself, as the offsets of a third, empty group (`cutwater.handover.<from>.<to>`)
that is written first: after a crash the new group is compared with it. So a hand-over that is done again never takes the
new group back over what it has read since, and a new group that was ahead from the start is refused, not rewound.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from cutwater.core.errors import LeaseHeld, Refused, Unavailable
from waves.ports import Fence, Outcome, Waiting

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

TIMEOUT = 10.0  # seconds per call of the broker
Place = tuple[str, int]  # topic, partition
Offsets = dict[Place, int]


@dataclass(frozen=True)
class _Partition:
    """low: first offset kept. stable: everything before it is committed or aborted. high: past the last."""

    low: int
    stable: int
    high: int


class KafkaHandover:
    """Implements waves.ports.Action. args: topics (list), from_group, to_group; back (True: give back what was handed
    over before; where the hand-over had not come about, the legacy group still stands, and nothing is written);
    grace_seconds (how long readers that are on their way out of a group are waited for; none where absent).

    Outcome: offsets {topic: {partition: offset}} of the group that reads on, behind (messages that it has yet to read),
    handed (False where nothing was left to do), marker (the third group's name).
    """

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        """Raises Waiting CW3311 (an open transaction), Refused CW3312 (members), CW3313 (offsets that cannot be handed
        over), CW3314 (the new group is ahead), LeaseHeld CW3315 (a zombie), Unavailable CW3316."""
        admin = self._admin()
        spans = self._spans(admin, args)
        if (kept := self._never_left(admin, args, spans)) is not None:
            return _outcome(args, kept, spans, False)
        self._no_members(admin, args, "from_group")
        offsets, wrong = self._committed(admin, args, spans)
        if wrong:
            self._cannot(args, "; ".join(wrong))
        if self._done(admin, args, offsets, fence):
            return _outcome(args, offsets, spans, False)
        self._no_open_transaction(spans)
        self._no_members(admin, args, "to_group")
        self._not_ahead(admin, args, offsets)
        self._write(admin, _marker(args), offsets, f"token={fence.token}")
        self._write(admin, str(args["to_group"]), offsets, f"cutwater {fence.wave}")
        if self._offsets(admin, str(args["to_group"]), list(offsets))[0] != offsets:
            raise self._away("the offsets that were written are not those that are read")
        return _outcome(args, offsets, spans, True)

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        """The outcome where the new group stands at or behind what the marker says was handed over."""
        admin = self._admin()
        spans = self._spans(admin, args)
        if (kept := self._never_left(admin, args, spans)) is not None:
            return _outcome(args, kept, spans, False)
        offsets, wrong = self._committed(admin, args, spans)
        return _outcome(args, offsets, spans, False) if not wrong and self._done(admin, args, offsets, fence) else None

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"hand the offsets of {', '.join(_topics(args))} from group {args['from_group']} to {args['to_group']}"

    def _done(self, admin: AdminClient, args: Mapping[str, Any], offsets: Offsets, fence: Fence) -> bool:
        """The marker holds exactly these offsets, and the new group has them or has gone on."""
        marked, words = self._offsets(admin, _marker(args), list(offsets))
        token = max((int(text.removeprefix("token=")) for text in words if text.startswith("token=")), default=0)
        if token > fence.token:
            raise LeaseHeld(
                "CW3315",
                f"a later runner has handed over group {args['from_group']}",
                cause=f"its token is {token}, ours {fence.token}",
                state="nothing was written",
                next=f"cutwater wave status {fence.wave}",
            )
        if not offsets or marked != offsets:
            return False
        now, _ = self._offsets(admin, str(args["to_group"]), list(offsets))
        return all(now.get(place, -1) >= offset for place, offset in offsets.items())

    def _never_left(
        self, admin: AdminClient, args: Mapping[str, Any], spans: Mapping[Place, _Partition]
    ) -> Offsets | None:
        """On the way back: the legacy group's offsets, where they are its own still.

        It has handed over, and has not read since, where it stands exactly at the marker of that hand-over and the other
        group has taken it up. Otherwise the other group's offsets say nothing.
        """
        if not args.get("back"):
            return None
        legacy, other = str(args["to_group"]), str(args["from_group"])
        own, _ = self._offsets(admin, legacy, list(spans))
        marked, _ = self._offsets(admin, _name(legacy, other), list(spans))
        taken, _ = self._offsets(admin, other, list(spans))
        given = bool(marked) and all(own.get(place, span.low) == marked.get(place) for place, span in spans.items())
        if given and all(taken.get(place, -1) >= at for place, at in marked.items()):
            return None
        return own

    def _spans(self, admin: AdminClient, args: Mapping[str, Any]) -> dict[Place, _Partition]:
        """What every partition of the topics holds."""
        from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
        from confluent_kafka.admin import OffsetSpec

        try:
            known = admin.list_topics(timeout=TIMEOUT).topics
            missing = [topic for topic in _topics(args) if topic not in known]
            if missing:
                self._cannot(args, f"there is no topic {', '.join(missing)}")
            places = [(topic, number) for topic in _topics(args) for number in sorted(known[topic].partitions)]

            def ask(spec: OffsetSpec, level: IsolationLevel) -> dict[Place, int]:
                wanted = {TopicPartition(*place): spec for place in places}
                asked = admin.list_offsets(wanted, isolation_level=level, request_timeout=TIMEOUT)
                return {(item.topic, item.partition): found.result().offset for item, found in asked.items()}

            # The stable offset is asked for before the end: a transaction that begins in between is seen, not missed.
            stable = ask(OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)
            high = ask(OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED)
            low = ask(OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED)
        except KafkaException as error:
            raise self._away(str(error)) from error
        return {place: _Partition(low[place], stable[place], high[place]) for place in places}

    def _no_open_transaction(self, spans: Mapping[Place, _Partition]) -> None:
        open_ones = [place for place, span in spans.items() if span.stable < span.high]
        if open_ones:
            topic, number = open_ones[0]
            span = spans[open_ones[0]]
            raise Waiting(
                "CW3311",
                f"a transaction is open in {len(open_ones)} partitions, e.g. {topic}/{number}",
                cause=f"stable up to {span.stable}, the end is {span.high}: what is between is neither committed nor aborted",
                state="no offset was handed over",
                next="end the producer, or wait for its transaction.timeout.ms",
            )

    def _no_members(self, admin: AdminClient, args: Mapping[str, Any], which: str) -> None:
        """Readers see the dark route a moment after it fell, and a killed one stays until its session ends."""
        group, until = str(args[which]), time.monotonic() + float(args.get("grace_seconds", 0))
        while found := self._members(admin, group):
            if time.monotonic() >= until:
                raise Refused(
                    "CW3312",
                    f"consumer group {group} has {len(found)} members",
                    cause=", ".join(found[:3]),
                    state="no offset was handed over",
                    next="stop these consumers, then cutwater wave resume",
                )
            time.sleep(0.1)

    def _members(self, admin: AdminClient, group: str) -> list[str]:
        from confluent_kafka import KafkaError, KafkaException

        try:
            found = admin.describe_consumer_groups([group], request_timeout=TIMEOUT)[group].result()
        except KafkaException as error:
            if error.args and error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return []
            raise self._away(str(error)) from error
        return sorted(f"{item.client_id} at {item.host} (the group is {found.state.name})" for item in found.members)

    def _committed(
        self, admin: AdminClient, args: Mapping[str, Any], spans: Mapping[Place, _Partition]
    ) -> tuple[Offsets, list[str]]:
        """(the old group's offsets, what is wrong with them); a partition that holds no message needs none."""
        group = str(args["from_group"])
        offsets, _ = self._offsets(admin, group, list(spans))
        wrong = []
        for (topic, number), span in spans.items():
            at = offsets.get((topic, number))
            if at is None and span.high > span.low:
                wrong.append(
                    f"{topic}/{number} has messages and no committed offset of {group}: what it has read is unknown"
                )
            elif at is not None and at < span.low:
                wrong.append(
                    f"{topic}/{number}: {group} stands at {at}, the topic begins at {span.low}: unread messages are gone"
                )
            elif at is not None and at > span.high:
                wrong.append(
                    f"{topic}/{number}: {group} stands at {at}, behind the end {span.high}: the topic was made anew"
                )
        return {place: offsets.get(place, span.low) for place, span in spans.items()}, wrong

    def _not_ahead(self, admin: AdminClient, args: Mapping[str, Any], offsets: Offsets) -> None:
        now, _ = self._offsets(admin, str(args["to_group"]), list(offsets))
        ahead = [place for place, at in now.items() if at > offsets[place]]
        if ahead:
            topic, number = ahead[0]
            raise Refused(
                "CW3314",
                f"group {args['to_group']} is ahead of {args['from_group']} in {len(ahead)} partitions",
                cause=f"{topic}/{number}: {now[ahead[0]]} against {offsets[ahead[0]]}: it has read what the other has not",
                state="no offset was handed over",
                money="handing over would let it read those messages twice",
                next=f"find out what {args['to_group']} did with them; reset or delete the group, then cutwater wave resume",
            )

    def _offsets(self, admin: AdminClient, group: str, places: Sequence[Place]) -> tuple[Offsets, set[str]]:
        """(committed offsets, the words beside them); a partition without one is left out."""
        from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition

        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(*place) for place in places])
        try:
            found = admin.list_consumer_group_offsets([asked], request_timeout=TIMEOUT)[group].result()
        except KafkaException as error:
            raise self._away(str(error)) from error
        kept = [item for item in found.topic_partitions if item.offset >= 0]
        return {(item.topic, item.partition): item.offset for item in kept}, {item.metadata or "" for item in kept}

    def _write(self, admin: AdminClient, group: str, offsets: Offsets, words: str) -> None:
        from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition

        places = [TopicPartition(topic, number, at, words) for (topic, number), at in offsets.items()]
        try:
            done = admin.alter_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group, places)], request_timeout=TIMEOUT
            )[group].result()
        except KafkaException as error:
            raise self._away(str(error)) from error
        failed = [item for item in done.topic_partitions if item.error is not None]
        if failed:
            raise self._away(f"{group} {failed[0].topic}/{failed[0].partition}: {failed[0].error}")

    def _admin(self) -> AdminClient:
        from confluent_kafka.admin import AdminClient

        return AdminClient({"bootstrap.servers": self.bootstrap, "socket.timeout.ms": 10_000, "log_level": 0})

    def _cannot(self, args: Mapping[str, Any], cause: str) -> NoReturn:
        raise Refused(
            "CW3313",
            f"the offsets of group {args['from_group']} cannot be handed over",
            cause=cause,
            state="no offset was handed over",
            next="mend what the cause names, then cutwater wave resume",
        )

    def _away(self, cause: str) -> Unavailable:
        return Unavailable(
            "CW3316",
            "Kafka did not answer during the hand-over of a consumer group",
            cause=cause,
            state="what was handed over is looked for before it is done again",
            next="cutwater doctor names the system; the runner tries again by itself",
        )


class KafkaHandoverDrop:
    """kafka.handover.drop: removes the marker's group once the wave is completed or abandoned. args as the hand-over."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        from confluent_kafka import KafkaError, KafkaException
        from confluent_kafka.admin import AdminClient

        name = _marker(args)
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "socket.timeout.ms": 10_000, "log_level": 0})
        try:
            admin.delete_consumer_groups([name], request_timeout=TIMEOUT)[name].result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise Unavailable(
                    "CW3316", f"the group {name} was not removed", cause=str(error), next="cutwater doctor"
                ) from error
            return {"removed": []}
        return {"removed": [name]}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # removing it twice changes nothing

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"remove the empty group {_marker(args)}"


def _topics(args: Mapping[str, Any]) -> list[str]:
    return sorted({str(item) for item in args["topics"]})


def _marker(args: Mapping[str, Any]) -> str:
    return _name(str(args["from_group"]), str(args["to_group"]))


def _name(giver: str, taker: str) -> str:
    return f"cutwater.handover.{giver}.{taker}"


def _outcome(args: Mapping[str, Any], offsets: Offsets, spans: Mapping[Place, _Partition], handed: bool) -> Outcome:
    by_topic: dict[str, dict[str, int]] = {}
    for (topic, number), at in sorted(offsets.items()):
        by_topic.setdefault(topic, {})[str(number)] = at
    behind = sum(span.high - offsets.get(place, span.low) for place, span in spans.items())
    return {
        "offsets": by_topic,
        "behind": behind,
        "handed": handed,
        "to_group": str(args["to_group"]),
        "marker": _marker(args),
    }
