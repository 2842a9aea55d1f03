"""Clients of every generation chat here unmodified: each library over each transport, with each other and with native.

Real JavaScript clients (tests/interop/driver.cjs) and a real server of one process.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.conftest import MakeServer
from tests.support.js_client import LIBRARIES, JsClient, JsDriver
from tests.support.native import NativeClient
from tests.support.seed import PASSWORD, TEXT, Seed
from tests.support.server import LiveServer
from tests.support.tokens import claim, reissued

SOON_S = 5.0
"""A second is promised, on a machine that does nothing else."""
pytestmark = pytest.mark.interop

TRANSPORTS = {"websocket": ["websocket"], "polling": ["polling"], "upgrade": ["polling", "websocket"]}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_client_joins_talks_and_leaves(
    server: LiveServer, driver: JsDriver, library: str, transport: str
) -> None:
    name, key = f"{library}{transport}", f"room-{library}-{transport}"
    user = await Seed(server, name).register()
    other = f"n{library}{transport}"
    client = user.open(driver, library, TRANSPORTS[transport])
    await client.expect("connect")
    assert await client.expect_event("logged_in") == [{}]
    joined = await user.join(key)
    assert joined["onlineUsers"] == [{"username": name, "status": "online"}]
    assert await client.expect_event("user : joined") == [{"username": name, "channel": key}]
    async with await NativeClient.connect(server.url, server.account(other)[1]) as native:
        await native.join(key)
        assert await client.expect_event("user : joined") == [{"username": other, "channel": key}]

        [answer] = await client.call("message:post", {"channel": key, "message": TEXT})
        heard = await native.message(TEXT)
        assert (heard["id"], heard["seq"], heard["author"]) == (answer["id"], answer["seq"], name)

        await native.post(key, TEXT)
        [posted] = await client.expect_event("message:post")
        assert (posted["message"], posted["user"], posted["channel"]) == (TEXT, other, key)

        client.emit("user : status_changed", {"channel": key, "status": "away"})
        await native.event("presence.changed", key, username=name, status="away")
        await native.request("status", status="away")
        [status] = await client.expect_event("user : status_changed")
        assert status == {"channel": key, "user": other, "status": "away"}

        client.emit("user : left", {"channel": key})
        await native.event("member.left", key, username=name, reason="left")
        await user.join(key)
        await native.event("member.joined", key, username=name)
        await native.request("channel.leave", key)
        [left] = await client.expect_event("user : left")
        assert (left["channel"], left["user"]) == (key, other)
        await native.join(key)
        client.do("close")
        await native.event("member.left", key, username=name, reason="quit")


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_bad_token_is_refused_in_words(server: LiveServer, driver: JsDriver, library: str) -> None:
    user = Seed(server, "nobody")
    refused = user.open(driver, library, ["websocket"], token="junk")
    line = await refused.expect("error")
    assert "Token is not valid" in line["message"]
    polling = user.open(driver, library, ["polling"], token="junk")
    line = await polling.expect("error")
    assert line["description"] == 401


@pytest.mark.parametrize("library", LIBRARIES)
async def test_malformed_events_hurt_nobody(server: LiveServer, driver: JsDriver, library: str) -> None:
    user = await Seed(server, f"odd{library}").register()
    client = user.open(driver, library, ["websocket"])
    await client.expect_event("logged_in")
    await user.join("oddities")
    for args in ([], [None], ["text"], [[]], [{"channel": 5}], [{"channel": "oddities", "message": {"a": 1}}], [{}]):
        client.emit("message:post", *args)
        [error] = await client.expect_event("error")
        assert error["code"] in {"invalid", "not_found", "not_a_member"}
    for name in ("constructor", "__proto__", "unheard of"):
        client.emit(name, {"channel": "oddities"})
    [refused] = await client.call("message:post", {"channel": "elsewhere", "message": "x"})
    assert refused["error"]["code"] == "not_a_member"
    [answer] = await client.call("message:post", {"channel": "oddities", "message": "still here"})
    assert answer["seq"] > 0


@pytest.mark.parametrize("wants_all", [False, True], ids=["usual", "all events"])
@pytest.mark.parametrize("library", LIBRARIES)
async def test_what_becomes_of_a_message_is_told_within_a_second(
    server: LiveServer, driver: JsDriver, library: str, *, wants_all: bool
) -> None:
    """What a moderator deleted stayed on these clients' screens."""
    user = Seed(server, *server.account())
    client = user.open(driver, library, ["websocket"], wants_all=wants_all)
    await client.expect_event("logged_in")
    name, token = server.account()
    async with await NativeClient.connect(server.url, token) as owner:
        key = (await owner.request("channel.create", name=f"{library} {wants_all}"))["key"]
        await owner.join(key)
        await user.join(key)
        [answer] = await client.call("message:post", {"channel": key, "message": "rude"})
        mine = await owner.message("rude")
        await owner.post(key, "mine")
        [other] = await client.expect_event("message:post")
        await owner.request("message.edit", key, id=other["id"], text="mine, edited")
        [updated] = await client.expect_event("message:updated", SOON_S)
        assert updated == {**other, "message": "mine, edited", "edited": updated["edited"]}
        assert updated["edited"] > other["date"]
        await owner.request("reaction.add", key, id=other["id"], emoji="👍")
        await owner.request("message.delete", key, id=mine["id"])
        if wants_all:
            reacted = (await client.expect("event", SOON_S))["args"]
            assert reacted == [{"channel": key, "id": other["id"], "seq": other["seq"], "reactions": {"👍": [name]}}]
        deleted = await client.expect("event", SOON_S)
        assert (deleted["name"], deleted["args"][0]["id"]) == ("message:deleted", answer["id"])
        assert deleted["args"][0]["message"] == "(deleted)"


