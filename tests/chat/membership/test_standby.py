"""A server that stands by, over a real Redis: what it knows of the authority, and how it goes on in its place."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.domain.sessions import Credentials, Status
from chat.membership.authority import Authority
from chat.membership.places import Place
from chat.membership.protocol import Block, DropWorker, Left, Mandate
from chat.membership.shadow import Inherited
from chat.membership.standby import Standby
from chat.membership.whole import Whole, pack_whole
from reaktor.errors import UnavailableError
from reaktor.process.bus import Bus
from tests.support.membership import FIRST, LINGERS, QUICK, SECOND, Node, eventually, lease, running, session_info
from tests.support.redis import RedisServer

LOBBY = ChannelKey("lobby")
SLOW_HELLOS = replace(QUICK, hello_s=1.0, quit_grace_s=8.0)


@asynccontextmanager
async def standing_by(bus: Bus) -> AsyncIterator[Standby]:
    standby = Standby(bus, silence_s=QUICK.silence_s)
    task = asyncio.create_task(standby.run())
    try:
        yield standby
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def authority_after(
    bus: Bus, inherited: Inherited | None = None, *, places: Iterable[Place] = (), blocks: Iterable[Block] = ()
) -> Authority:
    """An authority of a new epoch, that begins with this."""

    async def load_blocks() -> list[Block]:
        return list(blocks)

    async def load_places() -> list[Place]:
        return list(places)

    return Authority(
        bus,
        SLOW_HELLOS,
        mandate=lease.take(),
        inherited=inherited,
        load_blocks=load_blocks,
        load_places=load_places,
    )


def known(authority: Authority) -> Whole:
    return authority._decisions.state.whole()


async def settled(authority: Authority, standby: Standby) -> None:
    """All that was decided is said, and heard by whoever stands by."""
    await eventually(lambda: standby.is_in_step, "who stands by is in step")
    await authority.settle()

    def knows_all() -> bool:
        state = standby._shadow._state
        return standby.is_in_step and state is not None and pack_whole(state.whole()) == pack_whole(known(authority))

    await eventually(knows_all, "who stands by knows what the authority knows")


async def test_it_knows_all_that_the_authority_knows_what_nobody_is_shown_included(buses: list[Bus]) -> None:
    authority, node = authority_after(buses[0]), Node(buses[1], FIRST)
    async with running(authority, node), standing_by(buses[2]) as standby:
        await node.connect("s1", grace=LINGERS)
        await eventually(lambda: standby.is_in_step, "it is in step")
        await node.connect("s2", "bob", grace=LINGERS)
        await node.join("s2", "lobby")
        node.heads[LOBBY] = 7
        authority.order(Block(session_info("x", "eve").user_id, LOBBY, None))
        authority.worker_exited(SECOND)
        await node.join("s1", "lobby")
        await eventually(lambda: dict(known(authority).heads) == {FIRST: {LOBBY: 7}}, "a beat was heard")
        await settled(authority, standby)
        inherited = standby.take(lease.named())
    assert inherited is not None
    assert inherited.is_in_step
    assert inherited.state.is_dead(SECOND)
    assert dict(inherited.state.whole().heads) == {FIRST: {LOBBY: 7}}


async def test_sessions_of_its_own_process_follow_it_also_while_somebody_stands_by(buses: list[Bus]) -> None:
    """What was said to both at once skipped the process that said it, and its own joins had no answer."""
    authority, node = authority_after(buses[0]), Node(buses[0], FIRST)
    async with running(authority, node), standing_by(buses[1]) as standby:
        await eventually(lambda: standby.is_in_step, "it is in step")
        await node.connect("s1")
        await node.join("s1", "lobby")
        assert node.who("lobby") == ["ann"]


@asynccontextmanager
async def both_in_the_lobby(buses: list[Bus]) -> AsyncIterator[tuple[Standby, Node, Node, Mandate]]:
    """A server that stands by and knows all, the nodes of ann and bob, who see each other, and who decides."""
    authority, here, there = authority_after(buses[0]), Node(buses[1], FIRST), Node(buses[1], SECOND)
    async with standing_by(buses[2]) as standby, running(authority, here, there):
        for node, session, user in ((here, "s1", "ann"), (there, "s2", "bob")):
            await node.connect(session, user)
            await node.join(session, "lobby")
        await eventually(lambda: here.who("lobby") == there.who("lobby") == ["ann", "bob"], "both see both")
        before = lease.named()
        await settled(authority, standby)
        here.told.clear()
        yield standby, here, there, before


async def test_nobody_is_seen_going_or_coming_when_it_goes_on_though_a_hello_is_late(buses: list[Bus]) -> None:
    async with both_in_the_lobby(buses) as (standby, here, there, before):
        there.deaf = True
        async with running(successor := authority_after(buses[2], standby.take(before))):
            await here.connect("s3", "eve")
            assert here.who("lobby") == ["ann", "bob"]
            there.deaf = False
            await eventually(lambda: there.replica.followed == lease.named(), "the other one follows, too")
            await eventually(lambda: bool(successor.status()["is_roll_called"]), "the Hellos' time is over")
            assert here.told == []
            await there.join("s2", "news")
            assert here.contradictions == there.contradictions == []


async def test_a_worker_that_says_no_hello_in_time_is_lost_and_comes_back_with_a_later_one(buses: list[Bus]) -> None:
    authority, here, there = authority_after(buses[0]), Node(buses[1], FIRST), Node(buses[1], SECOND)
    async with standing_by(buses[2]) as standby, running(authority, here):
        async with running(there):
            for node, session, user in ((here, "s1", "ann"), (there, "s2", "bob")):
                await node.connect(session, user)
                await node.join(session, "lobby")
            await settled(authority, standby)
        async with running(authority_after(buses[2], standby.take(lease.named()))):
            await eventually(lambda: here.who("lobby") == ["ann"], "bob is seen leaving")
            async with running(there):
                await eventually(lambda: here.who("lobby") == ["ann", "bob"], "bob is back")
                here.shown.matches(here.replica)


async def test_a_worker_that_can_not_read_whom_the_lease_names_is_not_taken_for_lost(
    buses: list[Bus], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its host was cut off PostgreSQL, and its people were shown as leaving, and as back when it could read again."""
    async with both_in_the_lobby(buses) as (standby, here, there, before):
        with monkeypatch.context() as cut:
            cut.setattr(there.feeder, "_read_mandate", _can_not)
            async with running(successor := authority_after(buses[2], standby.take(before))):
                await eventually(lambda: bool(successor.status()["is_roll_called"]), "the Hellos' time is over")
                assert there.replica.followed == before
                assert here.who("lobby") == ["ann", "bob"]
                cut.undo()
                await eventually(lambda: there.replica.followed == lease.named(), "it follows when it can read")
                await there.join("s2", "news")
                await eventually(lambda: here.who("news") == ["bob"], "its sessions are known")
                assert [type(each).__name__ for each in here.told] == ["MemberJoined"]


