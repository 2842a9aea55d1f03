"""Comings, goings and events in any order: the hub writes each session what a model says, encoded once per format."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from chat.delivery.hub import Hub
from chat.domain.events import SKIPPABLE, Event, EventType
from chat.domain.ids import ChannelKey, SessionId, UserId
from reaktor.errors import CloseCode
from tests.support.delivery import FakeFormat, FakeSession

KEYS = [ChannelKey(name) for name in ("red", "green", "blue")]
BOUND = 4_000


class Model:
    """A hub, its sessions, and what each of them should have been written."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.formats = [FakeFormat("plain"), FakeFormat("fancy")]
        self.hub = Hub(unsent_bytes=BOUND, on_dirty=lambda: None)
        self.sessions: dict[str, FakeSession] = {}
        self.owed: dict[str, list[int]] = {}
        self.got: dict[str, list[int]] = {}
        self.written = 0

    def attach(self) -> None:
        name = f"s{len(self.got)}"
        session = FakeSession(name, self.random.choice(self.formats), user=self.random.choice(["ann", "bob"]))
        self.sessions[name], self.owed[name], self.got[name] = session, [], []
        self.hub.attach(session)

    def detach(self) -> None:
        if self.sessions:
            name, session = self.random.choice(list(self.sessions.items()))
            del self.sessions[name]
            channels = set(session.channels)
            assert set(self.hub.detach(session)) == channels
            assert not session.channels
            assert self.hub.detach(session) == []
            self.owed[name] = []

    def move(self) -> None:
        if self.sessions:
            session, key = self.random.choice(list(self.sessions.values())), self.random.choice(KEYS)
            self.random.choice([self.hub.enter, self.hub.enter, self.hub.exit])(session, key)

    def clog(self) -> None:
        if self.sessions:
            self.random.choice(list(self.sessions.values())).unsent = self.random.choice([0, 100, BOUND // 2 + 1])

    def tell(self) -> None:
        self.written += 1
        key, serial = self.random.choice(KEYS), self.written
        kind = self.random.choice([EventType.MESSAGE_NEW, EventType.TYPING])
        event = Event(kind, key, serial, serial)
        exclude = self.random.choice([None, *self.sessions])
        here = [session for session in self.sessions.values() if key in session.channels]
        before = [each.encoded for each in self.formats]
        self.hub.to_channel(event, exclude=SessionId(exclude) if exclude else None)
        for wire_format, count in zip(self.formats, before, strict=True):
            used = any(session.format is wire_format for session in here)
            assert wire_format.encoded - count == int(used), "once per format that somebody there speaks"
        for session in here:
            is_spared = kind in SKIPPABLE and session.unsent > BOUND // 2
            if session.info.session_id != exclude and not is_spared:
                self.owed[session.info.session_id].append(serial)

    def flush(self) -> None:
        writes = {name: len(session.writes) for name, session in self.sessions.items()}
        self.hub.flush()
        for name, session in self.sessions.items():
            assert len(session.writes) - writes[name] <= 1, "one write per session and flush"
            self.got[name] += [frame["data"] for frames in session.writes[writes[name] :] for frame in frames]
            assert self.got[name] == self.owed[name]
            assert all(frame["format"] == session.format.name for frame in session.frames)

    def check_indexes(self) -> None:
        for key in KEYS:
            here = {name for name, session in self.sessions.items() if key in session.channels}
            assert {session.info.session_id for session in self.hub.members(key)} == here
            assert self.hub.has_members(key) == bool(here)
        users = Counter(session.info.user_id for session in self.sessions.values())
        for user in (UserId("ann"), UserId("bob")):
            assert len(self.hub.sessions_of(user)) == users[user]
        assert len(self.hub) == len(self.sessions)


@given(st.integers(0, 2**32), st.integers(5, 60))
@settings(max_examples=300, deadline=None)
def test_each_session_is_written_exactly_what_its_channels_were_told(seed, length) -> None:
    model = Model(seed)
    model.attach()
    acts = [model.attach, model.detach, model.move, model.move, model.tell, model.tell, model.clog, model.flush]
    for _ in range(length):
        model.random.choice(acts)()
        model.check_indexes()
    model.flush()


@given(st.lists(st.integers(1, 900), min_size=1, max_size=12), st.integers(0, BOUND))
@settings(max_examples=200, deadline=None)
def test_a_session_that_owes_more_than_the_bound_is_closed_as_too_slow_and_no_other(sizes, unsent) -> None:
    hub = Hub(unsent_bytes=BOUND, on_dirty=lambda: None)
    wire_format = FakeFormat()
    slow, quick = FakeSession("slow", wire_format), FakeSession("quick", wire_format)
    slow.unsent = unsent
    for session in (slow, quick):
        hub.attach(session)
        hub.enter(session, KEYS[0])
    waiting = 0
    for size in sizes:
        event = Event(EventType.MESSAGE_NEW, KEYS[0], "x" * size, 1)
        waiting += len(wire_format.encode(event) or b"")
        hub.to_channel(event)
    hub.flush()
    is_over = unsent > 0 and unsent + waiting > BOUND
    assert [each.code for each in slow.closed] == ([CloseCode.TOO_SLOW] if is_over else [])
    assert hub.slow_total == int(is_over)
    assert len(slow.frames) == (0 if is_over else len(sizes))
    assert (len(quick.frames), quick.closed) == (len(sizes), [])
