"""The runtime of a process: without its bus, with junk on it, while it drains, and asked by the threads of views; what
an end costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer

from accounts.models import User
from chat.delivery import wire
from chat.delivery.feed import Feed
from chat.delivery.recent import Recent
from chat.domain.ids import ChannelKey, UserRef, WorkerId
from chat.domain.sessions import Ending, SessionInfo, Transport
from chat.live import remote_join
from chat.live.feeds.memory import OpenFeed
from chat.live.runtime import Runtime
from chat.membership.protocol import Command, Connect, Disconnect
from chat.membership.wire import BATCH
from chat.models import ClusterLease
from chat.posting.textrules import CurrentTextRules
from chat.selectors import AUTHORITY
from reaktor.config.model import Config, MembershipTimings
from reaktor.errors import CloseCode, UnavailableError
from reaktor.limits.rates import Rates
from reaktor.process import node
from reaktor.process.bus import OVERFLOW
from tests.support.databases import channel_of, user_ref
from tests.support.delivery import FakeFormat, FakeSession
from tests.support.faulty_layer import FaultyLayer
from tests.support.membership import session_info
from tests.support.runtime import running_runtime
from tests.support.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

HERE, THERE = WorkerId(1, 1, 0, 1), WorkerId(1, 1, 1, 1)
QUICK = MembershipTimings(heartbeat_s=0.1, silence_s=0.3, bus_lost_s=1.5)
TEA = ChannelKey("tea")


async def test_sessions_are_told_4007_when_the_bus_stays_away_and_not_before(tmp_path: Path) -> None:
    layer = FaultyLayer(1)
    async with running_runtime(replace(Config(tmp_path), membership=QUICK), layer) as runtime:
        session, _ = await connected(runtime, "ann")
        layer.is_cut = True
        await until(lambda: not runtime.status()["bus"] and not runtime.status()["in_step"])
        assert session.closed == []
        await until(lambda: session.closed, 5.0)
        (told,) = session.closed[:1]
        assert told.code is CloseCode.BUS_LOST
        assert told.retry_after_s is not None


@pytest.fixture
def layer() -> InMemoryChannelLayer:
    return InMemoryChannelLayer(capacity=100_000)


@pytest.fixture
async def runtime(tmp_path: Path, layer: InMemoryChannelLayer) -> AsyncIterator[Runtime]:
    """This process's, as views find it."""
    async with running_runtime(Config(tmp_path), layer) as made:
        node.install(node.Node(asyncio.get_running_loop(), made.bus, made))
        yield made
        node.clear()


async def connected(runtime: Runtime, name: str) -> tuple[FakeSession, UserRef]:
    """A live native session of a stored user."""
    user = await runtime.database.write(user_ref, name)
    session = FakeSession(name, FakeFormat(), user=user.id)
    session.user = user
    await runtime.connect(session, lambda: User.objects.get(pk=user.id))
    return session, user


