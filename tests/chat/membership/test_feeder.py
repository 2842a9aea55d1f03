"""Authority and feeders together, over the in-memory layer: the very code that runs over Redis."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer

from chat.domain.ids import ChannelKey, CommandId, SessionId, UserId, WorkerId
from chat.domain.sessions import Ending
from chat.membership import wire
from chat.membership.protocol import (
    Block,
    Disconnect,
    EndSessions,
    Hello,
    Join,
    Leave,
    LoseHost,
    MemberJoined,
    Outcome,
    Position,
    SessionEnded,
    Snapshot,
    part_of,
)
from reaktor.errors import BannedError, InvalidError, NotFoundError, TooManySessionsError, UnavailableError
from reaktor.process import orders
from reaktor.process.bus import Bus
from tests.support.faulty_layer import FaultyLayer
from tests.support.membership import FIRST, LINGERS, QUICK, SECOND, Node, authority_on, eventually, running

LOBBY = ChannelKey("lobby")
ELSEWHERE = WorkerId(2, 1, 0, 1)


@pytest.fixture
def bus() -> Bus:
    return Bus(InMemoryChannelLayer(capacity=100_000))


async def test_for_how_long_no_authority_was_followed_counts_from_its_last_word_on(bus: Bus) -> None:
    ahead_s = 0.0
    node = Node(bus, clock=lambda: time.monotonic() + ahead_s)
    assert node.feeder.missing_s == float("inf")
    async with running(node, authority_on(bus)):
        assert node.feeder.missing_s < 1
        node.deaf = True
        ahead_s = 60.0
        assert not node.feeder.is_in_step
        assert 60 <= node.feeder.missing_s < 61
        assert 60 <= node.feeder.missed_s < 61
        # One that is heard, and of which something is missing, is not followed yet.
        node.replica.doubt()
        node.deaf = False
        await eventually(lambda: node.feeder.silent_s < 60, "it is heard")
        await eventually(lambda: node.feeder.missing_s < 60, "it is followed")
        assert node.feeder.is_in_step
        assert 60 <= node.feeder.missed_s < 61
        # A gap that is no silence yet is not counted.
        ahead_s += 0.5 * QUICK.silence_s
        await eventually(lambda: node.feeder.missing_s < 0.5 * QUICK.silence_s, "its next word")
        assert 60 <= node.feeder.missed_s < 61


async def test_a_caller_whose_join_returned_reads_it_from_its_own_replica(bus: Bus) -> None:
    node = Node(bus)
    async with running(authority_on(bus), node):
        await node.connect("s1")
        await node.join("s1", "lobby")
        assert node.who("lobby") == ["ann"]


async def test_what_happens_on_one_worker_is_seen_on_the_other(bus: Bus) -> None:
    authority, here, there = authority_on(bus), Node(bus, FIRST), Node(bus, SECOND)
    async with running(authority, here, there):
        await here.connect("s1")
        await here.join("s1", "lobby")
        await eventually(lambda: there.who("lobby") == ["ann"], "the other worker shows ann")
        assert here.replica.digest() == there.replica.digest() == authority.status()["digest"]


async def test_on_applied_runs_in_the_turn_of_the_change_after_its_transitions(bus: Bus) -> None:
    node = Node(bus)
    async with running(authority_on(bus), node):
        await node.connect("s1")
        seen: list[object] = []

        def applied(outcome: Outcome) -> str:
            seen.extend(node.told)
            return f"{len(node.who('lobby'))} here"

        assert await node.feeder.submit(Join(SessionId("s1"), LOBBY), applied) == "1 here"
        assert any(isinstance(transition, MemberJoined) for transition in seen)


async def test_a_thousand_sessions_may_connect_at_once(bus: Bus) -> None:
    node = Node(bus)
    async with running(authority_on(bus), node):
        await asyncio.gather(*(node.connect(f"s{i}", f"u{i}") for i in range(1_000)))
        await asyncio.gather(*(node.join(f"s{i}", "lobby") for i in range(1_000)))
        assert node.replica.member_count(LOBBY) == 1_000


async def test_a_blocked_user_is_refused_and_a_block_ends_the_sessions_there_are(bus: Bus) -> None:
    rows: list[Block] = [Block(UserId("eve"), None, None)]
    authority, node = authority_on(bus, rows), Node(bus)
    async with running(authority, node):
        with pytest.raises(BannedError):
            await node.connect("s1", "eve")
        await node.connect("s2", "mallory")
        rows.append(Block(UserId("mallory"), None, None))
        authority.blocks_changed()
        await eventually(lambda: not node.live, "the session is told and closed")
        rows.clear()
        await bus.send(wire.AUTHORITY_MAILBOX, orders.BLOCKS_CHANGED, {})
        await eventually(lambda: authority.status()["blocks"] == 0, "the blocks are lifted")
        await node.connect("s3", "eve")


async def test_too_many_sessions_is_decided_again_after_a_second(bus: Bus) -> None:
    authority, dying, node = authority_on(bus, max_sessions_per_user=1), Node(bus, SECOND), Node(bus, FIRST)
    async with running(authority, dying, node):
        await dying.connect("ghost")
        second = asyncio.create_task(node.connect("s2"))
        await asyncio.sleep(0.2)
        assert not second.done()
        authority.worker_exited(SECOND)
        assert (await second).is_accepted
        with pytest.raises(TooManySessionsError):
            await node.connect("s3")


async def test_a_worker_that_was_stopped_until_its_host_was_lost_ends_nobody_and_is_back(bus: Bus) -> None:
    """It read that its own sessions had ended, and closed them."""
    authority, here, there = authority_on(bus), Node(bus, FIRST), Node(bus, ELSEWHERE)
    async with running(authority, here, there):
        await there.connect("s1", "ann")
        await there.connect("s2", "bob", grace=LINGERS)
        for session in ("s1", "s2"):
            await there.join(session, "lobby")
        await eventually(lambda: here.who("lobby") == ["ann", "bob"], "both are seen")
        there.backlog = []
        authority.order(LoseHost(ELSEWHERE.host))
        await eventually(lambda: here.who("lobby") == ["bob"], "Ann is seen leaving, Bob lingers")
        await asyncio.sleep(1.5 * QUICK.silence_s)
        there.go_on()
        await eventually(lambda: here.who("lobby") == ["ann", "bob"], "both are back")
        await eventually(lambda: there.replica.is_in_step, "it follows again")
        assert list(there.live) == ["s1", "s2"]
        assert not [each for each in there.told if isinstance(each, SessionEnded)]
        assert not there.contradictions
        await there.join("s1", "news")
        assert here.replica.digest() == there.replica.digest()


async def test_a_worker_whose_words_were_lost_says_hello_when_it_is_heard_again(bus: Bus) -> None:
    """It heard that its sessions had ended, so they have; but nobody answered it any more."""
    authority, there = authority_on(bus), Node(bus, ELSEWHERE)
    async with running(authority, there):
        await there.connect("s1", "ann")
        authority.order(LoseHost(ELSEWHERE.host))
        await eventually(lambda: not there.live, "it is told")
        await there.connect("s2", "ann")
        assert await there.join("s2", "lobby")


async def test_a_command_about_nobody_is_not_found(bus: Bus) -> None:
    node = Node(bus)
    async with running(authority_on(bus), node):
        with pytest.raises(NotFoundError):
            await node.join("nobody", "lobby")


async def test_a_command_without_an_answer_is_unavailable_and_leaves_no_ghost(bus: Bus) -> None:
    # Without beats, and so without looks for ghosts: the Disconnect that follows a given-up Connect must do it.
    node = Node(bus, timings=replace(QUICK, command_timeout_s=0.5, heartbeat_s=60.0))
    authority = authority_on(bus)
    async with running(authority, node):
        node.deaf = True
        with pytest.raises(UnavailableError):
            await node.connect("s1")
        node.deaf = False
        await eventually(lambda: authority.status()["sessions"] == 0, "no ghost is left")


async def test_a_cancelled_connect_leaves_no_ghost(bus: Bus) -> None:
    node = Node(bus)
    authority = authority_on(bus)
    async with running(authority, node):
        connecting = asyncio.create_task(node.connect("s1"))
        await asyncio.sleep(0)
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        await node.connect("s2", "bob")
        await eventually(lambda: authority.status()["sessions"] == 1, "only bob is here")


async def test_a_session_that_nobody_here_knows_is_ended(bus: Bus) -> None:
    authority, node = authority_on(bus), Node(bus)
    async with running(authority, node):
        await node.connect("s1")
        await node.connect("s2", "bob")
        node.live.pop(SessionId("s1"))
        await eventually(lambda: authority.status()["sessions"] == 1, "only bob is here")
        assert node.replica.is_live(SessionId("s2"))


async def test_a_snapshot_of_an_authority_that_does_not_know_us_is_not_installed(bus: Bus) -> None:
    node = Node(bus)
    async with running(authority_on(bus), node):
        await node.connect("s1")
        later = Snapshot(Position(node.replica.position.epoch, 99), term=node.replica.followed.term)
        for is_greeted in (False, True):
            body = wire.snapshot_body(is_greeted=is_greeted, doubts=1) | {"blob": wire.pack_snapshot(later)}
            assert node.feeder.on_message(wire.SNAPSHOT, body)
            assert node.replica.is_live(SessionId("s1")) is not is_greeted


async def test_a_dead_worker_takes_its_sessions_with_it_and_speaks_no_more(bus: Bus) -> None:
    authority, dying, node = authority_on(bus), Node(bus, SECOND), Node(bus, FIRST)
    async with running(authority, dying, node):
        await dying.connect("s1")
        await dying.join("s1", "lobby")
        await eventually(lambda: node.who("lobby") == ["ann"], "ann is seen")
        authority.worker_exited(SECOND)
        await eventually(lambda: node.who("lobby") == [], "ann is told gone")
        with pytest.raises(UnavailableError):
            await dying.connect("s2")


async def test_a_socketio_user_of_a_dead_worker_comes_back_unseen_and_is_caught_up(bus: Bus) -> None:
    authority, dying, node = authority_on(bus), Node(bus, SECOND), Node(bus, FIRST)
    async with running(authority, dying, node):
        await dying.connect("s1", grace=LINGERS)
        await dying.join("s1", "lobby")
        dying.heads[LOBBY] = 41
        await eventually(
            lambda: any(b["beat_age_s"] < 0.05 for b in authority.status()["replicas"].values()), "a beat came"
        )
        await asyncio.sleep(0.25)
        authority.worker_exited(SECOND)
        await node.connect("s2", grace=LINGERS)
        assert [t.after for t in node.told if hasattr(t, "after")] == [41]
        assert node.who("lobby") == ["ann"]
        assert sum(isinstance(t, MemberJoined) for t in node.told) == 1


async def test_heads_that_moved_far_are_told_before_the_next_beat(bus: Bus) -> None:
    """At 300 messages a second, 148 came twice to a client whose worker was killed: all since the last beat."""
    authority, dying = authority_on(bus), Node(bus, SECOND, replace(QUICK, heartbeat_s=60.0))
    node = Node(bus, FIRST)
    async with running(authority, dying, node):
        await dying.connect("s1", grace=LINGERS)
        await dying.join("s1", "lobby")
        dying.heads[LOBBY] = 41
        dying.beat_due.set()
        await eventually(lambda: str(SECOND) in authority.status()["replicas"], "the beat came")
        authority.worker_exited(SECOND)
        await node.connect("s2", grace=LINGERS)
        assert [t.after for t in node.told if hasattr(t, "after")] == [41]


async def test_what_a_session_was_sent_is_told_as_its_connection_ends(bus: Bus) -> None:
    """Its Disconnect waits behind what its client said. A worker that died meanwhile took along how far it had come."""
    authority, dying = authority_on(bus), Node(bus, SECOND, replace(QUICK, heartbeat_s=60.0))
    node = Node(bus, FIRST)
    async with running(authority, dying, node):
        for session in ("s1", "gone"):
            await dying.connect(session, grace=LINGERS)
            await dying.join(session, "lobby")
        dying.heads[LOBBY] = 41
        dying.feeder.note_ended(SessionId("gone"), {LOBBY: 3})
        dying.feeder.tell(Disconnect(SessionId("gone"), Ending.GOODBYE))
        dying.feeder.note_ended(SessionId("s1"), {LOBBY: 7})
        await eventually(lambda: str(SECOND) in authority.status()["replicas"], "the beat came")
        authority.worker_exited(SECOND)
        await node.connect("s2", grace=LINGERS)
        assert [t.after for t in node.told if hasattr(t, "after")] == [7]


async def test_beats_that_are_due_early_do_not_keep_the_others_from_their_time(bus: Bus) -> None:
    """Those carry what has not moved, too, and look for ghosts."""
    authority, node = authority_on(bus), Node(bus)
    async with running(authority, node):
        await node.connect("s1", grace=LINGERS)
        await node.join("s1", "lobby")
        ghost = node.live.pop(SessionId("s1"))

        async def always_due() -> None:
            while True:
                node.beat_due.set()
                await asyncio.sleep(0.001)

        busy = asyncio.create_task(always_due())
        await eventually(lambda: not node.replica.is_live(ghost.session_id), "the ghost is found")
        busy.cancel()


async def test_a_new_epoch_hears_hello_and_nobody_is_told_anything(bus: Bus) -> None:
    node = Node(bus)
    first = asyncio.create_task(authority_on(bus).run())
    async with running(node):
        await node.connect("s1")
        await node.join("s1", "lobby")
        told = len(node.told)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        second = authority_on(bus)
        async with running(second):
            await eventually(lambda: node.replica.position.epoch == second.status()["epoch"], "the new epoch is taken")
            assert node.who("lobby") == ["ann"]
            assert len(node.told) == told
            await node.connect("s2", "bob")


async def test_a_worker_that_missed_batches_asks_for_a_snapshot_and_tells_only_the_difference(bus: Bus) -> None:
    authority, deaf, node = authority_on(bus), Node(bus, SECOND), Node(bus, FIRST)
    async with running(authority, deaf, node):
        await deaf.connect("s0", "zoe")
        await deaf.join("s0", "lobby")
        deaf.deaf = True
        await node.connect("s1", "ann")
        await node.join("s1", "lobby")
        await node.feeder.submit(Leave(SessionId("s1"), LOBBY))
        await node.connect("s2", "bob")
        await node.join("s2", "lobby")
        deaf.deaf = False
        await eventually(lambda: deaf.who("lobby") == ["bob", "zoe"], "the other worker is in step")
        assert [t.user_id for t in deaf.told if isinstance(t, MemberJoined)] == ["zoe", "bob"]
        deaf.shown.matches(deaf.replica)


class Choosy(Node):
    """Reads slices of some parts later."""

    def __init__(self, bus: Bus, worker: WorkerId, user: str) -> None:
        super().__init__(bus, worker)
        self.withheld: list[dict[str, Any]] | None = None
        self.part = part_of(UserId(user))

    def on_message(self, kind: str, body: dict[str, Any]) -> None:
        is_slice = kind == wire.SNAPSHOT and self.part in wire.read_snapshot(body).snapshot.parts
        if is_slice and self.withheld is not None:
            self.withheld.append(body)
        else:
            super().on_message(kind, body)

    def read_withheld(self) -> None:
        waiting, self.withheld = self.withheld or [], None
        for body in waiting:
            self.on_message(wire.SNAPSHOT, body)


async def test_who_is_in_a_slice_that_has_come_is_served_before_the_others_have(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.membership.authority.SLICE_SESSIONS", 1)
    authority, here, node = authority_on(bus), Choosy(bus, FIRST, "ann"), Node(bus, SECOND)
    async with running(authority, here, node):
        await here.connect("s1", "ann")
        await here.connect("s2", "bob")
        here.withheld, here.deaf = [], True
        await node.connect("s3", "eve")
        await node.join("s3", "lobby")
        here.deaf = False
        await eventually(lambda: here.who("lobby") == ["eve"], "the slice of Eve has come")
        joining = asyncio.create_task(here.join("s1", "news"))
        assert (await here.join("s2", "news")).is_accepted
        assert here.who("news") == ["bob"]
        await node.join("s3", "news")
        await eventually(lambda: here.who("news") == ["bob", "eve"], "changes of what has come go on")
        assert not here.feeder.is_in_step
        assert not joining.done()
        here.read_withheld()
        assert (await joining).is_accepted
        await eventually(lambda: here.feeder.is_in_step, "all has come")
        assert here.replica.digest() == node.replica.digest()
        assert here.contradictions == []
        here.shown.matches(here.replica)


async def test_replicas_that_ask_at_once_come_in_step_with_many_slices(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.membership.authority.SLICE_SESSIONS", 2)
    authority, node = authority_on(bus), Node(bus)
    async with running(authority, node):
        await asyncio.gather(*(node.connect(f"s{i}", f"u{i}") for i in range(200)))
        await asyncio.gather(*(node.join(f"s{i}", "lobby") for i in range(200)))
        more = [Node(bus, WorkerId(1, 1, slot, 1)) for slot in range(2, 6)]
        async with running(*more):
            assert {each.replica.digest() for each in more} == {node.replica.digest()}
            assert [each.feeder.resyncs for each in more] == [1] * 4


async def test_a_worker_that_is_gone_while_slices_are_sent_gets_no_more(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.membership.authority.SLICE_SESSIONS", 1)
    authority, node = authority_on(bus), Node(bus)
    came: list[wire.SnapshotAnswer] = []
    is_dying = False

    async def read() -> None:
        nonlocal is_dying
        async for kind, body in bus.listen(wire.worker_mailbox(SECOND)):
            assert kind == wire.SNAPSHOT
            came.append(wire.read_snapshot(body))
            if is_dying:
                authority.worker_exited(SECOND)
                is_dying = False

    async with running(authority, node):
        await asyncio.gather(*(node.connect(f"s{i}", f"u{i}") for i in range(100)))
        reading = asyncio.create_task(read())
        hello = wire.Envelope(CommandId("hello"), Hello(SECOND))
        await bus.send(wire.AUTHORITY_MAILBOX, wire.SYNC, wire.sync_body(wire.SyncRequest(SECOND, hello)))
        await eventually(lambda: len(came) == wire.SLICES_PER_ASK, "as many came as one request brings")
        await node.join("s1", "lobby")
        assert len(came) == wire.SLICES_PER_ASK
        is_dying = True
        await bus.send(wire.AUTHORITY_MAILBOX, wire.SYNC, wire.sync_body(wire.SyncRequest(SECOND)))
        await eventually(lambda: not is_dying, "its end is seen after the first slice")
        await node.join("s2", "lobby")
        assert len(came) < 2 * wire.SLICES_PER_ASK
        assert all(each.is_greeted for each in came)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def test_a_slice_from_before_a_worker_was_stopped_is_not_taken(bus: Bus) -> None:
    """Its host may have been lost meanwhile: the slice, and the batches behind it, would have ended its sessions."""
    authority, there = authority_on(bus), Node(bus, ELSEWHERE)
    async with running(authority, there):
        await there.connect("s1", "ann")
        epoch, term = there.replica.followed
        before = wire.pack_snapshot(Snapshot(Position(epoch, there.replica.position.revision + 1), term=term))
        there.backlog = [(wire.SNAPSHOT, wire.snapshot_body(is_greeted=True) | {"blob": before})]
        authority.order(LoseHost(ELSEWHERE.host))
        await asyncio.sleep(1.5 * QUICK.silence_s)
        there.go_on()
        await eventually(lambda: there.feeder.is_in_step, "it follows again")
        assert list(there.live) == ["s1"]
        assert not [each for each in there.told if isinstance(each, SessionEnded)]


async def test_an_overflow_of_the_bus_asks_for_a_snapshot(bus: Bus) -> None:
    node = Node(bus)
    async with running(authority_on(bus), node):
        before = node.feeder.resyncs
        assert not node.feeder.on_message("bus.overflow", {})
        await eventually(lambda: node.feeder.resyncs > before, "a snapshot was asked for")


async def test_dead_tokens_end_every_session_of_their_user(bus: Bus) -> None:
    authority, node = authority_on(bus), Node(bus)
    async with running(authority, node):
        await node.connect("s1")
        await bus.broadcast(
            orders.ORDERS_GROUP, orders.END_SESSIONS, orders.end_sessions_body("ann", 4503, "logged out")
        )
        await eventually(lambda: not node.live, "the session is told and closed")
        assert node.told[-1].close_code == 4503  # type: ignore[union-attr]


async def test_a_command_without_a_worker_is_taken(bus: Bus) -> None:
    authority, node = authority_on(bus), Node(bus)
    async with running(authority, node):
        await node.connect("s1")
        order = wire.Envelope(CommandId("outside"), EndSessions(UserId("ann"), 4503))
        await bus.send(wire.AUTHORITY_MAILBOX, wire.COMMANDS, wire.commands_body(None, [wire.pack_envelope(order)]))
        await eventually(lambda: not node.live, "the session is told and closed")


async def test_junk_on_the_bus_ends_neither_side(bus: Bus) -> None:
    authority, node = authority_on(bus), Node(bus)
    async with running(authority, node):
        for kind in (wire.COMMANDS, wire.SYNC, wire.BEAT, orders.END_SESSIONS):
            await bus.send(wire.AUTHORITY_MAILBOX, kind, {"v": 1, "w": "junk"})
        for kind in (wire.BATCH, wire.SNAPSHOT):
            assert node.feeder.on_message(kind, {"v": 99})
        await node.connect("s1")
        assert (authority.junk, node.feeder.junk) == (4, 2)
        assert not node.feeder.on_message("chat.event", {})


async def test_a_disconnect_that_is_told_arrives(bus: Bus) -> None:
    authority, node = authority_on(bus), Node(bus)
    async with running(authority, node):
        await node.connect("s1")
        node.feeder.tell(Disconnect(SessionId("s1"), Ending.GOODBYE))
        await eventually(lambda: authority.status()["sessions"] == 0, "the session is gone")


async def test_a_text_that_cannot_be_sent_is_refused_before_it_harms_the_others(bus: Bus) -> None:
    node = Node(bus)
    async with running(authority_on(bus), node):
        await node.connect("s1")
        with pytest.raises(InvalidError):
            await node.join("s1", "half a pair \ud800")
        await node.join("s1", "lobby")


async def test_a_command_that_was_lost_is_sent_again() -> None:
    layer = FaultyLayer(seed=1)
    bus = Bus(layer)
    node = Node(bus)
    async with running(authority_on(bus), node):
        await node.connect("s1")
        layer.loss = 1.0
        joining = asyncio.create_task(node.join("s1", "lobby"))
        await asyncio.sleep(0.05)
        layer.heal()
        assert (await joining).is_accepted


async def test_a_command_whose_answer_was_lost_is_answered_again_and_done_once() -> None:
    layer = FaultyLayer(seed=1)
    bus = Bus(layer)
    node = Node(bus)
    authority = authority_on(bus)
    async with running(authority, node):
        await node.connect("s1")
        revision = authority.status()["revision"]
        node.deaf = True
        joining = asyncio.create_task(node.join("s1", "lobby"))
        await eventually(lambda: authority.status()["revision"] > revision, "the join is decided")
        node.deaf = False
        await joining
        assert authority.status()["revision"] == revision + 1
        assert sum(isinstance(transition, MemberJoined) for transition in node.told) == 1


async def test_who_waits_or_asks_when_the_worker_stops_is_told_at_once(bus: Bus) -> None:
    """A join that was under way when the worker stopped hung until its own time-out of 5 s, and its thread with it."""
    node = Node(bus, timings=replace(QUICK, command_timeout_s=60.0))
    deciding = asyncio.create_task(authority_on(bus).run())
    async with running(node):
        deciding.cancel()
        await asyncio.wait({deciding})
        joining = asyncio.create_task(node.join("s1", "lobby"))
        await asyncio.sleep(0)
    async with asyncio.timeout(1.0):
        for waiting in (joining, node.join("s1", "lobby"), node.connect("s2")):
            with pytest.raises(UnavailableError):
                await waiting