async def test_generations_talk_to_each_other(server: LiveServer, driver: JsDriver) -> None:
    users = {library: await Seed(server, f"gen{library}").register() for library in LIBRARIES}
    clients = {library: user.open(driver, library, ["polling", "websocket"]) for library, user in users.items()}
    for library, client in clients.items():
        await client.expect_event("logged_in")
        await users[library].join("generations")
    for library, client in clients.items():
        await client.call("message:post", {"channel": "generations", "message": f"{TEXT}{library}"})
    for library, client in clients.items():
        for sender in LIBRARIES:
            if sender != library:
                [heard] = await client.expect_event("message:post")
                assert (heard["message"], heard["user"]) == (f"{TEXT}{sender}", f"gen{sender}")


@asynccontextmanager
async def together(
    server: LiveServer, driver: JsDriver, library: str, mode: list[str], key: str, **options: Any
) -> AsyncIterator[tuple[JsClient, NativeClient]]:
    """A JavaScript and a native client in one channel, where the first has heard the second."""
    user = Seed(server, *server.account())
    client = user.open(driver, library, mode, **options)
    await client.expect_event("logged_in")
    await user.join(key)
    async with await NativeClient.connect(server.url, server.account()[1]) as native:
        await native.join(key)
        await native.post(key, "before")
        await client.expect_event("message:post")
        yield client, native


async def cut(client: JsClient, native: NativeClient) -> None:
    """Lose the transport; returns when the server has read of it."""
    client.do("cut")
    await client.expect("disconnect")
    await server_has_read(native)


async def server_has_read(native: NativeClient) -> None:
    """Returns when the server has read what other clients did before; what it sends to who is gone counts as heard."""
    await native.request("channel.list")


