"""Bent tokens at every door of a real server: nobody gets in, nothing breaks, whoever is in stays who they are.

What is wrong with each: tests.support.bent_tokens. The same for what other parts of the server hand out: a refresh
token, a pass for files, an app password, a webhook's address are no access token, and the other way round.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import string
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import InvalidStatus

from tests.conftest import MakeServer
from tests.support.bent_tokens import by_claim, forged
from tests.support.native import NativeClient, Refused
from tests.support.server import PASSWORD, LiveServer
from tests.support.tokens import claim, reissued

SENDABLE = frozenset(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~")
FILES = "/api/v1/files"
POLLING = "/socket.io/?transport=polling"
REFUSED = frozenset({400, 401, 403, 404})


@pytest.fixture(scope="module")
def unlimited(make_server: MakeServer) -> LiveServer:
    """A server that answers as often as it is asked."""
    return make_server(LIMITS="off", DJANGO_SETTINGS_MODULE="tests.support.live_settings")


@dataclass
class Scene:
    """The server, a client of it, one who is in, and a file that they may read."""

    server: LiveServer
    http: httpx.AsyncClient
    access: str
    file: str

    @property
    def key(self) -> str:
        return (self.server.data_dir / "jwt_secret").read_text(encoding="ascii")


@pytest.fixture
async def scene(unlimited: LiveServer) -> AsyncIterator[Scene]:
    access = unlimited.account()[1]
    async with httpx.AsyncClient(base_url=unlimited.url, timeout=20) as http:
        owner = {"Authorization": f"Bearer {access}"}
        file = (await http.post(f"{FILES}?name=a.txt", content=b"tea", headers=owner)).json()
        body = {"text": "", "nonce": secrets.token_hex(4), "files": [file["id"]]}
        assert (await http.post("/api/v1/channels/general/messages", json=body, headers=owner)).status_code == 201
        yield Scene(unlimited, http, access, f"{FILES}/{file['id']}/a.txt")


# -- Doors: each says how it was refused, or None for who is in ---------------------------------------------------


def _refused(answer: httpx.Response) -> str | None:
    assert answer.status_code in {200, *REFUSED}, (answer.request.url, answer.status_code, answer.text)
    return None if answer.status_code == 200 else f"{answer.status_code}"


def _bytes(token: str) -> bytes:
    return token.encode("utf-8", "replace")


def _bearer(token: str, word: bytes = b"Bearer") -> dict[str, bytes]:
    return {"Authorization": (word + b" " + _bytes(token)).strip()}


async def by_header(scene: Scene, token: str) -> str | None:
    return _refused(await scene.http.get("/api/v1/me", headers=_bearer(token)))


async def by_quick_header(scene: Scene, token: str) -> str | None:
    """What is answered without Django, to whom it may be."""
    path = "/api/v1/channels/general/messages"
    return _refused(await scene.http.get(path, headers=_bearer(token)))


async def by_seed_header(scene: Scene, token: str) -> str | None:
    return _refused(await scene.http.get("/channels", headers=_bearer(token, b"Bearer:")))


async def by_file_header(scene: Scene, token: str) -> str | None:
    return _refused(await scene.http.get(scene.file, headers=_bearer(token)))


async def by_file_cookie(scene: Scene, token: str) -> str | None:
    return _refused(await scene.http.get(scene.file, headers={"Cookie": b"reaktor_files=" + _bytes(token)}))


async def by_file_ticket(scene: Scene, token: str) -> str | None:
    return _refused(await scene.http.get(f"{scene.file}?ticket={quote(_bytes(token))}"))


async def by_refresh(scene: Scene, token: str) -> str | None:
    body = json.dumps({"refresh": token}).encode()
    headers = {"Content-Type": "application/json"}
    return _refused(await scene.http.post("/api/v1/tokens/refresh", content=body, headers=headers))


async def by_hook(scene: Scene, token: str) -> str | None:
    return _refused(await scene.http.post(f"/hooks/{quote(_bytes(token), safe='')}", json={"text": "hi"}))


async def by_hello(scene: Scene, token: str) -> str | None:
    try:
        client = await NativeClient.connect(scene.server.url, token)
    except Refused as refused:
        return str(refused.code)
    await client.close()
    return None


async def by_subprotocol(scene: Scene, token: str) -> str | None:
    if not set(token) <= SENDABLE:
        return "can't be sent"
    offered = ["reaktor.v1", f"reaktor.bearer.{token}"]
    client = await NativeClient.open(scene.server.url, subprotocols=offered)
    try:
        await client.request("hello")
    except Refused as refused:
        return str(refused.code)
    finally:
        await client.close()
    return None


async def by_old_polling(scene: Scene, token: str) -> str | None:
    return _refused(await scene.http.get(f"{POLLING}&EIO=3&token={quote(_bytes(token))}"))


async def by_polling(scene: Scene, token: str) -> str | None:
    if not token:
        return "none was given"  # it may still come in the packet
    return _refused(await scene.http.get(f"{POLLING}&EIO=4&token={quote(_bytes(token))}"))


async def by_old_websocket(scene: Scene, token: str) -> str | None:
    url = scene.server.url.replace("http", "ws", 1)
    try:
        async with websockets.connect(
            f"{url}/socket.io/?EIO=3&transport=websocket&token={quote(_bytes(token))}"
        ) as socket:
            return None if await _is_in(socket) else "refused inside"
    except InvalidStatus as refused:
        return f"{refused.response.status_code}" if refused.response.status_code in REFUSED else None


async def by_packet(scene: Scene, token: str) -> str | None:
    url = scene.server.url.replace("http", "ws", 1)
    async with websockets.connect(f"{url}/socket.io/?EIO=4&transport=websocket") as socket:
        await socket.send("40" + json.dumps({"token": token}))
        return None if await _is_in(socket) else "refused inside"


async def _is_in(socket: Any) -> bool:
    async with asyncio.timeout(20):
        try:
            async for packet in socket:
                if "logged_in" in packet:
                    return True
                if "not_authenticated" in packet or "Token is" in packet:
                    return False
        except websockets.ConnectionClosed:
            return False
    return False


Door = Callable[[Scene, str], Awaitable[str | None]]
ACCESS_DOORS: tuple[Door, ...] = (
    by_header, by_quick_header, by_seed_header, by_file_header, by_hello, by_subprotocol, by_old_polling, by_polling,
    by_old_websocket, by_packet,
)  # fmt: skip
OTHER_DOORS: tuple[Door, ...] = (by_file_cookie, by_file_ticket, by_refresh, by_hook)
EACH_CLAIM: tuple[Door, ...] = (by_header, by_hello, by_polling)
"""Behind the others there is the same look at the claims. Without a server: tests/accounts/test_authentication.py."""


async def who_got_in(scene: Scene, doors: tuple[Door, ...], tokens: list[tuple[str, str]]) -> list[str]:
    """What opened which door: a few at a time."""
    places = asyncio.Semaphore(4)
    found: list[str] = []

    async def one(door: Door, what: str, token: str) -> None:
        async with places:
            if await door(scene, token) is None:
                found.append(f"{what} {door.__name__}")

    async with asyncio.TaskGroup() as tasks:
        for door in doors:
            for what, token in tokens:
                tasks.create_task(one(door, what, token))
    return found


async def test_a_good_token_opens_every_door_that_it_is_for(scene: Scene) -> None:
    """Else the others would show nothing."""
    found = await who_got_in(scene, ACCESS_DOORS, [("a good token", scene.access)])
    assert len(found) == len(ACCESS_DOORS)


async def test_a_forged_token_opens_no_door(scene: Scene) -> None:
    tokens = list(forged(scene.access, claim(scene.server.account()[1], "sub")))
    assert await who_got_in(scene, ACCESS_DOORS + OTHER_DOORS, tokens) == []


@pytest.mark.long
async def test_a_claim_that_is_missing_or_odd_opens_no_door(scene: Scene) -> None:
    assert await who_got_in(scene, EACH_CLAIM, list(by_claim(scene.access, scene.key))) == []


@dataclass
class Handed:
    """What the server gives to one account, by its kind."""

    tokens: dict[str, str]

    @classmethod
    async def out(cls, scene: Scene) -> Handed:
        name = f"handed{secrets.token_hex(4)}"
        given = {"username": name, "password": PASSWORD}
        made = (await scene.http.post("/api/v1/accounts", json=given)).json()
        owner = {"Authorization": f"Bearer {made['access']}"}
        cookie = (await scene.http.post(f"{FILES}/cookie", headers=owner)).headers["set-cookie"]
        file_id = scene.file.split("/")[-2]
        signed = (await scene.http.post(f"{FILES}/sign", json={"ids": [file_id]}, headers=owner)).json()
        app = {"name": "Old phone", "password": PASSWORD}
        password = (await scene.http.post("/api/v1/me/app-passwords", json=app, headers=owner)).json()
        channel = {"name": f"Mine {name}", "kind": "private"}
        key = (await scene.http.post("/api/v1/channels", json=channel, headers=owner)).json()["key"]
        hook = (await scene.http.post(f"/api/v1/channels/{key}/hooks", json={"name": "x"}, headers=owner)).json()
        scene.http.cookies.clear()
        return cls(
            {
                "an access token": made["access"],
                "a refresh token": made["refresh"],
                "a file cookie": cookie.split(";")[0].partition("=")[2],
                "a file's ticket": unquote(signed["results"][0]["url"].partition("ticket=")[2]),
                "an app password": password["password"],
                "a webhook's token": hook["url"].rpartition("/")[2],
                "an account's id": made["user"]["id"],
                "a password": PASSWORD,
            }
        )


async def test_what_opens_one_kind_of_door_opens_no_other(scene: Scene) -> None:
    handed = await Handed.out(scene)
    found = await who_got_in(scene, ACCESS_DOORS + OTHER_DOORS, list(handed.tokens.items()))
    expected = {f"an access token {door.__name__}" for door in ACCESS_DOORS} | {
        "a refresh token by_refresh",
        "a file cookie by_file_cookie",
        "a file's ticket by_file_ticket",
        "a webhook's token by_hook",
    }
    assert set(found) == expected


async def test_a_token_in_the_address_opens_nothing_but_old_socketio(scene: Scene) -> None:
    """Addresses stand in logs. Clients of Socket.IO before 3 can't do it otherwise."""
    for path in ("/api/v1/me", "/channels", scene.file):
        for name in ("token", "access_token", "bearer"):
            assert (await scene.http.get(path, params={name: scene.access})).status_code == 401, path
    client = await NativeClient.open(scene.server.url, path=f"/ws/v1?token={scene.access}")
    with pytest.raises(Refused, match="not_authenticated"):
        await client.request("hello")
    await client.close()


