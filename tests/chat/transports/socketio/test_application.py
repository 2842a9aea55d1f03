"""Chat for Socket.IO clients, with a real runtime and without a network: coming, coming back, and what is refused."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError

from accounts import tokens
from accounts.models import User
from accounts.tokens import login_end
from chat.domain.ids import ChannelKey
from chat.models import ChannelMembership
from chat.transports.socketio.application import ChatApplication
from chat.transports.socketio.socketio_session import SocketIOSession
from reaktor.config.model import Limits, Rate
from reaktor.errors import Bye, CloseCode
from reaktor.socketio.packet import ready_event
from tests.support import asgi
from tests.support.socketio_place import TEA, Place, heard
from tests.support.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


async def acknowledged(socket: asgi.Socket, number: int) -> Any:
    """What the ack of that number was called with."""
    while True:
        text = await socket.text()
        if text.startswith(f"43{number}["):
            return json.loads(text[2 + len(str(number)) :])[0]


# Coming


@pytest.mark.parametrize(
    ("auth", "reason"), [({}, "Token is missing"), ({"token": "no token"}, "Token is not valid")], ids=["none", "bad"]
)
async def test_without_a_good_token_nobody_is_let_in(place: Place, auth: dict[str, str], reason: str) -> None:
    socket = await place.opened()
    socket.say("40" + json.dumps(auth))
    answer = await socket.text()
    assert answer.startswith("44{")
    assert json.loads(answer[2:])["message"] == reason
    assert len(place.runtime.hub) == 0


async def test_an_old_client_that_polls_without_a_token_gets_no_session(place: Place) -> None:
    answer = await asgi.HttpClient(place.server).get("EIO=3&transport=polling")
    assert (answer.status, json.loads(answer.body)["code"]) == (401, "not_authenticated")
    assert len(place.server) == 0


async def test_whoever_has_too_many_sessions_is_told_that_the_name_is_taken(place: Place) -> None:
    for _ in range(2):
        await place.connect()
    socket, _ = await place.connect()
    assert await socket.text() == '42["name_taken",{}]'
    assert await socket.text() == "41"


async def test_who_comes_while_the_process_drains_is_sent_away_without_a_word_and_tries_again(place: Place) -> None:
    socket = await place.opened()
    place.runtime.is_draining = True
    socket.say("40" + json.dumps({"token": place.token}))
    await socket.closed()
    answer = await asgi.HttpClient(place.server).get(f"EIO=3&transport=polling&token={place.token}")
    assert answer.status == 503


async def test_who_comes_while_the_database_is_away_is_sent_away_without_a_word_too(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(claims: object) -> User:
        raise OperationalError("away")

    monkeypatch.setattr("chat.transports.socketio.application.user_for_claims", away)
    socket = await place.opened()
    socket.say("40" + json.dumps({"token": place.token}))
    await socket.closed()


# What clients say


async def test_what_is_malformed_is_answered_by_an_error_or_by_the_ack_when_there_is_one(place: Place) -> None:
    socket = await place.joined()
    socket.say('42["message:post","no object"]')
    assert (await heard(socket, "error"))["code"] == "invalid"
    socket.say('421["message:post",{"message":"hi"}]')
    assert (await acknowledged(socket, 1))["error"]["code"] == "invalid"
    socket.say('422["message:post",{"channel":"tea","message":""}]')
    assert (await acknowledged(socket, 2))["error"]["code"] == "invalid"
    socket.say('423["message:post",{"channel":"elsewhere","message":"hi"}]')
    assert (await acknowledged(socket, 3))["error"]["code"] == "not_a_member"
    socket.say('424["user : status_changed",{"channel":"tea","status":"asleep"}]')
    assert (await acknowledged(socket, 4))["error"]["code"] == "invalid"
    socket.say('425["nothing known",{}]')
    socket.say('426["user : status_changed",{"channel":"tea","status":"away"}]')
    assert await acknowledged(socket, 6) == {}


async def test_a_message_is_acknowledged_and_one_that_is_refused_by_the_store_is_not(place: Place) -> None:
    def banish() -> None:
        User.objects.filter(username="ann").update(is_active=False)

    socket = await place.joined()
    socket.say('421["message:post",{"channel":"tea","message":"hi"}]')
    assert (await acknowledged(socket, 1))["seq"] == 1
    await place.runtime.database.write(banish)
    socket.say('422["message:post",{"channel":"tea","message":"hi again"}]')
    assert (await acknowledged(socket, 2))["error"]["code"] == "banned"


async def test_a_message_is_on_its_way_to_the_writer_when_it_was_heard(place: Place) -> None:
    """The task for each one took a turn of the loop; what comes behind something slower still waits for that."""
    await place.joined()
    (session,) = place.runtime.hub.sessions()
    assert isinstance(session, SocketIOSession)
    client: Any = session.socket._client
    client.on_message('2["message:post",{"channel":"tea","message":"a"}]')
    assert len(place.runtime.writer) == 1
    client.on_message('2["user : status_changed",{"channel":"tea","status":"away"}]')
    client.on_message('2["message:post",{"channel":"tea","message":"b"}]')
    assert len(place.runtime.writer) == 1


async def test_a_message_to_a_channel_that_its_author_is_being_put_into_waits_for_that(place: Place) -> None:
    await place.joined()
    (session,) = place.runtime.hub.sessions()
    assert isinstance(session, SocketIOSession)
    session.waiting[ChannelKey("tea")] = None
    assert not ChatApplication().event_at_once(session.socket, "message:post", [{"channel": "tea"}], None)
    session.waiting.clear()


async def test_leaving_a_channel_is_acknowledged_and_may_be_repeated(place: Place) -> None:
    socket = await place.joined()
    for number in (1, 2):
        socket.say(f'42{number}["user : left",{{"channel":"tea"}}]')
        assert await acknowledged(socket, number) == {}
    assert await place.runtime.database.read(ChannelMembership.objects.count) == 1, "belonging is another matter"


# Ends


async def test_what_ends_a_session_is_said_where_the_client_must_know(place: Place) -> None:
    socket = await place.joined()
    (session,) = place.runtime.hub.sessions()
    session.close(Bye(CloseCode.BANNED, "spam"))
    session.close(Bye(CloseCode.RESTARTING))
    assert await heard(socket, "error") == {"code": "banned", "message": "spam"}
    assert await socket.text() == "41"


async def test_who_may_come_back_loses_the_transport_behind_what_was_said_before(place: Place) -> None:
    socket = await place.joined()
    (session,) = place.runtime.hub.sessions()
    session.say(ready_event("last words", {}))
    session.close(Bye(CloseCode.RESTARTING))
    assert await heard(socket, "last words") == {}
    while (message := await socket.next())["type"] != "websocket.close":
        assert not message["text"].startswith("41"), "after 41 it would stay away"
    session.write(session.format.join([]))


async def test_a_session_ends_with_its_token_and_its_client_may_come_back(place: Place) -> None:
    """It was told `41`, and stayed away for good."""
    socket = await place.joined()
    (session,) = place.runtime.hub.sessions()
    session.expires_at = 0.0  # type: ignore[attr-defined]
    session.tick(0.0)
    assert (await heard(socket, "error"))["code"] == "not_authenticated"
    end = await socket.next()
    assert (end["type"], end["code"]) == ("websocket.close", 4005)
    await until(lambda: not len(place.runtime.hub))
    await place.joined(joins=False)
    await until(lambda: TEA in place.runtime.hub.sessions()[0].channels)


# A newer token on the connection


def token_of(name: str, *, lifetime_s: float = 900.0) -> str:
    user, _ = User.objects.get_or_create(username=name, defaults={"password": "!"})
    token = tokens.new(tokens.ACCESS, user)
    token.set_exp(lifetime=timedelta(seconds=lifetime_s))
    return str(token)


async def test_who_is_warned_once_and_brings_a_newer_token_is_warned_again_before_that_one_ends(place: Place) -> None:
    socket = await place.joined()
    (session,) = place.runtime.hub.sessions()
    assert isinstance(session, SocketIOSession)
    session.expires_at = time.time() + 30
    session.tick(0.0)
    session.tick(1.0)
    assert await heard(socket, "auth : expiring") == {"expiresIn": int(session.expires_at * 1000)}
    newer = await place.runtime.database.read(partial(token_of, "ann", lifetime_s=40))
    socket.say(f'421["auth : refresh",{{"token":"{newer}"}}]')
    # The next that is heard is the answer: there was one warning.
    assert await socket.text() == f'431[{{"expiresIn":{int(session.expires_at) * 1000}}}]'
    assert session.expires_at > time.time() + 30
    session.tick(2.0)
    assert await heard(socket, "auth : expiring") == {"expiresIn": int(session.expires_at * 1000)}


async def test_a_token_that_is_no_good_is_refused_with_its_code_and_the_session_goes_on_with_the_old_one(
    place: Place,
) -> None:
    def logged_out() -> str:
        token = token_of("ann")
        login_end(User.objects.get(username="ann"), tokens.payload(token, frozenset({"access"}))["login"])
        return token

    socket = await place.joined()
    (session,) = place.runtime.hub.sessions()
    before = (session.credentials, session.expires_at)  # type: ignore[attr-defined]
    write = place.runtime.database.write
    refused = {
        "null": "invalid",
        '"text"': "invalid",
        '{"token":5}': "invalid",
        '{"token":"junk"}': "not_authenticated",
        await write(lambda: json.dumps({"token": token_of("eve")})): "not_authenticated",
        await write(lambda: json.dumps({"token": token_of("ann", lifetime_s=-5)})): "not_authenticated",
        json.dumps({"token": await write(logged_out)}): "not_authenticated",
    }
    for number, (payload, code) in enumerate(refused.items()):
        socket.say(f'42{number}["auth : refresh",{payload}]')
        assert (await acknowledged(socket, number))["error"]["code"] == code, payload
    socket.say('42["auth : refresh",{}]')
    assert (await heard(socket, "error"))["code"] == "invalid"
    assert (session.credentials, session.expires_at) == before  # type: ignore[attr-defined]
    assert session.is_open


async def test_newer_tokens_count_as_what_they_are_natively(place: Place) -> None:
    socket = await place.joined()
    place.runtime.config = replace(place.runtime.config, limits=Limits(operations=Rate(1, 60)))
    for number in (1, 2):
        socket.say(f'42{number}["auth : refresh",{{"token":"{place.token}"}}]')
    assert "expiresIn" in await acknowledged(socket, 1)
    assert (await acknowledged(socket, 2))["error"]["code"] == "rate_limited"


# A nonce


async def test_a_message_that_is_sent_again_with_its_nonce_is_stored_once_and_answered_alike(place: Place) -> None:
    """A client that repeats what was not acknowledged in time doubled it."""
    post = '["message:post",{"channel":"tea","message":"hi","nonce":"n1"}]'
    socket, other = await place.joined(), await place.joined(joins=False)
    await place.runtime.remote_join.join_user(place.runtime.hub.sessions()[0].info.user_id, TEA, 0)
    for number in (1, 2):
        socket.say(f"42{number}{post}")
    first, again = await acknowledged(socket, 1), await acknowledged(socket, 2)
    assert first == again
    assert first["seq"] == 1
    socket.lose()
    await until(lambda: len(place.runtime.hub) == 1)
    back = await place.joined(joins=False)
    back.say(f"421{post}")
    assert await acknowledged(back, 1) == first
    other.say('421["message:post",{"channel":"tea","message":"hi","nonce":"n2"}]')
    assert (await acknowledged(other, 1))["seq"] == 2, "another nonce is another message"


@pytest.mark.parametrize("nonce", ['""', "5", "[]", '"' + "x" * 65 + '"'])
async def test_a_nonce_that_is_none_is_refused(place: Place, nonce: str) -> None:
    socket = await place.joined()
    socket.say(f'421["message:post",{{"channel":"tea","message":"hi","nonce":{nonce}}}]')
    assert (await acknowledged(socket, 1))["error"] == {
        "code": "invalid", "message": "The nonce must be a string of 1 to 64 characters.",
    }  # fmt: skip
    socket.say('422["message:post",{"channel":"tea","message":"hi","nonce":null}]')
    assert (await acknowledged(socket, 2))["seq"] == 1