@pytest.mark.parametrize("asks", [True, False], ids=["ack", "no ack"])
@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_lost_client_is_put_back_and_sent_what_it_missed(
    server: LiveServer, driver: JsDriver, library: str, asks: bool
) -> None:
    """Not what it said itself, last of all before it was lost: nobody else's message followed that."""
    key = f"lost-{library}-{asks}".lower()
    async with together(server, driver, library, ["websocket"], key) as (client, native):
        mine = {"channel": key, "message": "own"}
        if asks:
            await client.call("message:post", mine)
        else:
            client.emit("message:post", mine)
        seq = (await native.message("own"))["seq"]
        if library == "sio48":
            # Remembered by the client from now on.
            await client.expect("event", name="offset", args=[json.dumps({key: seq}, separators=(",", ":"))])
        await cut(client, native)
        await native.post(key, "missed 1")
        await native.post(key, "missed 2")
        back = await client.expect("connect")
        heard = [(await client.expect_event("message:post"))[0]["message"] for _ in range(2)]
        assert heard == ["missed 1", "missed 2"]
        assert (back["recovered"] is True) == (library == "sio48")
        await native.post(key, "after")
        assert (await client.expect_event("message:post"))[0]["message"] == "after"
        # Shorter than the grace: the others were told nothing.
        assert not [frame for frame in native.all_events if frame["event"] == "member.left"]


@pytest.mark.parametrize(
    ("library", "transport"), [("sio17", "websocket"), ("sio48", "websocket"), ("sio48", "polling")]
)
async def test_a_lost_client_is_sent_more_than_memory_holds(
    make_server: MakeServer, driver: JsDriver, library: str, transport: str
) -> None:
    live = make_server(LIMITS="off", LOG_LEVEL="WARNING")
    key, count = "long-away", 1_050
    # By itself it would come back before the last of them is posted where that takes long.
    async with together(live, driver, library, [transport], key, reconnection=False) as (client, native):
        await cut(client, native)
        missed = [f"missed {number}" for number in range(count)]
        posted = await asyncio.gather(*(native.post(key, text) for text in missed))
        await native.request("message.edit", key, id=posted[0]["id"], text="missed and edited")
        client.do("reopen")
        await client.expect("connect", 20)
        heard = [(await client.expect_event("message:post"))[0] for _ in range(count)]
        # The edited one comes in the state and the place that it has now.
        assert [each["message"] for each in heard] == [*missed[1:], "missed and edited"]
        await native.post(key, "after")
        assert (await client.expect_event("message:post"))[0]["message"] == "after"


@pytest.mark.parametrize("mode", TRANSPORTS.values(), ids=TRANSPORTS)
@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_client_that_ends_the_connection_for_a_missed_ping_keeps_its_channels(
    server: LiveServer, driver: JsDriver, library: str, mode: list[str]
) -> None:
    """Clients before 4.6 lost them: they close with 1005, as somebody does who means to go, but say no `41` before."""
    key = f"ping-{library}-{'-'.join(mode)}"
    async with together(server, driver, library, mode, key) as (client, native):
        client.do("timeout")
        assert (await client.expect("disconnect"))["reason"] == "ping timeout"
        await server_has_read(native)
        await native.post(key, "missed")
        await client.expect("connect")
        assert (await client.expect_event("message:post"))[0]["message"] == "missed"
        (answer,) = await client.call("message:post", {"channel": key, "message": "still a member"})
        assert (await native.message("still a member"))["seq"] == answer["seq"]
        assert not [frame for frame in native.all_events if frame["event"] == "member.left"]


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_renamed_user_comes_back_into_its_channels(server: LiveServer, driver: JsDriver, library: str) -> None:
    """Everything that was kept of the user was forgotten, though the client is told to come back."""
    key = f"renamed-{library}"
    name, token = server.account()
    client = Seed(server, name, token).open(driver, library, ["websocket"])
    await client.expect_event("logged_in")
    await Seed(server, name, token).join(key)
    async with await NativeClient.connect(server.url, server.account()[1]) as native:
        await native.join(key)
        async with httpx.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer {token}"}) as http:
            answer = await http.patch("/api/v1/me", json={"username": f"{name}x"})
        assert answer.status_code == 200
        await native.event("member.left", key, username=name, reason="quit")
        await native.post(key, "missed")
        back = await client.expect("connect")
        assert (await client.expect_event("message:post"))[0]["message"] == "missed"
        assert (back["recovered"] is True) == (library == "sio48")
        await native.event("member.joined", key, username=f"{name}x")


