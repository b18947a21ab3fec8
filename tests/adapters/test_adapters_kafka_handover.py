"""The hand-over of a consumer group on the sandbox's own Kafka: members, open transactions, repeats and the way back."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.kafka.handover import KafkaHandover, KafkaHandoverDrop
from cutwater.core.config import Project
from cutwater.core.errors import LeaseHeld, Refused, Unavailable
from waves.ports import Fence, Waiting

pytestmark = pytest.mark.real
FENCE = Fence("W01", 3, "R1")
Args = dict[str, Any]


@pytest.fixture(scope="module")
def bootstrap(sandbox_project: Project) -> str:
    return sandbox_project.endpoints().kafka_bootstrap


@pytest.fixture
def args(bootstrap: str) -> Iterator[Args]:
    from confluent_kafka.admin import AdminClient, NewTopic

    mark = secrets.token_hex(4)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    names = [f"hand.{mark}.a", f"hand.{mark}.b"]
    for future in admin.create_topics([NewTopic(name, 2, 1) for name in names]).values():
        future.result(30)
    yield {"topics": names, "from_group": f"old.{mark}", "to_group": f"new.{mark}"}
    for future in admin.delete_topics(names).values():
        future.result(30)


def put(bootstrap: str, topic: str, count: int, partition: int = 0) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap})
    for number in range(count):
        producer.produce(topic, str(number).encode(), partition=partition)
    assert producer.flush(30) == 0


def commit(bootstrap: str, group: str, offsets: dict[tuple[str, int], int]) -> None:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    consumer.commit(offsets=[TopicPartition(*place, at) for place, at in offsets.items()], asynchronous=False)
    consumer.close()


def committed(bootstrap: str, group: str, args: Args) -> dict[tuple[str, int], int]:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    places = [TopicPartition(topic, number) for topic in args["topics"] for number in (0, 1)]
    found = {(item.topic, item.partition): item.offset for item in consumer.committed(places, 10)}
    consumer.close()
    return found


def read_all(bootstrap: str, args: Args, group: str, limit: int) -> list[bytes]:
    """What a consumer of the group reads from where it stands, up to `limit` messages."""
    from confluent_kafka import Consumer

    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "error", "enable.auto.commit": False}
    )
    consumer.subscribe(args["topics"])
    found = []
    while len(found) < limit:
        message = consumer.poll(10)
        assert message is not None
        assert message.error() is None
        found.append(message.value())
    consumer.commit(asynchronous=False)
    consumer.close()
    return found


def swapped(args: Args) -> Args:
    return {**args, "from_group": args["to_group"], "to_group": args["from_group"], "back": True}


@pytest.fixture
def half_read(bootstrap: str, args: Args) -> Args:
    """a/0 holds 5, of which the old group has read 3; a/1 holds 2, all read; b is empty."""
    first = args["topics"][0]
    put(bootstrap, first, 5)
    put(bootstrap, first, 2, 1)
    commit(bootstrap, args["from_group"], {(first, 0): 3, (first, 1): 2})
    return args


def test_the_new_group_reads_on_where_the_old_one_stood(bootstrap: str, half_read: Args) -> None:
    action, (first, second) = KafkaHandover(bootstrap), half_read["topics"]
    assert action.observe(half_read, FENCE) is None
    done = action.perform(half_read, FENCE)
    assert done["offsets"] == {first: {"0": 3, "1": 2}, second: {"0": 0, "1": 0}}
    assert (done["handed"], done["behind"]) == (True, 2)
    assert action.observe(half_read, FENCE) == {**done, "handed": False}
    assert action.perform(half_read, FENCE) == {**done, "handed": False}
    assert read_all(bootstrap, half_read, half_read["to_group"], 2) == [b"3", b"4"]
    again = action.perform(half_read, FENCE)  # it has gone on: it is not taken back
    assert again["handed"] is False
    assert committed(bootstrap, half_read["to_group"], half_read)[(first, 0)] == 5


def test_there_and_back_and_there_again(bootstrap: str, half_read: Args) -> None:
    action, first = KafkaHandover(bootstrap), half_read["topics"][0]
    back = swapped(half_read)
    kept = action.perform(back, FENCE)  # nothing was handed over yet: the old group stands where it stood
    assert (kept["handed"], kept["offsets"]) == (False, {first: {"0": 3, "1": 2}})
    assert action.perform(half_read, FENCE)["handed"] is True
    read_all(bootstrap, half_read, half_read["to_group"], 2)
    returned = action.perform(back, FENCE)
    assert (returned["handed"], returned["offsets"][first]) == (True, {"0": 5, "1": 2})
    assert action.perform(back, FENCE)["handed"] is False
    put(bootstrap, first, 1)
    assert read_all(bootstrap, half_read, half_read["from_group"], 1) == [b"0"]
    assert action.observe(half_read, FENCE) is None
    assert action.perform(back, FENCE)["handed"] is False  # a way back before the second hand-over
    assert committed(bootstrap, half_read["from_group"], half_read)[(first, 0)] == 6
    assert action.perform(half_read, FENCE)["offsets"][first] == {"0": 6, "1": 2}


def test_a_crash_between_marker_and_group_is_finished(
    bootstrap: str, half_read: Args, monkeypatch: pytest.MonkeyPatch
) -> None:
    action, plain = KafkaHandover(bootstrap), KafkaHandover._write

    def once(self: KafkaHandover, admin: Any, group: str, offsets: Any, words: str) -> None:
        if group == half_read["to_group"]:
            raise Unavailable("CW3316", "killed")
        plain(self, admin, group, offsets, words)

    with monkeypatch.context() as patch:
        patch.setattr(KafkaHandover, "_write", once)
        with pytest.raises(Unavailable):
            action.perform(half_read, FENCE)
    assert action.observe(half_read, FENCE) is None
    assert action.perform(swapped(half_read), FENCE)["handed"] is False
    assert action.perform(half_read, FENCE)["handed"] is True


@pytest.mark.parametrize("side", ["from_group", "to_group"])
def test_members_are_refused_by_name(bootstrap: str, half_read: Args, side: str) -> None:
    from confluent_kafka import Consumer

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": half_read[side], "client.id": "late-reader"})
    consumer.subscribe(half_read["topics"])
    while not consumer.assignment():
        consumer.poll(0.1)
    with pytest.raises(Refused, match=r"CW3312.*late-reader"):
        KafkaHandover(bootstrap).perform(half_read, FENCE)
    consumer.close()
    assert KafkaHandover(bootstrap).perform(half_read, FENCE)["handed"] is True


@pytest.mark.parametrize("abort", [False, True])
def test_an_open_transaction_is_waited_for(bootstrap: str, half_read: Args, abort: bool) -> None:
    from confluent_kafka import Producer

    first = half_read["topics"][0]
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": secrets.token_hex(4)})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(first, b"open", partition=1)
    assert producer.flush(30) == 0
    with pytest.raises(Waiting, match=r"CW3311.*stable up to 2, the end is 3"):
        KafkaHandover(bootstrap).perform(half_read, FENCE)
    assert committed(bootstrap, half_read["to_group"], half_read)[(first, 0)] < 0
    if abort:
        producer.abort_transaction(30)
    else:
        producer.commit_transaction(30)
    assert KafkaHandover(bootstrap).perform(half_read, FENCE)["offsets"][first] == {"0": 3, "1": 2}


def test_a_new_group_that_was_ahead_is_not_rewound(bootstrap: str, half_read: Args) -> None:
    first = half_read["topics"][0]
    commit(bootstrap, half_read["to_group"], {(first, 0): 5})
    with pytest.raises(Refused, match=r"CW3314.*5 against 3"):
        KafkaHandover(bootstrap).perform(half_read, FENCE)
    assert committed(bootstrap, half_read["to_group"], half_read)[(first, 0)] == 5


def test_offsets_that_cannot_be_handed_over(bootstrap: str, args: Args) -> None:
    action, (first, second) = KafkaHandover(bootstrap), args["topics"]
    put(bootstrap, first, 2)
    with pytest.raises(Refused, match=r"CW3313.*no committed offset"):
        action.perform(args, FENCE)
    commit(bootstrap, args["from_group"], {(first, 0): 2, (second, 1): 7})
    with pytest.raises(Refused, match=r"CW3313.*made anew"):
        action.perform(args, FENCE)
    with pytest.raises(Refused, match=r"CW3313.*no topic nowhere"):
        action.perform({**args, "topics": ["nowhere"]}, FENCE)


def test_a_zombie_writes_nothing(bootstrap: str, half_read: Args) -> None:
    action = KafkaHandover(bootstrap)
    action.perform(half_read, Fence("W01", 4, "R2"))
    with pytest.raises(LeaseHeld, match="CW3315"):
        action.perform(half_read, FENCE)


def test_the_marker_is_removed_once(bootstrap: str, half_read: Args) -> None:
    name = KafkaHandover(bootstrap).perform(half_read, FENCE)["marker"]
    drop = KafkaHandoverDrop(bootstrap)
    assert drop.perform(half_read, FENCE) == {"removed": [name]}
    assert drop.perform(half_read, FENCE) == {"removed": []}


def test_a_broker_that_is_away_is_unavailable(args: Args) -> None:
    lost = KafkaHandover("127.0.0.1:1")
    with pytest.raises(Unavailable, match="CW3316"):
        lost.perform(args, FENCE)
    assert "hand the offsets" in lost.describe(args)
