"""One channel's stream under a bus that loses, repeats and reorders by seed, repaired from a model of the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chat.delivery.feed import Delivery, Feed
from chat.delivery.hub import Hub
from chat.delivery.recent import Recent
from chat.domain.events import EventType, MessageData
from tests.support.delivery import CHANNEL, Chronicle, FakeFormat, FakeSession, newest_of

KEEPS_CHANGES, KEEPS_NUMBERS = 6, 4


@dataclass(order=True)
class Step:
    """Something that happens at a time; `seqs` are offered together, none of them: a repair is read, then done."""

    at: float
    order: int
    seqs: tuple[int, ...] = field(compare=False, default=())
    read_at: float = field(compare=False, default=0.0)


class World:
    """The feed and hub of one process with an author and a watcher, and the events that reach it."""

    def __init__(self, seed: int, length: int, loss: float) -> None:
        self.random = Random(seed)
        self.chronicle = Chronicle(self.random, length)
        self.length, self.loss = length, loss
        self.start = self.random.randrange(length)
        before = sorted(self.chronicle.state(self.start).values(), key=lambda each: each["changed_seq"])
        changed = before[-KEEPS_CHANGES:]
        self.recent = Recent(
            changed=changed,
            newest=[each for each in before if each["number"] > len(before) - KEEPS_NUMBERS],
            floor=changed[0]["changed_seq"] - 1 if len(changed) == KEEPS_CHANGES else 0,
            head_number=len(before),
            changes=KEEPS_CHANGES,
            numbers=KEEPS_NUMBERS,
            max_bytes=1 << 20,
        )
        self.feed = Feed(CHANNEL, 1, self.start, self.recent)
        self.hub = Hub(unsent_bytes=1 << 30, on_dirty=lambda: None)
        self.author, self.watcher = (FakeSession(name, FakeFormat()) for name in ("author", "watcher"))
        for session in (self.author, self.watcher):
            self.hub.attach(session)
            self.hub.enter(session, CHANNEL)
        self.own = {seq for seq in range(self.start + 1, length + 1) if self.random.random() < 0.4}
        self.acknowledged: list[int] = []
        self.shown = dict(self.chronicle.state(self.start))
        self.seen_by_watcher: list[Any] = []

    def is_acknowledged_later(self, seq: int) -> bool:
        return seq in self.own and self.chronicle.events[seq - 1].type is EventType.MESSAGE_NEW

    def steps(self) -> Iterator[Step]:
        """Commit k happens at time k. Own posts are offered at once and in order, everything else as it comes."""
        order = iter(range(10_000))
        posts = 0.0
        for seq in range(self.start + 1, self.length + 1):
            if self.is_acknowledged_later(seq):
                posts = max(posts, seq + self.random.random() * 3)
                yield Step(posts, next(order), (seq,))
            elif seq in self.own:
                yield Step(seq + self.random.random() * 3, next(order), (seq,))
            elif self.random.random() >= self.loss:
                for _ in range(self.random.choice([1, 1, 1, 2])):
                    last = min(seq + self.random.choice([0, 0, 1, 2]), self.length)
                    batch = tuple(each for each in range(seq, last + 1) if each not in self.own)
                    yield Step(last + self.random.random() * 6, next(order), batch)
        for _ in range(self.random.randrange(3)):
            read = self.start + self.random.random() * (self.length - self.start + 4)
            yield Step(read + self.random.random() * 2, next(order), read_at=read)

    def acknowledge(self, seq: int) -> None:
        self.hub.flush()
        self.see()
        assert max(frame["seq"] for frame in self.seen_by_watcher) >= seq, "acknowledged before what comes below it"
        self.acknowledged.append(seq)

    def delivery(self, seq: int) -> Delivery:
        event = self.chronicle.events[seq - 1]
        if self.is_acknowledged_later(seq):
            return Delivery(event, self.author.info.session_id, partial(self.acknowledge, seq))
        return Delivery(event)

    def play(self) -> None:
        snapshots: dict[int, tuple[int, list[MessageData]]] = {}
        agenda = sorted(self.steps())
        reads = sorted(((step.read_at, step.order) for step in agenda if not step.seqs), reverse=True)
        for step in agenda:
            while reads and reads[-1][0] <= step.at:
                at, order = reads.pop()
                snapshots[order] = self.read(min(int(at), self.length))
            if step.seqs:
                self.hub.deliver(self.feed.offer([self.delivery(seq) for seq in step.seqs], step.at))
            else:
                head, messages = snapshots[step.order]
                self.hub.deliver(self.feed.repair(messages, head))
            self.check()
        head, messages = self.read(self.length)
        self.hub.deliver(self.feed.repair(messages, head))
        self.check()

    def read(self, head: int) -> tuple[int, list[MessageData]]:
        """What the store answers to a repair that starts now; at least what was already delivered is committed."""
        head = max(head, self.feed.head)
        return head, self.chronicle.changed(head, self.feed.head)

    def see(self) -> None:
        for frame in self.watcher.frames[len(self.seen_by_watcher) :]:
            self.seen_by_watcher.append(frame)
            self.shown[frame["data"]["id"]] = frame["data"]

    def check(self) -> None:
        """What holds at any moment."""
        self.hub.flush()
        self.see()
        assert self.feed.has_hole == any(seq > self.feed.head for seq in self.feed._held), (
            "a hole is there exactly while something waits behind it"
        )
        by_number = sorted(self.shown.values(), key=lambda each: each["number"])
        for limit in (1, KEEPS_NUMBERS):
            assert newest_of(self.recent, limit) == by_number[-limit:]
        by_change = sorted(self.shown.values(), key=lambda each: each["changed_seq"])
        for cursor in range(self.feed.head + 1):
            expected = [each for each in by_change if each["changed_seq"] > cursor]
            found = self.recent.since(cursor)
            assert found == expected if found is not None else len(expected) >= KEEPS_CHANGES


@given(st.integers(0, 2**32), st.integers(1, 24), st.sampled_from([0.0, 0.2, 0.6, 1.0]))
@settings(max_examples=400, deadline=None)
def test_every_session_gets_each_seq_once_and_in_order_or_its_outcome_by_repair(seed, length, loss) -> None:
    world = World(seed, length, loss)
    world.play()
    seqs = [frame["seq"] for frame in world.seen_by_watcher]
    assert seqs == sorted(set(seqs))
    assert world.feed.head == length
    assert world.shown == world.chronicle.state(length)
    own = [seq for seq in range(world.start + 1, length + 1) if world.is_acknowledged_later(seq)]
    assert sorted(world.acknowledged) == own


@given(st.integers(0, 2**32), st.integers(1, 24), st.sampled_from([0.0, 0.3, 0.8]))
@settings(max_examples=300, deadline=None)
def test_a_message_is_told_as_new_exactly_once_and_first(seed, length, loss) -> None:
    world = World(seed, length, loss)
    world.play()
    known = set(world.chronicle.state(world.start))
    for frame in world.seen_by_watcher:
        if frame["event"] == EventType.MESSAGE_NEW:
            assert frame["data"]["id"] not in known
        elif frame["data"]["deleted_at"] is None:
            assert frame["data"]["id"] in known
        known.add(frame["data"]["id"])


@given(st.integers(0, 2**32), st.integers(1, 24))
@settings(max_examples=250, deadline=None)
def test_without_loss_or_repair_nothing_is_skipped_and_the_author_gets_answers_instead(seed, length) -> None:
    world = World(seed, length, 0.0)
    for seq in world.random.sample(range(world.start + 1, length + 1), length - world.start):
        world.hub.deliver(world.feed.offer([world.delivery(seq)], 0.0))
        world.check()
    assert [frame["seq"] for frame in world.seen_by_watcher] == list(range(world.start + 1, length + 1))
    assert sorted([*(frame["seq"] for frame in world.author.frames), *world.acknowledged]) == list(
        range(world.start + 1, length + 1)
    )