@pytest.mark.parametrize("new_one_first", [False, True])
@pytest.mark.parametrize("library", ["sio17", "sio25", "sio31"])
async def test_an_older_and_a_newer_client_of_one_user_each_come_back_to_their_own_channels(
    server: LiveServer, driver: JsDriver, library: str, new_one_first: bool
) -> None:
    """The older one names nothing, and took the session that was lost last, the newer one's as well."""
    user = Seed(server, *server.account())
    delays = {library: 1_500, "sio48": 50} if new_one_first else {library: 50, "sio48": 1_500}
    options = {"randomizationFactor": 0, "transports": ["websocket"]}
    clients = {each: user.open(driver, each, reconnectionDelay=delay, **options) for each, delay in delays.items()}
    old, new = clients[library], clients["sio48"]
    for client in clients.values():
        await client.expect_event("logged_in")
    kept = {"sio48": f"new-{library}-{new_one_first}".lower(), library: f"old-{library}-{new_one_first}".lower()}
    for key in kept.values():
        await user.join(key)
    await old.call("user : left", {"channel": kept["sio48"]})
    await new.call("user : left", {"channel": kept[library]})
    async with await NativeClient.connect(server.url, server.account()[1]) as native:
        for key in kept.values():
            await native.join(key)
        for client in (old, new):
            client.do("cut")
        for client in (old, new):
            await client.expect("disconnect")
        for key in kept.values():
            await native.post(key, f"missed in {key}")
        backs = {each: await client.expect("connect") for each, client in clients.items()}
        assert backs["sio48"]["recovered"] is True
        for each, client in clients.items():
            # A client of 3.x that guessed wrong is sent away once more when the newer one is back.
            while (await client.expect_event("message:post"))[0]["message"] != f"missed in {kept[each]}":
                assert each == "sio31"
            (answer,) = await client.call("message:post", {"channel": kept[each], "message": f"from {each}"})
            assert (await native.message(f"from {each}"))["seq"] == answer["seq"]
            (refused,) = await client.call(
                "message:post", {"channel": kept["sio48" if each == library else library], "message": "no"}
            )
            assert refused["error"]["code"] == "not_a_member"