async def _can_not() -> Mandate:
    raise UnavailableError


@asynccontextmanager
async def handed_over(
    buses: list[Bus], *nodes: Node, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object] = bool
) -> AsyncIterator[Authority]:
    """Ann and bob are in the lobby, and another authority decides, to which that was handed over. `meanwhile`: what
    happens when all is settled.
    """
    monkeypatch.setattr("chat.membership.authority.LOST_S", 1.0)
    authority, deciding = authority_after(buses[0]), contextlib.AsyncExitStack()
    await deciding.enter_async_context(running(authority))
    async with deciding, standing_by(buses[2]) as standby, running(*nodes):
        for node, session, user in zip(nodes, ("s1", "s2"), ("ann", "bob"), strict=False):
            await node.connect(session, user)
            await node.join(session, "lobby")
        await eventually(lambda: nodes[0].who("lobby") == nodes[1].who("lobby") == ["ann", "bob"], "both see both")
        before = lease.named()
        await settled(authority, standby)
        meanwhile()
        await deciding.aclose()
        inherited = standby.take(before)
        assert inherited is not None
        async with running(successor := authority_after(buses[2], inherited._replace(is_handed_over=True))):
            yield successor


async def test_who_shows_what_was_handed_over_goes_on_without_a_picture_of_it(
    buses: list[Bus], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All workers read and compared all sessions at the same time, and a join waited for more than a second."""
    here, there, empty = Node(buses[1], FIRST), Node(buses[1], SECOND), Node(buses[1], WorkerId(0, 1, 7, 1))
    async with handed_over(buses, here, there, empty, monkeypatch=monkeypatch) as successor:
        asked = [node.feeder.resyncs for node in (here, there)]
        said = len(there.told)
        await here.connect("s3", "eve")
        await there.join("s2", "news")
        await empty.connect("s4", "kim")
        assert asked == [node.feeder.resyncs for node in (here, there)]
        assert {node.replica.followed for node in (here, there, empty)} == {lease.named()}
        await eventually(lambda: bool(successor.status()["is_roll_called"]), "the time for Hellos is over")
        await here.join("s3", "news")
        await eventually(lambda: there.who("news") == ["bob", "eve"], "the other one sees it")
        assert [type(each).__name__ for each in there.told[said:]] == ["SessionEntered", "MemberJoined", "MemberJoined"]
        assert {node.replica.digest() for node in (here, there)} == {successor.status()["digest"]}
        for node in (here, there, empty):
            assert node.contradictions == []
            node.shown.matches(node.replica)


async def test_who_missed_the_last_change_before_it_was_handed_over_is_shown_all(
    buses: list[Bus], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = Node(buses[1], FIRST), Node(buses[1], SECOND)

    def miss() -> None:
        there.replica._roster.apply(Left(SessionId("s1"), LOBBY))
        there.shown.members.pop((LOBBY, UserId("ann")))

    async with handed_over(buses, here, there, monkeypatch=monkeypatch, meanwhile=miss) as successor:
        await eventually(lambda: there.who("lobby") == ["ann", "bob"], "it has asked")
        await eventually(lambda: there.replica.digest() == successor.status()["digest"], "they are the same")
        there.shown.matches(there.replica)


async def test_a_worker_that_is_not_heard_of_after_a_hand_over_is_lost(
    buses: list[Bus], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = Node(buses[1], FIRST), Node(buses[1], SECOND)

    def is_stopped() -> None:
        there.backlog = []
        monkeypatch.setattr(there.bus, "send", partial(_sent_by_others, there.bus.send, SECOND))

    async with handed_over(buses, here, there, monkeypatch=monkeypatch, meanwhile=is_stopped):
        await eventually(lambda: here.who("lobby") == ["ann"], "bob is seen leaving")
        monkeypatch.undo()
        there.go_on()
        await eventually(lambda: here.who("lobby") == ["ann", "bob"], "bob is back")
        await eventually(lambda: there.replica.digest() == here.replica.digest(), "both show the same")


async def _sent_by_others(
    send: Callable[..., Awaitable[None]], worker: WorkerId, mailbox: str, kind: str, body: dict[str, Any]
) -> None:
    if body.get("w") != list(worker):
        await send(mailbox, kind, body)


@pytest.mark.parametrize("what", ["nothing", "what an earlier authority knew"])
async def test_who_is_not_in_step_says_of_nobody_that_they_are_gone_before_the_hellos_are_in(
    buses: list[Bus], what: str
) -> None:
    authority, here, there = authority_after(buses[0]), Node(buses[1], FIRST), Node(buses[1], SECOND)
    async with standing_by(buses[2]) as standby, running(authority, here, there):
        await here.connect("s1")
        await here.join("s1", "lobby")
        await eventually(lambda: standby.is_in_step and standby.sessions == 1, "it has followed")
        # From here on it hears nothing more.
        inherited = standby.take(Mandate(0, "nobody"))
        await there.connect("s2", "bob")
        await there.join("s2", "lobby")
        await eventually(lambda: here.who("lobby") == ["ann", "bob"], "both are seen")
        await authority.settle()
        here.told.clear()
        assert inherited is not None
        assert not inherited.is_in_step
        there.deaf = True
        async with running(authority_after(buses[2], inherited if what != "nothing" else None)):
            await eventually(lambda: here.replica.followed == lease.named(), "the new one is followed")
            there.deaf = False
            await here.connect("s3", "eve")
            assert here.told == []
            assert here.who("lobby") == ["ann", "bob"]


async def test_who_is_in_step_does_not_read_the_kept_places_and_anybody_else_does(buses: list[Bus]) -> None:
    place = Place(session_info("s9", "kim", WorkerId(2, 1, 0, 1), grace=LINGERS), Status.ONLINE, {}, Credentials(1, ""))
    authority, node = authority_after(buses[0]), Node(buses[1], FIRST)
    async with standing_by(buses[2]) as standby:
        async with running(authority, node):
            await eventually(lambda: standby.is_in_step, "it follows")
            inherited = standby.take(lease.named())
        lost = replace(place, lost_at=time.time())
        for begins_with, sessions in ((inherited, 0), (None, 1)):
            successor = authority_after(buses[2], begins_with, places=[lost])
            async with running(successor):
                await eventually(lambda at=successor: at.status()["phase"] == "serving", "it serves")  # type: ignore[misc]
                assert successor.status()["sessions"] == sessions


async def test_what_is_in_force_and_has_no_row_any_more_is_lifted(buses: list[Bus]) -> None:
    eve = session_info("x", "eve").user_id
    authority, node = authority_after(buses[0]), Node(buses[1], FIRST)
    async with standing_by(buses[2]) as standby:
        async with running(authority, node):
            await eventually(lambda: standby.is_in_step, "it follows")
            authority.order(Block(eve, LOBBY, None))
            authority.order(Block(eve, None, None))
            await eventually(lambda: authority.status()["blocks"] == 2, "both hold")
            await settled(authority, standby)
            inherited = standby.take(lease.named())
        successor = authority_after(buses[2], inherited, blocks=[Block(eve, LOBBY, None)])
        async with running(successor):
            await eventually(lambda: [each.channel for each in known(successor).blocks] == [LOBBY], "one is lifted")


async def test_no_journal_is_kept_while_nobody_stands_by(buses: list[Bus]) -> None:
    authority, node = authority_after(buses[0]), Node(buses[1], FIRST)
    async with running(authority, node):
        await node.connect("s1")
        assert authority.status()["shadows"] == 0
        assert authority._decisions.journal.next_entry == 1


async def test_it_is_in_step_again_after_redis_was_away(redis: RedisServer, buses: list[Bus]) -> None:
    authority, node = authority_after(buses[0]), Node(buses[1], FIRST)
    async with running(authority, node), standing_by(buses[2]) as standby:
        await eventually(lambda: standby.is_in_step, "it follows")
        redis.kill()
        authority.order(DropWorker(SECOND))
        await asyncio.sleep(0.1)
        redis.start()
        await eventually(lambda: node.feeder.is_in_step, "the worker is in step again", 10)
        await node.connect("s1")
        await eventually(lambda: standby.is_in_step and standby.sessions == 1, "so is who stands by", 15)
        inherited = standby.take(lease.named())
        assert inherited is not None
        assert inherited.state.is_dead(SECOND)
        assert SessionId("s1") in inherited.state.roster.sessions
