"""What goes wrong around the membership: callers are told, and neither the authority nor a feeder ends by it."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer

from chat.domain.ids import ChannelKey, SessionId, UserId
from chat.domain.sessions import LeftReason, Status
from chat.membership import feeder as feeder_module
from chat.membership import wire
from chat.membership.authority import Authority
from chat.membership.pending import Pending
from chat.membership.protocol import (
    PARTS,
    Batch,
    Block,
    Disconnect,
    Disconnected,
    EndSessions,
    Join,
    Joined,
    Leave,
    Left,
    Lingering,
    Mandate,
    Position,
    Snapshot,
    StatusChanged,
    Transition,
)
from chat.membership.replica import OfferKind, Replica
from reaktor.errors import UnavailableError
from reaktor.process.bus import Bus
from tests.support.faulty_layer import FaultyLayer
from tests.support.membership import (
    FIRST,
    QUICK,
    Node,
    authority_on,
    eventually,
    no_places,
    running,
    session_info,
    transitions_of,
)
from tests.support.virtual_time import run_in_virtual_time

LOBBY = ChannelKey("lobby")
NOBODY = SessionId("nobody")


@pytest.fixture
def bus() -> Bus:
    return Bus(InMemoryChannelLayer(capacity=100_000))


# Callers


async def test_whoever_waits_when_the_feeder_ends_is_told_at_once(bus: Bus) -> None:
    """Its run() called a generator that nobody went through: callers waited for the whole command_timeout_s."""
    node = Node(bus, timings=replace(QUICK, command_timeout_s=60.0))
    following = asyncio.create_task(node.run())
    waiting = asyncio.create_task(node.connect("s1"))
    await asyncio.sleep(0)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    async with asyncio.timeout(5):
        with pytest.raises(UnavailableError):
            await waiting


def test_nothing_is_sent_once_all_is_abandoned() -> None:
    pending = Pending("w")
    pending.add(Disconnect(NOBODY), None, None)
    pending.abandon_all()
    assert (len(pending), pending.take(10, 0.0)) == (0, [])


async def test_beyond_what_may_wait_callers_are_refused_and_what_is_only_told_is_let_go(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeder_module, "MAX_PENDING", 1)
    node = Node(bus)
    for _ in range(5):
        node.feeder.tell(Disconnect(NOBODY))
    assert node.feeder.commands_dropped == 1
    with pytest.raises(UnavailableError):
        await node.join("nobody", "lobby")


async def test_an_error_of_on_applied_is_the_callers_and_the_replica_goes_on(bus: Bus) -> None:
    node = Node(bus)
    async with running(authority_on(bus), node):
        await node.connect("s1")

        def fail(outcome: object) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await node.feeder.submit(Join(SessionId("s1"), LOBBY), fail)
        assert node.who("lobby") == ["ann"]
        await node.feeder.submit(Leave(SessionId("s1"), LOBBY))


async def test_an_outcome_that_comes_in_the_very_turn_of_the_time_out_counts(bus: Bus) -> None:
    node = Node(bus, timings=replace(QUICK, command_timeout_s=0.3, silence_s=5.0))
    answers: list[dict[str, Any]] = []

    async def overhear() -> None:
        async for kind, body in bus.listen("overhear"):
            if kind == wire.BATCH and body["c"]:
                answers.append(body)

    overhearing = asyncio.create_task(overhear())
    async with running(authority_on(bus), node):
        await node.connect("s1")
        await bus.subscribe(wire.CHANGES_GROUP, "overhear")
        node.deaf = True
        joining = asyncio.create_task(node.join("s1", "lobby"))
        await eventually(lambda: bool(answers), "the join is decided")
        # The answer stands before the timer in the next turn, and the timer is due in it.
        asyncio.get_running_loop().call_soon(node.feeder.on_message, wire.BATCH, answers[0])
        time.sleep(0.4)  # noqa: ASYNC251  the loop is meant to be late
        assert (await joining).is_accepted
    overhearing.cancel()
    await asyncio.gather(overhearing, return_exceptions=True)


# Feeders


def test_a_feeder_that_ends_waits_for_no_missing_batch_any_more() -> None:
    async def life() -> None:
        timings = replace(QUICK, hold_gap_s=5.0)
        node = Node(Bus(InMemoryChannelLayer()), timings=timings, clock=asyncio.get_running_loop().time)
        following = asyncio.create_task(node.run())
        async with running(authority_on(node.bus)):
            await node.feeder.wait_ready()
            epoch, term = node.replica.followed
            revision = node.replica.position.revision
            node.feeder.on_message(
                wire.BATCH, wire.batch_body(Batch(epoch, revision + 2, (Lingering(NOBODY, 1.0),), (), term))
            )
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        await asyncio.sleep(6.0)
        assert node.replica.gap_since is not None
        assert not node.replica.needs_snapshot, "nobody gave up waiting"

    run_in_virtual_time(life())


async def test_transitions_that_cannot_be_carried_out_end_no_feeder(bus: Bus, caplog: pytest.LogCaptureFixture) -> None:
    class Clumsy(Node):
        def _on_transitions(self, transitions: Sequence[Transition]) -> None:
            raise ZeroDivisionError

    node = Clumsy(bus)
    async with running(authority_on(bus), node):
        await node.connect("s1")
        assert (await node.join("s1", "lobby")).is_accepted
        assert node.who("lobby") == ["ann"]
    assert "transitions were not carried out" in caplog.text


def test_changes_about_sessions_that_a_replica_does_not_know_tell_nobody_anything() -> None:
    replica = Replica(FIRST)
    replica.follow(Mandate(1, ""))
    replica.restore(Snapshot(Position(1, 0)), 0.0)
    changes = (
        Joined(NOBODY, LOBBY),
        Left(NOBODY, LOBBY, LeftReason.LEFT, ""),
        Lingering(NOBODY, 1.0),
        StatusChanged(NOBODY, Status.AWAY),
        Disconnected(NOBODY, LeftReason.QUIT, None, ""),
    )
    offer = replica.offer(Batch(1, 1, changes, ()), 0.0)
    assert (offer.kind, transitions_of(offer)) == (OfferKind.APPLIED, ())
    assert replica.position == (1, len(changes))
    replica.invariants()


# The authority


async def test_blocks_that_cannot_be_read_are_tried_again_and_nobody_is_served_before(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    errors: list[Exception] = [UnavailableError("The database is away."), ZeroDivisionError()]

    async def load_blocks() -> Iterable[Block]:
        if errors:
            raise errors.pop(0)
        return [Block(UserId("eve"), None, None)]

    authority = Authority(bus, QUICK, mandate=Mandate(1, ""), load_blocks=load_blocks, load_places=no_places)
    serving = asyncio.create_task(authority.run())
    await eventually(lambda: authority.status()["phase"] == "serving", "the blocks are read")
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    assert errors == []
    assert [record.levelname for record in caplog.records if "could not read the blocks" in record.message] == [
        "WARNING",
        "ERROR",
    ]


async def test_an_order_that_cannot_be_decided_does_not_end_the_only_writer(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    authority, node = authority_on(bus), Node(bus)
    async with running(authority, node):
        authority.order("no command")  # type: ignore[arg-type]
        await eventually(lambda: authority.junk == 1, "it is counted")
        await node.connect("s1")
    assert "could not decide" in caplog.text


async def test_what_json_cannot_carry_stays_unpublished_and_replicas_come_in_step_by_a_snapshot(bus: Bus) -> None:
    authority, node = authority_on(bus), Node(bus)
    async with running(authority, node):
        await node.connect("s1")
        authority.order(EndSessions(UserId("ann"), 4503, "half a pair \ud800"))
        await eventually(lambda: authority.unpublished == 1, "it is counted")
        await eventually(lambda: not node.replica.is_live(SessionId("s1")), "the session is gone from the replica")


async def test_without_a_bus_at_its_start_the_authority_serves_once_the_bus_is_there() -> None:
    layer = FaultyLayer(seed=1)
    layer.is_cut = True
    bus = Bus(layer)
    authority, node = authority_on(bus), Node(bus)
    parts = [asyncio.create_task(part.run()) for part in (authority, node)]
    await eventually(lambda: authority.unpublished > 0, "the bus took nothing")
    layer.mend()
    async with asyncio.timeout(10):
        await node.feeder.wait_ready()
        await node.connect("s1")
    for part in parts:
        part.cancel()
    await asyncio.gather(*parts, return_exceptions=True)


async def test_messages_beyond_what_may_wait_are_let_go_and_counted(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.membership.authority.INBOX_SIZE", 0)
    authority = authority_on(bus)
    serving = asyncio.create_task(authority.run())
    await bus.send(wire.AUTHORITY_MAILBOX, wire.SYNC, wire.sync_body(wire.SyncRequest(FIRST)))
    await eventually(lambda: authority.dropped == 1, "it is counted")
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


# What comes over the bus


@pytest.mark.parametrize(
    "envelope",
    [
        ["id", ["hello", [0, 1], [[wire.info_to(session_info("s1")), "online", "lobby"]]]],
        ["id", ["disconnect", "s1", "goodbye", ["lobby"]]],
        ["id", ["disconnect", "s1", "goodbye", {"lobby": "1"}]],
        ["id", ["join", "s1", 5]],
        ["id", ["nothing"]],
    ],
    ids=["channels that are no list", "heads that are no object", "a head that is no number", "no key", "no command"],
)
def test_a_command_that_is_not_as_it_should_be_is_not_read(envelope: list[Any]) -> None:
    with pytest.raises(wire.WireError):
        wire.read_commands({"v": wire.VERSION, "w": [*FIRST], "c": [envelope]})


def test_a_sync_request_carries_nothing_but_a_hello() -> None:
    body = wire.sync_body(wire.SyncRequest(FIRST))
    with pytest.raises(wire.WireError, match="something else than a Hello"):
        wire.read_sync(body | {"hello": ["id", ["leave", "s1", "lobby"]]})


def test_a_slice_of_a_later_version_is_not_read() -> None:
    packed = zlib.decompress(wire.pack_snapshot(Snapshot(Position(1, 0))))
    packed = packed.replace(b'"v":%d' % wire.VERSION, b'"v":99')
    with pytest.raises(wire.WireError, match="version 99"):
        wire.read_snapshot(wire.snapshot_body(is_greeted=True) | {"blob": zlib.compress(packed)})


@pytest.mark.parametrize("run", [[0, PARTS + 1], [-1, 5], [5, 4], ["0", 5]])
def test_parts_that_there_are_not_are_not_read(run: list[Any]) -> None:
    body = wire.sync_body(wire.SyncRequest(FIRST))
    with pytest.raises(wire.WireError):
        wire.read_sync(body | {"parts": [run]})