@pytest.mark.parametrize("mode", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_a_client_that_closes_its_transport_alone_recovers(
    server: LiveServer, driver: JsDriver, mode: list[str]
) -> None:
    """As the client does itself when it missed a ping, and as its documentation has people try the recovery."""
    key = f"shut-{'-'.join(mode)}"
    async with together(server, driver, "sio48", mode, key) as (client, native):
        for missed in ("missed 1", "missed 2"):
            client.do("shut")
            await client.expect("disconnect")
            await native.post(key, missed)
            assert (await client.expect("connect"))["recovered"] is True
            assert (await client.expect_event("message:post"))[0]["message"] == missed
        (answer,) = await client.call("message:post", {"channel": key, "message": "still a member"})
        assert (await native.message("still a member"))["seq"] == answer["seq"]


TOKEN_S = 15.0
"""How long a token lives that ends in a test: longer than many clients at once take to connect and join."""
ENDED_S = TOKEN_S + 30.0


@pytest.mark.long
async def test_clients_whose_token_ends_come_back_with_the_next_one_of_their_auth_function(
    server: LiveServer, driver: JsDriver
) -> None:
    """`41` put them out for good after 15 minutes."""

    async def one(library: str, mode: list[str]) -> None:
        name, token = server.account()
        key = f"expires-{library}-{'-'.join(mode)}"
        short = reissued(server, token, expires_in_s=TOKEN_S)
        options = {"transports": mode, "reconnectionDelay": 50, "tokens": [short, token]}
        client = driver.open(library, server.url, **options)
        await client.expect_event("logged_in")
        await Seed(server, name, token).join(key)
        async with await NativeClient.connect(server.url, server.account()[1]) as native:
            await native.join(key)
            await native.post(key, "before")
            await client.expect_event("message:post")
            assert (await client.expect_event("error", ENDED_S))[0]["code"] == "not_authenticated"
            assert (await client.expect("disconnect"))["reason"] == "transport close"
            await native.post(key, "missed")
            back = await client.expect("connect")
            assert (await client.expect_event("message:post"))[0]["message"] == "missed"
            assert (back["recovered"] is True) == (library == "sio48")

    await asyncio.gather(*(one(library, mode) for library in ("sio31", "sio48") for mode in TRANSPORTS.values()))


@pytest.mark.long
async def test_clients_without_an_auth_function_come_back_with_the_token_that_their_page_puts_into_the_query(
    server: LiveServer, driver: JsDriver
) -> None:
    """Until then their tries are refused, with 401."""

    async def one(library: str) -> None:
        name, token = server.account()
        key = f"expires-{library}"
        short = reissued(server, token, expires_in_s=TOKEN_S)
        client = Seed(server, name, short).open(driver, library, ["polling", "websocket"])
        await client.expect_event("logged_in")
        await Seed(server, name, token).join(key)
        async with await NativeClient.connect(server.url, server.account()[1]) as native:
            await native.join(key)
            assert (await client.expect_event("error", ENDED_S))[0]["code"] == "not_authenticated"
            assert (await client.expect("disconnect"))["reason"] == "transport close"
            await client.expect("reconnecting", attempt=2)
            client.do("query", query=f"token={token}")
            await native.post(key, "missed")
            await client.expect("connect")
            assert (await client.expect_event("message:post"))[0]["message"] == "missed"

    await asyncio.gather(one("sio17"), one("sio25"))


async def test_clients_that_are_warned_and_bring_a_newer_token_go_on_without_a_break(
    server: LiveServer, driver: JsDriver
) -> None:
    async def one(library: str) -> None:
        name, token = server.account()
        key = f"refresh-{library}"
        short = reissued(server, token, expires_in_s=TOKEN_S)
        client = Seed(server, name, short).open(driver, library, ["polling", "websocket"])
        await client.expect_event("logged_in")
        await Seed(server, name, token).join(key)
        (warning,) = await client.expect_event("auth : expiring")
        assert warning == {"expiresIn": claim(short, "exp") * 1000}
        answer = await client.call("auth : refresh", {"token": token})
        assert answer == [{"expiresIn": claim(token, "exp") * 1000}]
        # The server looks once a second.
        while time.time() < claim(short, "exp") + 3:
            (stored,) = await client.call("message:post", {"channel": key, "message": "still here"})
            assert "id" in stored, stored
            await asyncio.sleep(1.0)
        assert client.count("disconnect") == 0

    await asyncio.gather(*map(one, LIBRARIES))


RETRIED = {"ackTimeout": 1_000, "retries": 2}
"""socket.io-client from 4.6 on sends an event again that was not acknowledged within a second, twice."""


@pytest.mark.parametrize("nonce", [True, False], ids=["nonce", "none"])
async def test_what_a_client_repeats_by_itself_is_stored_once_if_it_brings_a_nonce(
    make_server: MakeServer, driver: JsDriver, nonce: bool
) -> None:
    """Its `retries` doubled messages, and without a nonce they must: nothing on the wire tells a retry from a post."""
    live = make_server(LIMITS="off", LOG_LEVEL="WARNING")
    user = Seed(live, *live.account())
    client = user.open(driver, "sio48", ["websocket"], **RETRIED)
    await client.expect_event("logged_in")
    await user.join("retries")
    post = {"channel": "retries", "message": "once", **({"nonce": "n1"} if nonce else {})}
    assert live.process is not None
    live.process.send_signal(signal.SIGSTOP)
    try:
        # The ack comes when the last try has timed out.
        failed = await client.call("message:post", post)
        assert failed == [{}], "an Error, which has no JSON"
    finally:
        live.process.send_signal(signal.SIGCONT)
    # In the connection's order: behind all three.
    error, again = await client.call("message:post", post)
    assert error is None
    shown = [json.loads(each)["message"] for each in (await user.join("retries"))["messages"]]
    assert set(shown) == {"once"}
    assert len(shown) == again["seq"] == 1 if nonce else len(shown) >= again["seq"] >= 4


async def test_a_client_whose_state_is_gone_is_not_told_that_it_recovered(
    make_server: MakeServer, driver: JsDriver
) -> None:
    """Its place was not written before the crash: they are written once a second."""
    live = make_server(LOG_LEVEL="WARNING")
    user = Seed(live, *live.account())
    client = user.open(driver, "sio48", ["websocket"])
    before = await client.expect("connect")
    await client.expect_event("logged_in")
    live.kill()
    forget = "from chat.models import KeptPlace; KeptPlace.objects.all().delete()"
    await asyncio.to_thread(live.manage, "shell", "-v0", "-c", forget)
    await asyncio.to_thread(live.start)
    again = await client.expect("connect", 60)
    assert again["recovered"] is False
    assert again["id"] != before["id"]
    # What came of that connection can be recovered.
    client.do("cut")
    back = await client.expect("connect")
    assert (back["recovered"], back["id"]) == (True, again["id"])


async def test_a_lost_client_that_stays_away_has_quit(server: LiveServer, driver: JsDriver) -> None:
    user = await Seed(server, "goesaway").register()
    client = user.open(driver, "sio25", ["websocket"])
    await client.expect_event("logged_in")
    await user.join("quitting")
    witness = await Seed(server, "witness").register()
    watching = witness.open(driver, "sio17", ["polling"])
    await watching.expect_event("logged_in")
    await witness.join("quitting")
    client.do("close")
    [quit_] = await watching.expect_event("user : quit")
    assert quit_ == {"username": "goesaway", "channels": ["quitting"]}


async def test_new_public_channels_are_told_to_everybody(server: LiveServer, driver: JsDriver) -> None:
    user = await Seed(server, "lobbyist").register()
    client = user.open(driver, "sio17", ["websocket"])
    await client.expect_event("logged_in")
    made = await user.create_channel("Brand new")
    assert await client.expect_event("channel : created") == [{"name": "Brand new", "key": made["key"]}]


async def test_one_session_per_user_gives_the_originals_rule(make_server: MakeServer, driver: JsDriver) -> None:
    live = make_server(MAX_SESSIONS_PER_USER="1", LOG_LEVEL="WARNING")
    user = await Seed(live, "single").register()
    first = user.open(driver, "sio17", ["websocket"])
    await first.expect_event("logged_in")
    others = [user.open(driver, library, mode) for library in LIBRARIES for mode in TRANSPORTS.values()]
    for other in others:
        assert await other.expect_event("name_taken") == [{}]
        assert (await other.expect("disconnect"))["reason"] == "io server disconnect"
    assert (await first.state())["connected"] is True
    first.do("close")
    await first.expect("disconnect")
    again = user.open(driver, "sio48", ["polling", "websocket"])
    await again.expect_event("logged_in")


@pytest.mark.parametrize("library", ["sio17", "sio48"])
async def test_logging_out_everywhere_ends_the_session_for_good(
    server: LiveServer, driver: JsDriver, library: str
) -> None:
    user = await Seed(server, f"out{library}").register()
    client = user.open(driver, library, ["websocket"])
    await client.expect_event("logged_in")
    async with httpx.AsyncClient(base_url=server.url) as http:
        tokens = await http.post("/api/v1/tokens", json={"username": user.name, "password": PASSWORD})
        access = tokens.json()["access"]
        answer = await http.post("/api/v1/tokens/revoke-all", headers={"Authorization": f"Bearer {access}"})
    assert answer.status_code == 204
    [error] = await client.expect_event("error")
    assert error["code"] == "not_authenticated"
    ended = await client.expect("disconnect")
    # "io server disconnect" is what keeps these clients from coming back.
    assert ended["reason"] == "io server disconnect"
