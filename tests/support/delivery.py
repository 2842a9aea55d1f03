"""Live sessions without a network, and a channel's history as the store would hold it, for tests of delivery.

FakeSession records what it was written, decoded; FakeFormat counts how often it encoded. Chronicle plays random posts,
edits and deletions of one channel and answers what the store would answer after any number of them.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

from chat.delivery.live_session import LiveSession
from chat.delivery.recent import Recent
from chat.domain.events import Event, EventType, MessageData
from chat.domain.ids import ChannelKey, SessionId, UserId, UserRef, WorkerId
from chat.domain.sessions import Credentials, SessionInfo, Transport
from reaktor.errors import Bye

CHANNEL = ChannelKey("lobby")


class FakeFormat:
    """One line of JSON per event; `encoded` counts."""

    tells_own_presence = True

    def __init__(self, name: str = "fake") -> None:
        self.name = name
        self.encoded = 0

    def encode(self, event: Event) -> bytes | None:
        self.encoded += 1
        frame = {"format": self.name, "event": event.type, "channel": event.channel, "seq": event.seq}
        return json.dumps({**frame, "data": event.data}).encode()

    def join(self, frames: list[bytes]) -> bytes:
        return b"\n".join(frames)


class FakeSession(LiveSession):
    """`writes`: the calls of write(), each a list of decoded frames. `unsent` is what the kernel has not taken."""

    def __init__(self, name: str, wire_format: FakeFormat, *, user: str | None = None) -> None:
        owner = UserId(user or name)
        info = SessionInfo(SessionId(name), owner, str(owner), WorkerId(1, 1, 0, 1), Transport.NATIVE, 0.0)
        super().__init__(info, UserRef(owner, str(owner)), wire_format, Credentials(1, ""))
        self.is_starting = False
        self.unsent = 0
        self.writes: list[list[Any]] = []
        self.closed: list[Bye] = []

    @property
    def unsent_bytes(self) -> int:
        return self.unsent

    def write(self, batch: bytes) -> None:
        self.writes.append([json.loads(frame) for frame in batch.splitlines()])

    def close(self, bye: Bye) -> None:
        self.closed.append(bye)
        self.is_open = False

    def tick(self, now: float) -> None:
        """Nothing here depends on time."""

    @property
    def frames(self) -> list[Any]:
        """Everything written so far, in order."""
        return [frame for frames in self.writes for frame in frames]


def newest_of(recent: Recent, limit: int) -> list[MessageData]:
    """What a join is shown, decoded; memory must reach back that far."""
    found = recent.newest(limit)
    assert found is not None
    return [json.loads(each) for each in found]


def message(number: int, seq: int, *, changed_seq: int | None = None, text: str | None = "hi") -> MessageData:
    """One message of CHANNEL in the `message` shape."""
    return {
        "id": f"m{number}",
        "channel": CHANNEL,
        "number": number,
        "flow": number,
        "seq": seq,
        "changed_seq": changed_seq or seq,
        "author": "ann",
        "text": text,
        "reply_to": None,
        "nonce": None,
        "reactions": {},
        "mentions": [],
        "created_at": "2026-01-01T00:00:00.000Z",
        "edited_at": None,
        "deleted_at": None if text is not None else "2026-01-01T00:00:01.000Z",
    }


class Chronicle:
    """`length` random durable events of one channel: `events[k]` has seq k + 1."""

    def __init__(self, random: Random, length: int) -> None:
        self.events: list[Event] = []
        self._states: list[dict[str, MessageData]] = [{}]
        while len(self.events) < length:
            self._play(random)

    def _play(self, random: Random) -> None:
        seq, before = len(self.events) + 1, self._states[-1]
        alive = [each for each in before.values() if each["deleted_at"] is None]
        kind = EventType.MESSAGE_NEW
        if alive and random.random() < 0.45:
            kind = random.choice([EventType.MESSAGE_UPDATED, EventType.REACTION_CHANGED, EventType.MESSAGE_DELETED])
        if kind is EventType.MESSAGE_NEW:
            data = message(len(before) + 1, seq, text=f"text {seq}")
        else:
            old = random.choice(alive)
            text = None if kind is EventType.MESSAGE_DELETED else f"text {seq}"
            data = message(old["number"], old["seq"], changed_seq=seq, text=text)
        self.events.append(Event(kind, CHANNEL, data, seq))
        self._states.append({**before, data["id"]: data})

    def state(self, head: int) -> dict[str, MessageData]:
        """Id → message, as stored when `head` events were committed."""
        return self._states[head]

    def changed(self, head: int, after: int) -> list[MessageData]:
        """What channel_changes() reads then."""
        found = [each for each in self._states[head].values() if each["changed_seq"] > after]
        return sorted(found, key=lambda each: each["changed_seq"])
