"""Chat for Socket.IO clients that lost their connection: what they are sent again, and where they are then."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from accounts.authentication import Claims, user_for_claims
from accounts.models import User
from chat.delivery.feed import Delivery
from chat.delivery.pages import STRETCH
from chat.domain.ids import UserRef
from chat.transports.socketio.socketio_session import SocketIOSession
from reaktor.engineio.packets import CloseReason
from reaktor.errors import Bye, CloseCode
from tests.support import asgi
from tests.support.feeds import stored as stored_messages
from tests.support.socketio_place import MODERN, OLD, TEA, Place, heard
from tests.support.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


async def said(place: Place, user: UserRef, count: int) -> None:
    """In tea."""
    place.runtime.feeds.offer(TEA, [Delivery(event) for event in await stored_messages(user, TEA, count)])


async def test_a_lost_client_gets_its_session_back_and_what_it_missed(place: Place) -> None:
    socket, first = await place.connect()
    user_id = place.runtime.hub.sessions()[0].info.user_id
    await place.runtime.remote_join.join_user(user_id, TEA, 0)
    await heard(socket, "user : joined")
    socket.lose()
    await until(lambda: not len(place.runtime.hub))
    again, second = await place.connect(pid=first["pid"], offset='{"tea": 0}')
    assert second == first
    assert await again.text() == '42["logged_in",{}]'
    await until(lambda: any(TEA in session.channels for session in place.runtime.hub.sessions()))


@pytest.mark.parametrize(("query", "word"), [(MODERN, "3"), (OLD, "2")], ids=["4.x", "1.x"])
async def test_what_nobody_is_known_to_have_had_is_sent_again(place: Place, query: str, word: str) -> None:
    """A client gave up after a second, just when it was answered: what was sent there was lost."""
    socket = await place.joined(query)
    user = place.runtime.hub.sessions()[0].user
    socket.say(word)
    socket.lose()
    await until(lambda: not len(place.runtime.hub))

    async def comes_back(*, says: bool) -> list[int]:
        """What it is sent, up to the message that is posted when it is there."""
        again = await place.joined(query, joins=False)
        await until(lambda: TEA in place.runtime.hub.sessions()[0].channels)
        await said(place, user, 1)
        found: list[int] = []
        while not found or found[-1] < place.runtime.feeds.heads()[TEA]:
            found.append((await heard(again, "message:post"))["seq"])
        if says:
            before = place.runtime.hub.sessions()[0].is_heard
            again.say(word)
            await until(lambda: place.runtime.hub.sessions()[0].is_heard)
            assert not before
        again.lose()
        await until(lambda: not len(place.runtime.hub))
        return found

    await said(place, user, 3)
    assert await comes_back(says=False) == [1, 2, 3, 4]
    assert await comes_back(says=True) == [1, 2, 3, 4, 5]
    assert await comes_back(says=True) == [6]


@pytest.mark.parametrize(
    ("client", "again"), [(None, [1, 2, 3]), (asgi.CLIENT, [])], ids=["over another worker", "here"]
)
async def test_what_was_on_its_way_when_a_relay_was_lost_is_sent_again(
    place: Place, client: tuple[str, int] | None, again: list[int]
) -> None:
    """It counted as sent, and was missed for ever."""
    socket = await place.joined(client=client, sink=asgi.QueueSink())
    (session,) = place.runtime.hub.sessions()
    socket.say("3")
    await until(lambda: session.is_heard)
    await said(place, session.user, 3)
    await until(lambda: place.runtime.feeds.heads().get(TEA) == 3)
    socket.lose()
    await until(lambda: not len(place.runtime.hub))
    socket = await place.joined(joins=False)
    await until(lambda: TEA in place.runtime.hub.sessions()[0].channels)
    await said(place, session.user, 1)
    assert [(await heard(socket, "message:post"))["seq"] for _ in range(len(again) + 1)] == [*again, 4]


def _closed(session: SocketIOSession) -> None:
    session.close(Bye(CloseCode.RESTARTING))


def _lost(session: SocketIOSession) -> None:
    session.socket._client.session.fail(CloseReason.LOST)


@pytest.mark.parametrize("end", [_closed, _lost])
async def test_what_is_delivered_when_nothing_reaches_a_client_any_more_is_sent_again(
    place: Place, end: Callable[[SocketIOSession], None]
) -> None:
    """Everybody on a host that was stopped missed what was said in that moment: it counted as sent."""
    socket = await place.joined()
    (session,) = place.runtime.hub.sessions()
    assert isinstance(session, SocketIOSession)
    socket.say("3")
    await until(lambda: session.is_heard)
    first, second = [Delivery(event) for event in await stored_messages(session.user, TEA, 2)]
    place.runtime.feeds.offer(TEA, [first])
    assert (await heard(socket, "message:post"))["seq"] == 1
    end(session)
    place.runtime.feeds.offer(TEA, [second])
    assert len(place.runtime.hub) == 1
    await until(lambda: not len(place.runtime.hub))
    again = await place.joined(joins=False)
    await until(lambda: TEA in place.runtime.hub.sessions()[0].channels)
    await said(place, session.user, 1)
    assert [(await heard(again, "message:post"))["seq"] for _ in range(2)] == [2, 3]


async def test_what_was_to_leave_at_the_end_of_the_turn_in_which_a_client_is_lost_is_sent_again(place: Place) -> None:
    socket = await place.joined()
    (session,) = place.runtime.hub.sessions()
    assert isinstance(session, SocketIOSession)
    socket.say("3")
    await until(lambda: session.is_heard)
    (delivery,) = [Delivery(event) for event in await stored_messages(session.user, TEA, 1)]
    place.runtime.feeds.offer(TEA, [delivery])
    _lost(session)
    await until(lambda: not len(place.runtime.hub))
    again = await place.joined(joins=False)
    assert (await heard(again, "message:post"))["seq"] == 1


async def test_each_page_of_what_was_missed_tells_the_client_how_far_it_has_come(place: Place) -> None:
    """A client that was cut in the middle of it remembered nothing of the channel, and was caught up from the start."""
    socket, first = await place.connect()
    user = place.runtime.hub.sessions()[0].user
    await place.runtime.remote_join.join_user(user.id, TEA, 0)
    await heard(socket, "user : joined")
    socket.lose()
    await until(lambda: not len(place.runtime.hub))
    missed = 2 * STRETCH + 10
    await said(place, user, missed)
    again, _ = await place.connect(pid=first["pid"], offset='{"tea": 0}')
    offsets: list[Any] = []
    while not offsets or offsets[-1] != {"tea": missed}:
        offsets.append(json.loads(await heard(again, "offset")))
    assert offsets[:2] == [{"tea": STRETCH}, {"tea": 2 * STRETCH}]


@pytest.mark.parametrize("offset", ["no JSON", "[]", '{"tea": "no number"}', '{"tea": -1}'])
async def test_an_offset_that_is_junk_is_as_good_as_none(place: Place, offset: str) -> None:
    socket, first = await place.connect()
    socket.lose()
    await until(lambda: not len(place.runtime.hub))
    _, second = await place.connect(pid=first["pid"], offset=offset)
    assert second["pid"] == first["pid"]


@pytest.mark.parametrize("pid", ["unknown", "with.point", "x" * 65])
async def test_a_session_that_is_not_kept_is_a_new_one_under_a_new_id(place: Place, pid: str) -> None:
    _, answer = await place.connect(pid=pid)
    assert answer["pid"] != pid


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1006])
@pytest.mark.parametrize("query", [MODERN, OLD])
async def test_a_websocket_that_is_closed_without_a_goodbye_is_a_loss_whatever_its_code(
    place: Place, query: str, code: int
) -> None:
    """A library closes so after a missed ping, too. A closed tab was told to the others at once."""
    socket = await place.joined(query)
    socket.lose(code)
    await until(lambda: not len(place.runtime.hub))
    again = await place.joined(query, joins=False)
    await until(lambda: TEA in place.runtime.hub.sessions()[0].channels)
    assert place.runtime.members(TEA)["results"] == [{"username": "ann", "status": "online"}]
    again.say("41")
    await until(lambda: not place.runtime.members(TEA)["results"])


async def test_who_comes_back_too_early_after_a_change_of_the_account_finds_its_place_the_next_time(
    place: Place,
) -> None:
    """It was refused for the change, and that was a goodbye."""
    socket = await place.joined()
    (session,) = place.runtime.hub.sessions()

    def rename() -> None:
        User.objects.filter(username="ann").update(username="anna")
        # As the bus says it when a name changes.
        place.runtime.standings.drop()

    socket.lose()
    await until(lambda: not len(place.runtime.hub))
    real, calls = user_for_claims, itertools.count()

    def changes_meanwhile(claims: Claims) -> User:
        found = real(claims)
        if next(calls) == 0:
            rename()
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chat.transports.socketio.application.user_for_claims", changes_meanwhile)
        early = await place.opened()
        early.say("40" + json.dumps({"token": place.token}))
        await early.closed()
    assert next(calls) > 1
    await place.connect()
    await until(lambda: TEA in place.runtime.hub.sessions()[0].channels)
    assert session.info.user_id == place.runtime.hub.sessions()[0].info.user_id
