"""What a client may not have had when its session ended: all that it was sent since then, or nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf

import pytest

from reaktor.config.model import EngineIO
from reaktor.engineio.engine_session import ON_ITS_WAY_S, SLOW_S, EngineSession
from reaktor.engineio.packets import CloseReason, ReadyPacket
from reaktor.web.websocket_reader import FrameReader, Ping
from tests.support.asgi import RecordingSink, Socket
from tests.support.engineio_served import PATH, WEBSOCKET_V4, Served, upgrade_of
from tests.support.waiting import until


async def ended(session: EngineSession, reason: CloseReason) -> float | None:
    """From when on it is in doubt what arrived, once it has ended for that reason."""
    await until(lambda: session.is_closed)
    assert session.machine.reason is reason
    return session.doubtful_since


@pytest.mark.parametrize("code", [1000, 1005, 1006])
async def test_a_client_that_ends_its_connection_has_had_everything(served: Served, code: int) -> None:
    socket = await served.socket()
    socket.lose(code)
    reason = CloseReason.LOST if code == 1006 else CloseReason.CLIENT
    assert await ended(served.echo.sessions[0], reason) is None


@asynccontextmanager
async def relayed(**options: float) -> AsyncIterator[tuple[EngineSession, Socket, RecordingSink]]:
    """A session over a relay, and the two ends of its socket."""
    async with Served(EngineIO(**options)).running() as served:
        sink = RecordingSink()
        socket = Socket(served.server, PATH + WEBSOCKET_V4, sink, client=None)
        await socket.accepted()
        sink.data.clear()
        yield served.echo.sessions[0], socket, sink


def asked(sink: RecordingSink) -> list[bytes]:
    """The pings among what was sent, by what they say."""
    found = [each.payload for each in FrameReader().read(bytes(sink.data)) if isinstance(each, Ping)]
    sink.data.clear()
    return found


async def test_what_a_relay_has_not_said_to_have_may_be_gone_with_it() -> None:
    """A client of another host missed for ever what was on its way when that host died, or was cut off for a while.

    What it said last proved nothing: what it says and what it is sent come through again one after the other.
    """
    async with relayed() as (session, socket, sink):
        began = session.machine.heard_at
        session.send_ready(ReadyPacket("one"))
        [ping] = asked(sink)
        sent_at = session._clock()
        session.send_ready(ReadyPacket("two"))
        assert asked(sink) == [], "once a second"
        socket.pong(b"something else")
        await asyncio.sleep(0.05)
        socket.pong(ping)
        socket.say("4late")
        await until(lambda: session.machine.heard_at >= sent_at + 0.05)
        socket.lose()
        since = await ended(session, CloseReason.LOST)
    assert since is not None
    assert began <= since + ON_ITS_WAY_S <= sent_at


async def test_a_relayed_client_that_falls_silent_has_what_its_relay_says_to_have() -> None:
    async with relayed(ping_interval_s=0.05, ping_timeout_s=0.05) as (session, socket, sink):
        began = session._clock()
        socket.say("4said")
        since = await ended(session, CloseReason.PING_TIMEOUT)
        assert asked(sink)
    assert since is not None
    assert since + ON_ITS_WAY_S <= began


@pytest.mark.parametrize("is_cut_off", [False, True])
async def test_our_own_close_is_behind_what_a_relay_has_unless_nothing_comes_to_it(is_cut_off: bool) -> None:
    async with relayed() as (session, socket, sink):
        session.send_ready(ReadyPacket("one"))
        [ping] = asked(sink)
        if is_cut_off:
            session._clock = lambda: time.monotonic() + 3.0
        else:
            socket.pong(ping)
        session.close()
        since = await ended(session, CloseReason.SERVER)
    assert (since is not None) is is_cut_off


async def test_a_client_that_closes_over_a_relay_has_had_everything() -> None:
    async with relayed() as (session, socket, _):
        session.send_ready(ReadyPacket("one"))
        socket.lose(1001)
        assert await ended(session, CloseReason.CLIENT) is None


async def test_what_left_before_our_own_close_has_arrived(served: Served) -> None:
    await served.socket()
    session = served.echo.sessions[0]
    session.close()
    assert await ended(session, CloseReason.SERVER) is None


async def test_what_has_not_left_this_machine_has_not_arrived(served: Served) -> None:
    sink = RecordingSink()
    socket = await served.socket(WEBSOCKET_V4, sink)
    session = served.echo.sessions[0]
    sink.unsent = 10
    socket.lose()
    assert await ended(session, CloseReason.LOST) == session.machine.heard_at - ON_ITS_WAY_S


async def test_whoever_falls_silent_may_have_had_nothing_since_its_last_word() -> None:
    """A network that is gone without a word takes everything, for as long as a heartbeat takes to notice it."""
    async with Served(EngineIO(ping_interval_s=0.05, ping_timeout_s=0.05)).running() as served:
        socket = await served.socket()
        session = served.echo.sessions[0]
        began = session.machine.heard_at
        socket.say("4said")
        since = await ended(session, CloseReason.PING_TIMEOUT)
    assert since == session.machine.heard_at - ON_ITS_WAY_S
    assert session.machine.heard_at > began


async def test_whoever_does_not_read_may_have_had_nothing_for_long(served: Served) -> None:
    sink = RecordingSink()
    await served.socket(WEBSOCKET_V4, sink)
    session = served.echo.sessions[0]
    sink.unsent = 10**9
    session.send("1")
    since = await ended(session, CloseReason.TOO_SLOW)
    assert session.machine.heard_at - SLOW_S <= (since or inf) < session.machine.heard_at


async def test_a_get_that_waits_says_that_the_answer_before_it_came(served: Served) -> None:
    query = await served.polling()
    waiting = served.http.start("GET", query)
    await until(lambda: served.echo.sessions[0].waiter is not None)
    waiting.drop()
    assert await ended(served.echo.sessions[0], CloseReason.LOST) is None


async def test_without_a_get_behind_it_nobody_knows_whether_an_answer_came(served: Served) -> None:
    query = await served.polling()
    session = served.echo.sessions[0]
    session.send("1")
    assert (await served.http.get(query)).text == "41"
    assert (await served.http.post(query, "1")).text == "ok"
    assert await ended(session, CloseReason.LOST) == session.machine.heard_at - ON_ITS_WAY_S


async def test_what_was_sent_while_another_host_relays_the_upgrade_is_in_doubt_like_what_came_after(
    served: Served,
) -> None:
    query = await served.polling()
    sink = RecordingSink()
    socket = Socket(served.server, PATH + upgrade_of(query), sink, client=None)
    await socket.accepted()
    socket.say("2probe")
    await until(lambda: sink.texts() == ["3probe"])
    socket.say("5")
    await until(lambda: served.echo.sessions[0].transport == "websocket")
    socket.lose()
    assert await ended(served.echo.sessions[0], CloseReason.LOST) is not None
