"""The ordered stream of one channel's durable events in one process: repeats dropped, holes held and repaired.

offer() takes events in whatever order the own writer and the bus bring them and returns what may be delivered now,
in seq order. A hole that lasts is repaired from the store. Pure: `now` is an argument (monotonic seconds).
Source: the native protocol, "A message" and "Guarantees".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from chat.delivery.recent import Recent
from chat.domain.events import Event, EventType, MessageData, event_from_message
from chat.domain.ids import ChannelKey, SessionId

HELD_LIMIT = 2_000
"""Events held behind a hole; beyond it they are dropped, since the repair reads them from the store anyway."""


class Delivery(NamedTuple):
    """One durable event on its way. The session that asked for it is not sent it: `acknowledge` is called instead."""

    event: Event
    origin: SessionId | None = None
    acknowledge: Callable[[], None] | None = None

    @property
    def seq(self) -> int:
        assert self.event.seq is not None  # noqa: S101  only durable events come here
        return self.event.seq


class Feed:
    """One channel's stream from `head` on."""

    def __init__(self, key: ChannelKey, channel_id: int, head: int, recent: Recent) -> None:
        self.key = key
        self.channel_id = channel_id
        self.head = head
        self.recent = recent
        self.hole_since: float | None = None
        self._held: dict[int, Delivery] = {}

    def offer(self, deliveries: Sequence[Delivery], now: float) -> list[Delivery]:
        """Take events; return those whose turn has come. An acknowledgement of a repeat is called at once.

        Own events must be offered before the bus brings them back, so that their origin is known.
        """
        ready: list[Delivery] = []
        for delivery in deliveries:
            seq = delivery.seq
            if seq <= self.head:
                # Repaired from the store before its own commit was handed over: the client has its place already.
                if delivery.acknowledge is not None:
                    delivery.acknowledge()
            elif seq == self.head + 1:
                self._advance(delivery, ready)
                while (following := self._held.pop(self.head + 1, None)) is not None:
                    self._advance(following, ready)
            elif delivery.acknowledge is not None or (seq not in self._held and len(self._held) < HELD_LIMIT):
                self._held[seq] = delivery
        if not self._held:
            self.hole_since = None
        elif ready or self.hole_since is None:
            self.hole_since = now
        return ready

    def repair(self, messages: Sequence[MessageData], head: int) -> list[Delivery]:
        """Fill everything up to `head` with messages in their present state (those changed after this feed's head).

        Returns the deliveries in seq order, the held ones among them; what is held above stays held or follows.
        """
        ready: list[Delivery] = []
        told: set[str] = set()
        cursor = self.head
        repaired = {each["changed_seq"]: each for each in messages if cursor < each["changed_seq"] <= head}
        held = {seq for seq in self._held if seq <= head}
        for seq in sorted(held | repaired.keys()):
            delivery = self._held.pop(seq, None)
            if delivery is None:
                delivery = Delivery(event_from_message(repaired[seq], after=cursor))
            self._advance(_first_as_new(delivery, cursor, told), ready)
        self.head = max(self.head, head)
        while (following := self._held.pop(self.head + 1, None)) is not None:
            self._advance(_first_as_new(following, cursor, told), ready)
        # What was read may be older than what came meanwhile: then there is still a hole.
        if not self._held:
            self.hole_since = None
        return ready

    def reset(self, head: int, recent: Recent) -> list[Delivery]:
        """Start anew at `head` (too much was missed, or the store went back), then call follow().

        Returns the held ones that the new head has passed, to acknowledge.
        """
        passed = [self._held.pop(seq) for seq in sorted(self._held) if seq <= head]
        self.head, self.recent = head, recent
        return passed

    def follow(self) -> list[Delivery]:
        """The held ones whose turn has come with a reset."""
        ready: list[Delivery] = []
        while (following := self._held.pop(self.head + 1, None)) is not None:
            self._advance(following, ready)
        if not self._held:
            self.hole_since = None
        return ready

    def give_up(self) -> list[Delivery]:
        """Nothing will ever fill the hole; returns the held ones to acknowledge."""
        held = [self._held[seq] for seq in sorted(self._held)]
        self._held.clear()
        self.hole_since = None
        return held

    def rewrite(self, renamed: Callable[[MessageData], MessageData], name: str) -> None:
        """What is remembered and what is held, as `renamed` makes what has the name in it."""
        self.recent.rewrite(renamed, name)
        self._held = {seq: rewritten(delivery, renamed) for seq, delivery in self._held.items()}

    @property
    def has_hole(self) -> bool:
        return self.hole_since is not None

    def _advance(self, delivery: Delivery, ready: list[Delivery]) -> None:
        self.head = delivery.seq
        self.recent.add(delivery.event.data)
        ready.append(delivery)


def rewritten(delivery: Delivery, renamed: Callable[[MessageData], MessageData]) -> Delivery:
    """The delivery with its message as `renamed` makes it."""
    message = renamed(delivery.event.data)
    if message is delivery.event.data:
        return delivery
    return delivery._replace(event=delivery.event._replace(data=message))


def _first_as_new(delivery: Delivery, cursor: int, told: set[str]) -> Delivery:
    """The delivery with the type that fits a client at the cursor who was told of the messages in `told` since.

    In a repair, held events and present states mix: a message may come edited before, or instead of, its first event.
    """
    event = delivery.event
    message = event.data
    is_first = message["seq"] > cursor and message["id"] not in told
    told.add(message["id"])
    kind = event.type
    if is_first and kind is not EventType.MESSAGE_DELETED:
        kind = EventType.MESSAGE_NEW
    elif not is_first and kind is EventType.MESSAGE_NEW:
        kind = EventType.MESSAGE_UPDATED
    return delivery if kind is event.type else delivery._replace(event=event._replace(type=kind))
