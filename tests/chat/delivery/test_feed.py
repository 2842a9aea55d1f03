"""The feed's particulars: holes, what is held, and what happens when too much was missed."""

from __future__ import annotations

from chat.delivery import feed as feed_module
from chat.delivery.feed import Delivery, Feed
from chat.delivery.recent import Recent
from chat.domain.events import Event, EventType
from tests.support.delivery import CHANNEL, message, newest_of


def feed_at(head: int) -> Feed:
    return Feed(CHANNEL, 1, head, empty_recent(head))


def empty_recent(head: int) -> Recent:
    return Recent(changed=[], newest=[], floor=head, head_number=head, changes=10, numbers=10, max_bytes=1 << 20)


def new(seq: int, acknowledged: list[int] | None = None) -> Delivery:
    event = Event(EventType.MESSAGE_NEW, CHANNEL, message(seq, seq), seq)
    if acknowledged is None:
        return Delivery(event)
    return Delivery(event, None, lambda: acknowledged.append(seq))


def seqs(deliveries: list[Delivery]) -> list[int]:
    return [delivery.seq for delivery in deliveries]


def test_a_hole_is_dated_from_its_beginning_and_anew_from_the_last_progress() -> None:
    feed = feed_at(0)
    assert seqs(feed.offer([new(2)], now=10.0)) == []
    assert seqs(feed.offer([new(4)], now=20.0)) == []
    assert feed.hole_since == 10.0
    assert seqs(feed.offer([new(1)], now=30.0)) == [1, 2]
    assert feed.hole_since == 30.0
    assert seqs(feed.offer([new(3)], now=40.0)) == [3, 4]
    assert not feed.has_hole


def test_an_own_message_that_a_repair_told_already_is_acknowledged_at_once() -> None:
    feed, acknowledged = feed_at(0), []
    assert seqs(feed.repair([message(1, 1)], 1)) == [1]
    assert feed.offer([new(1, acknowledged)], now=0.0) == []
    assert acknowledged == [1]


def test_behind_a_hole_only_so_much_is_held_but_always_what_waits_for_an_answer(monkeypatch) -> None:
    monkeypatch.setattr(feed_module, "HELD_LIMIT", 3)
    feed, acknowledged = feed_at(0), []
    feed.offer([new(seq) for seq in range(2, 10)], now=0.0)
    feed.offer([new(20, acknowledged)], now=0.0)
    stored = [message(seq, seq) for seq in range(1, 21)]
    ready = feed.repair(stored, 20)
    assert seqs(ready) == list(range(1, 21))
    assert [delivery.seq for delivery in ready if delivery.acknowledge is not None] == [20]


def test_a_repair_that_read_too_early_leaves_the_hole_open() -> None:
    feed = feed_at(0)
    feed.offer([new(2), new(4)], now=5.0)
    assert seqs(feed.repair([message(1, 1)], 1)) == [1, 2]
    assert feed.hole_since == 5.0
    assert seqs(feed.repair([message(3, 3)], 3)) == [3, 4]
    assert not feed.has_hole


def test_after_a_repair_a_message_is_new_once_whichever_way_it_came() -> None:
    feed = feed_at(0)
    feed.offer([new(2)], now=0.0)
    edited = [message(1, 1, changed_seq=4), message(2, 2, changed_seq=3)]
    ready = feed.repair(edited, 4)
    assert [(each.event.type, each.event.data["id"], each.seq) for each in ready] == [
        (EventType.MESSAGE_NEW, "m2", 2),
        (EventType.MESSAGE_UPDATED, "m2", 3),
        (EventType.MESSAGE_NEW, "m1", 4),
    ]
    assert [each["number"] for each in newest_of(feed.recent, 10)] == [1, 2]


def test_a_reset_starts_anew_and_gives_back_what_waits_for_an_answer() -> None:
    feed, acknowledged = feed_at(0), []
    feed.offer([new(5, acknowledged), new(3)], now=0.0)
    assert seqs(feed.reset(100, empty_recent(100))) == [3, 5]
    assert feed.follow() == []
    assert (feed.head, feed.has_hole) == (100, False)
    assert seqs(feed.offer([new(101)], now=1.0)) == [101]


def test_what_is_held_above_the_new_head_follows_a_reset_or_waits_on() -> None:
    """It was dropped: an author on Socket.IO was then sent their own message out of the store, as somebody else's."""
    feed, acknowledged = feed_at(0), []
    feed.offer([new(100), new(101, acknowledged), new(103)], now=0.0)
    assert seqs(feed.reset(100, empty_recent(100))) == [100]
    assert seqs(feed.follow()) == [101]
    assert (feed.head, feed.has_hole) == (101, True)
    assert seqs(feed.offer([new(102)], now=1.0)) == [102, 103]


def test_what_will_never_be_filled_is_given_up() -> None:
    feed = feed_at(0)
    feed.offer([new(5), new(3)], now=0.0)
    assert seqs(feed.give_up()) == [3, 5]
    assert (feed.head, feed.has_hole) == (0, False)