async def test_a_bent_token_renews_no_session_and_the_session_stays_whose_it_was(scene: Scene) -> None:
    mine = reissued(scene.server, scene.access, expires_in_s=600)
    other = scene.server.account()[1]
    client = await NativeClient.connect(scene.server.url, mine)
    ends = client.greeting["expires_at"]
    tokens = [*forged(mine, claim(other, "sub")), *by_claim(mine, scene.key), ("another's", other)]
    tokens += (await Handed.out(scene)).tokens.items()
    for what, token in tokens:
        try:
            await client.request("auth.refresh", token=token)
        except Refused as refused:
            if refused.code in {"not_authenticated", "forbidden", "invalid"}:
                continue
            raise
        pytest.fail(f"the session went on with a token: {what}")
    mine_again = (await client.request("auth.refresh", token=mine))["expires_at"]
    assert mine_again == ends
    await client.close()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_changed_bit_of_a_token_or_a_pass_opens_anything(flipped: Flipped, data: st.DataObject) -> None:
    token = data.draw(st.sampled_from(sorted(flipped.paths)))
    at = data.draw(st.integers(0, len(token) * 8 - 1))
    raw = bytearray(token.encode())
    raw[at // 8] ^= 1 << at % 8
    bent = bytes(raw)
    # What the unused bits of a signature's last letter say is nothing that anybody reads.
    if not bent.isascii() or not bent.decode().isprintable() or b";" in bent or at // 8 == len(token) - 1:
        return
    path, before = flipped.paths[token]
    answer = flipped.http.get(path, headers={before[0]: before[1].encode() + bent})
    assert answer.status_code in {401, 404}, bent


@dataclass
class Flipped:
    """Tokens, and where and behind what each is shown."""

    http: httpx.Client
    paths: dict[str, tuple[str, tuple[str, str]]]


@pytest.fixture
async def flipped(scene: Scene) -> AsyncIterator[Flipped]:
    handed = (await Handed.out(scene)).tokens
    with httpx.Client(base_url=scene.server.url, timeout=20) as http:
        yield Flipped(
            http,
            {
                handed["an access token"]: ("/api/v1/me", ("Authorization", "Bearer ")),
                handed["a file cookie"]: (scene.file, ("Cookie", "reaktor_files=")),
            },
        )