async def test_junk_on_the_bus_ends_no_process(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    """A request for a feed without a channel ended the whole runtime: it was read in a task of its own."""
    for kind in ("orders.end_sessions", remote_join.OPEN, remote_join.OPENED, wire.DURABLE_KIND, "nothing known"):
        await runtime.bus.send(runtime.mailbox, kind, {})
    await runtime.bus.send(runtime.mailbox, remote_join.OPENED, {"id": "nobody waits for it"})
    await until(lambda: caplog.text.count("was not understood") == 4)
    await connected(runtime, "ann")


async def test_after_an_overflow_of_the_bus_heads_are_compared_at_once(runtime: Runtime) -> None:
    await runtime.database.write(channel_of, None, TEA)
    async with runtime.feeds.pinned(TEA):
        compared = asyncio.Event()
        real = runtime.upkeep.compare_heads

        async def compare_heads() -> None:
            compared.set()
            await real()

        runtime.upkeep.compare_heads = compare_heads  # type: ignore[method-assign]
        await runtime.bus.send(runtime.mailbox, OVERFLOW, {})
        async with asyncio.timeout(1.0):  # by itself it would be 2 s
            await compared.wait()


async def test_who_is_here_while_the_process_drains_is_told_and_nobody_comes_any_more(runtime: Runtime) -> None:
    session, user = await connected(runtime, "ann")
    draining = asyncio.create_task(runtime.drain(20.0))
    await until(lambda: session.closed)
    assert session.closed[0].code is CloseCode.RESTARTING
    with pytest.raises(UnavailableError):
        await runtime.connect(FakeSession("late", FakeFormat(), user=user.id), lambda: User.objects.get(pk=user.id))
    assert not draining.done()
    runtime.disconnect(session, Ending.GOODBYE)
    await asyncio.wait_for(draining, 5)


async def test_draining_ends_when_its_time_is_up(runtime: Runtime) -> None:
    await connected(runtime, "ann")
    await asyncio.wait_for(runtime.drain(0.05), 5)
    assert len(runtime.hub) == 1


# What the threads of views ask


async def test_a_view_ends_sessions_of_a_user_and_those_that_are_gone_are_passed_over(runtime: Runtime) -> None:
    session, user = await connected(runtime, "ann")
    ids = ["gone already", session.info.session_id]
    await asyncio.to_thread(runtime.end_sessions, user.id, ids, 5.0)
    await until(lambda: session.closed)
    assert session.closed[0].code is CloseCode.LOGGED_OUT
    assert runtime.sessions_of(user.id) == []


async def test_a_view_is_not_kept_waiting_by_a_membership_that_does_not_answer(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, user = await connected(runtime, "ann")

    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(runtime.feeder, "submit", hang)
    monkeypatch.setattr(runtime.remote_join, "join_user", hang)
    with pytest.raises(UnavailableError):
        await asyncio.to_thread(runtime.end_sessions, user.id, [session.info.session_id], 0.05)
    with pytest.raises(UnavailableError):
        await asyncio.to_thread(runtime.join_user_for_view, user.id, TEA, 0, 0.05, limit=9)


async def test_without_a_node_there_is_nobody_to_end_or_to_join(runtime: Runtime) -> None:
    node.clear()
    await asyncio.to_thread(runtime.end_sessions, "ann", ["s1"], 5.0)
    await asyncio.to_thread(runtime.join_user_for_view, "ann", TEA, 0, 5.0, limit=9)


# Sessions on another worker


async def test_a_user_is_put_into_a_channel_with_the_sessions_of_another_worker(
    runtime: Runtime, layer: InMemoryChannelLayer, tmp_path: Path
) -> None:
    ann = await runtime.database.write(user_ref, "ann")
    await runtime.database.write(channel_of, None, TEA)
    # As the supervisor's authority would be named.
    epoch = runtime.replica.followed.epoch
    await runtime.database.write(lambda: ClusterLease.objects.create(duty=AUTHORITY, epoch=epoch))
    async with running_runtime(Config(tmp_path), layer, THERE, with_authority=False) as there:
        session = FakeSession("s1", FakeFormat(), user=ann.id)
        session.user = ann
        session.info = SessionInfo(session.info.session_id, ann.id, ann.username, THERE, Transport.SOCKETIO, 0.0)
        await there.connect(session, lambda: User.objects.get(pk=ann.id))
        await until(lambda: runtime.sessions_of(ann.id))
        await asyncio.to_thread(runtime.join_user_for_view, ann.id, TEA, 0, 5.0, limit=9)
        assert there.feeds.get(TEA) is not None, "it was open before the change came"
        await until(lambda: TEA in session.channels)


@pytest.mark.parametrize("knows_one", [False, True])
async def test_a_session_that_this_worker_has_not_heard_of_yet_is_put_into_the_channel_as_well(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, *, knows_one: bool
) -> None:
    """The join was answered, and the client that had come a moment before over another host was told of nothing."""
    ann = await runtime.database.write(user_ref, "ann")
    await runtime.database.write(channel_of, None, TEA)
    known, unknown = (session_info(name, ann.id, THERE, transport=Transport.SOCKETIO) for name in ("s1", "s2"))
    monkeypatch.setattr(remote_join, "OPEN_TIMEOUT_S", 0.05)
    if knows_one:
        await runtime.feeder.submit(Connect(known))
    take, late = runtime.feeder.on_message, list[tuple[str, Mapping[str, Any]]]()

    def hear_late(kind: str, body: Mapping[str, Any]) -> bool:
        late.append((kind, body))
        return True

    with monkeypatch.context() as behind:
        behind.setattr(runtime.feeder, "on_message", hear_late)
        connecting = asyncio.create_task(runtime.feeder.submit(Connect(unknown)))
        await until(lambda: any(kind == BATCH for kind, _ in late))
        joining = asyncio.create_task(runtime.join_user(ann.id, TEA, 0, limit=9))
        await asyncio.sleep(0)
    for kind, body in late:
        take(kind, body)
    await asyncio.gather(connecting, joining)
    entry = runtime.replica.session(unknown.session_id)
    assert entry is not None
    assert TEA in entry.channels


async def test_a_worker_that_does_not_answer_does_not_keep_its_sessions_out(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_join, "OPEN_TIMEOUT_S", 0.05)
    ann = await runtime.database.write(user_ref, "ann")
    await runtime.database.write(channel_of, None, TEA)
    info = session_info("s1", ann.id, THERE, transport=Transport.SOCKETIO)
    await runtime.feeder.submit(Connect(info))
    await asyncio.to_thread(runtime.join_user_for_view, ann.id, TEA, 0, 5.0, limit=9)
    entry = runtime.replica.session(info.session_id)
    assert entry is not None
    assert TEA in entry.channels
    assert runtime.remote_join._waiting == {}


# What the end of a session costs


async def test_what_an_ending_costs_does_not_grow_with_the_feeds_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of 5,000 sessions that ended together walked all open feeds: the loop stood still for 0.7 s."""
    config = Config(tmp_path)
    rates, text_rules = Rates(config.limits), CurrentTextRules(config.limits)
    layer = InMemoryChannelLayer()
    runtime = Runtime(config, layer, WorkerId(1, 1, 0, 1), rates=rates, text_rules=text_rules, with_authority=False)
    told: list[Command] = []
    monkeypatch.setattr(runtime.feeder, "tell", told.append)
    monkeypatch.setattr(runtime.feeds, "heads", lambda: pytest.fail("all open feeds were walked"))
    session = FakeSession("ann", FakeFormat())
    runtime.hub.attach(session)
    for key in (ChannelKey("open"), ChannelKey("closed")):
        runtime.hub.enter(session, key)
    recent = Recent(changed=[], newest=[], floor=7, head_number=7, changes=5, numbers=5, max_bytes=1 << 20)
    monkeypatch.setitem(runtime.feeds._open, ChannelKey("open"), OpenFeed(Feed(ChannelKey("open"), 1, 7, recent), 0))
    session.waiting = {ChannelKey("waits"): 3, ChannelKey("begins"): None}
    runtime.disconnect(session, Ending.LOST)
    await asyncio.to_thread(runtime.database.close)
    assert told == [Disconnect(session.info.session_id, Ending.LOST, {ChannelKey("open"): 7, ChannelKey("waits"): 3})]
