"""Whatever ends tokens, on one worker: on the others, too, everything that came by them is dead within a second.

Each case gives somebody all that a log-in can hold on worker 2, warm in its memory, ends it on worker 1 (or by a
command), and asks again: both live sessions, every kind of token, the cookie for files, a signed address.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.cookiejar import Cookie, CookieJar
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import websockets

from tests.support.chat_cluster import ChatCluster
from tests.support.native import NativeClient, Refused
from tests.support.server import PASSWORD
from tests.support.tokens import claim

pytestmark = pytest.mark.cluster

SOON_S = 5.0
"""A second is promised, on a machine that does nothing else. What mends a lost message takes a minute."""
OTHER = "another fine 9"
FILES = "/api/v1/files"
LONG_AGO = (datetime.now(UTC) - timedelta(days=30)).isoformat(sep=" ")

LINES = ("EIO=4&transport=websocket", "EIO=3&transport=websocket", "EIO=4&transport=polling", "EIO=3&transport=polling")
"""Socket.IO's four kinds of connection; the cases take turns."""


class OldLine:
    """A Socket.IO session by hand, from an address of choice."""

    def __init__(self, chat: ChatCluster, source: str, line: str, token: str) -> None:
        self._query = f"{line}&{urlencode({'token': token})}"
        self._is_polling = line.endswith("polling")
        self._chat, self._source = chat, source
        self.client = httpx.AsyncClient(
            base_url=chat.url,
            timeout=SOON_S * 2,
            transport=httpx.AsyncHTTPTransport(local_address=source, verify=False),
        )
        self._socket: Any = None
        self._sid = ""

    async def begin(self) -> str:
        """What is said until `logged_in`, or until it is refused; raises nothing then."""
        if self._is_polling:
            answer = await self.client.get(f"/socket.io/?{self._query}")
            if answer.status_code != 200:
                return answer.text
            self._sid = json.loads(answer.text[answer.text.index("{") : answer.text.index("}") + 1])["sid"]
        else:
            url = self._chat.url.replace("http", "ws", 1)
            try:
                self._socket = await websockets.connect(
                    f"{url}/socket.io/?{self._query}", local_addr=(self._source, 0), ping_interval=None
                )
            except websockets.InvalidStatus as refused:
                return (refused.response.body or b"").decode()
        if "EIO=4" in self._query:
            await self._say("40")
        return await self.until("logged_in")

    async def until(self, *words: str) -> str:
        """Everything heard up to one of these words, or to the end of the line."""
        heard = ""
        async with asyncio.timeout(SOON_S * 2):
            while not any(word in heard for word in (*words, "not_authenticated", "banned")):
                try:
                    heard += await self._heard()
                except (websockets.ConnectionClosed, ConnectionError):
                    break
        return heard

    async def ended(self) -> None:
        """Wait until the server has closed it."""
        async with asyncio.timeout(SOON_S * 2):
            with contextlib.suppress(websockets.ConnectionClosed, ConnectionError):
                while True:
                    await self._heard()

    async def _say(self, packet: str) -> None:
        if self._is_polling:
            await self.client.post(f"/socket.io/?{self._query}&sid={self._sid}", content=packet)
        else:
            await self._socket.send(packet)

    async def _heard(self) -> str:
        if not self._is_polling:
            return str(await self._socket.recv())
        answer = await self.client.get(f"/socket.io/?{self._query}&sid={self._sid}")
        if answer.status_code != 200 or answer.text in {"1", "1:1"}:
            raise ConnectionError(answer.text)
        return answer.text

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()
        await self.client.aclose()


class Admin:
    """A superuser in the admin, in a browser's place."""

    def __init__(self, chat: ChatCluster, name: str, password: str = PASSWORD) -> None:
        self.url = f"{chat.url}/admin"
        self.client = httpx.Client(
            transport=httpx.HTTPTransport(local_address=chat.source(1), verify=False), timeout=30, follow_redirects=True
        )
        self.client.get(f"{self.url}/login/")
        assert "Log out" in self.post("/login/", username=name, password=password, next="/admin/")

    def post(self, path: str, **fields: str) -> str:
        fields["csrfmiddlewaretoken"] = self.client.cookies["csrftoken"]
        answer = self.client.post(self.url + path, data=fields, headers={"Referer": self.url})
        assert answer.status_code == 200, answer.text
        return answer.text

    def act(self, action: str, user_id: str) -> None:
        assert "Accounts" in self.post("/accounts/user/", action=action, _selected_action=user_id)


class NoCookies(CookieJar):
    """Keeps none."""

    def set_cookie(self, cookie: Cookie) -> None:
        pass


@dataclass
class Scene:
    """One server, its administrator in the admin on worker 1, and a file that everybody may read."""

    chat: ChatCluster
    root: str
    admin: Admin
    file_id: str
    file_path: str
    clients: dict[int, httpx.Client]

    def store(self, statement: str, *values: object) -> None:
        path = self.chat.directory / "reaktor.sqlite3"
        with contextlib.closing(sqlite3.connect(path, timeout=20)) as database, database:
            assert database.execute(statement, values).rowcount == 1

    def ask(self, slot: int, method: str, path: str, token: str = "", **options: Any) -> httpx.Response:
        """One request, as JSON, from an address of that worker's."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= options.pop("headers", {})
        return self.clients[slot].request(method, path, headers=headers, **options)

    def done(self, slot: int, method: str, path: str, token: str = "", **options: Any) -> Any:
        answer = self.ask(slot, method, path, token, **options)
        assert answer.is_success, (path, answer.text)
        return answer.json() if answer.content else None


@pytest.fixture(scope="module")
def scene(chat: ChatCluster) -> Iterator[Scene]:
    # Kept open, and without a context for TLS: making one takes longer than a request.
    clients = {
        slot: httpx.Client(
            base_url=chat.url,
            transport=httpx.HTTPTransport(local_address=chat.source(slot), verify=False),
            timeout=15,
            # What one person is given is not to be sent for the next one.
            cookies=NoCookies(),
        )
        for slot in (1, 2)
    }
    found = Scene(chat, "", None, "", "", clients)  # type: ignore[arg-type]  # filled below
    name = "endingroot"
    found.root = found.done(1, "POST", "/api/v1/accounts", json={"username": name, "password": PASSWORD})["access"]
    found.store("UPDATE accounts_user SET is_staff = 1, is_superuser = 1 WHERE username = ?", name)
    found.admin = Admin(chat, name)
    file = found.done(1, "POST", f"{FILES}?name=a.txt", found.root, content=b"tea")
    body = {"text": "", "nonce": secrets.token_hex(4), "files": [file["id"]]}
    found.done(1, "POST", "/api/v1/channels/general/messages", found.root, json=body)
    found.file_id, found.file_path = file["id"], f"{FILES}/{file['id']}/a.txt"
    yield found
    for client in (found.admin.client, *clients.values()):
        client.close()


@dataclass
class Held:
    """What somebody holds on worker 2. `tokens`: access, seed and bot tokens, by their kind."""

    scene: Scene
    name: str
    user_id: str
    tokens: dict[str, str]
    refresh: str = ""
    cookies: list[str] = field(default_factory=list)
    tickets: list[str] = field(default_factory=list)

    def hold_passes(self) -> None:
        """What a token buys for the files of a page: it is to end with it."""
        for token in self.tokens.values():
            answer = self.scene.ask(2, "POST", f"{FILES}/cookie", token)
            self.cookies.append(answer.headers["set-cookie"].split(";")[0])
            [signed] = self.scene.done(2, "POST", f"{FILES}/sign", token, json={"ids": [self.scene.file_id]})["results"]
            self.tickets.append(signed["url"])

    def asked(self, slot: int) -> dict[str, int]:
        """The status of every way in, on that worker."""
        ask, found = self.scene.ask, {}
        for kind, token in self.tokens.items():
            found[f"{kind} REST"] = ask(slot, "GET", "/api/v1/me", token).status_code
            # These two are answered from memory where somebody has just been there.
            found[f"{kind} list"] = ask(slot, "GET", "/channels", token).status_code
            found[f"{kind} messages"] = ask(slot, "GET", "/api/v1/channels/general/messages", token).status_code
        for cookie in self.cookies:
            found["cookie"] = ask(slot, "GET", self.scene.file_path, headers={"Cookie": cookie}).status_code
        for ticket in self.tickets:
            found["ticket"] = ask(slot, "GET", ticket).status_code
        return found


def person(scene: Scene) -> Held:
    """A new account with two log-ins: /api/v1's and the seed contract's."""
    name = f"ending{secrets.token_hex(4)}"
    made = scene.done(1, "POST", "/api/v1/accounts", json={"username": name, "password": PASSWORD})
    seed = scene.done(1, "POST", "/auth/login", json={"name": name, "password": PASSWORD})["token"]
    return Held(scene, name, made["user"]["id"], {"access": made["access"], "seed": seed}, made["refresh"])


def bot(scene: Scene) -> tuple[Held, dict[str, Any], str]:
    """(the bot, what its owner was told of it, the owner's token)."""
    owner = person(scene)
    scene.store("UPDATE accounts_user SET created_at = ? WHERE username = ?", LONG_AGO, owner.name)
    body = {"username": f"bot{secrets.token_hex(4)}", "scopes": ["read", "write"]}
    made = scene.done(1, "POST", "/api/v1/me/bots", owner.tokens["access"], json=body)
    return Held(scene, body["username"], made["bot"]["id"], {"bot": made["token"]}), made["bot"], owner.tokens["access"]


@dataclass
class Case:
    """Who holds what, and what ends it. `status`: of REST afterwards."""

    held: Held
    end: Callable[[], object]
    status: int = 401
    code: int = 4503


# -- What ends tokens ---------------------------------------------------------------------------------------------


def log_out_everywhere(scene: Scene) -> Case:
    held = person(scene)
    return Case(held, lambda: scene.done(1, "POST", "/api/v1/tokens/revoke-all", held.tokens["access"]))


def log_out_by_moderator(scene: Scene) -> Case:
    held = person(scene)
    return Case(held, lambda: scene.admin.post(f"/accounts/user/{held.user_id}/do/log_out/", reason="lost"))


def log_out_in_admin(scene: Scene) -> Case:
    held = person(scene)
    return Case(held, lambda: scene.admin.act("log_out", held.user_id))


def change_password(scene: Scene) -> Case:
    held = person(scene)
    body = {"old": PASSWORD, "new": OTHER}
    return Case(held, lambda: scene.done(1, "POST", "/api/v1/me/password", held.tokens["access"], json=body))


def reset_password(scene: Scene) -> Case:
    held, token = person(scene), secrets.token_urlsafe(32)
    scene.store(
        "INSERT INTO accounts_mailtoken (hash, purpose, folded, expires_at, user_id) VALUES (?, 'reset', '', ?, ?)",
        hashlib.sha256(token.encode()).hexdigest(),
        (datetime.now(UTC) + timedelta(minutes=5)).replace(tzinfo=None).isoformat(sep=" "),
        held.user_id.replace("-", ""),
    )
    body = {"token": token, "password": OTHER}
    return Case(held, lambda: scene.done(1, "POST", "/api/v1/password/reset/confirm", json=body))


def password_by_administrator(scene: Scene) -> Case:
    held = person(scene)
    path = f"/accounts/user/{held.user_id}/password/"
    return Case(held, lambda: scene.admin.post(path, password1=OTHER, password2=OTHER))


def own_password_in_admin(scene: Scene) -> Case:
    held = person(scene)
    scene.store("UPDATE accounts_user SET is_staff = 1 WHERE username = ?", held.name)

    def end() -> None:
        admin = Admin(scene.chat, held.name)
        said = admin.post("/password_change/", old_password=PASSWORD, new_password1=OTHER, new_password2=OTHER)
        assert "Your password was changed" in said
        # The browser in which it was done goes on.
        assert "Log out" in admin.client.get(f"{admin.url}/").text

    return Case(held, end)


def password_by_command(scene: Scene) -> Case:
    held = person(scene)

    def end() -> None:
        # Without a terminal of its own it reads what it asks for from here.
        subprocess.run(
            [sys.executable, "manage.py", "changepassword", held.name],
            env=scene.chat.environment,
            input=f"{OTHER}\n{OTHER}\n",
            text=True,
            check=True,
            capture_output=True,
            timeout=60,
            start_new_session=True,
        )

    return Case(held, end)


def ban(scene: Scene) -> Case:
    held = person(scene)
    body = {"username": held.name, "kind": "ban", "reason": "spam"}
    return Case(held, lambda: scene.done(1, "POST", "/api/v1/sanctions", scene.root, json=body), 403, 4502)


def switch_off(scene: Scene) -> Case:
    held = person(scene)
    return Case(held, lambda: scene.admin.act("switch_off", held.user_id), 403, 4502)


def delete_account(scene: Scene) -> Case:
    held = person(scene)
    body = {"password": PASSWORD}
    # An account that is gone is off; whoever holds a token of it is told so.
    return Case(held, lambda: scene.done(1, "DELETE", "/api/v1/me", held.tokens["access"], json=body), 403)


def copied_refresh_token(scene: Scene) -> Case:
    """The log-in of a refresh token that somebody else used first; the other log-in stays."""
    held = person(scene)
    del held.tokens["seed"]
    refresh = held.refresh

    def end() -> None:
        scene.done(1, "POST", "/api/v1/tokens/refresh", json={"refresh": refresh})
        # As if that had been longer ago than an answer may be lost for.
        login = claim(refresh, "login").replace("-", "")
        scene.store("UPDATE accounts_refreshfamily SET replaced = '[]' WHERE id = ?", login)
        assert scene.ask(1, "POST", "/api/v1/tokens/refresh", json={"refresh": refresh}).status_code == 401

    return Case(held, end)


def app_password(scene: Scene) -> Case:
    held = person(scene)
    access = held.tokens["access"]
    body = {"name": "Old phone", "password": PASSWORD}
    made = scene.done(1, "POST", "/api/v1/me/app-passwords", access, json=body)
    login = {"name": held.name, "password": made["password"]}
    held.tokens, held.refresh = {"seed": scene.done(1, "POST", "/auth/login", json=login)["token"]}, ""
    return Case(held, lambda: scene.done(1, "DELETE", f"/api/v1/me/app-passwords/{made['id']}", access))


def app_passwords_in_admin(scene: Scene) -> Case:
    case = app_password(scene)
    case.end = lambda: scene.admin.act("revoke_app_passwords", case.held.user_id)
    return case


def bot_token(scene: Scene) -> Case:
    held, made, owner = bot(scene)
    return Case(held, lambda: scene.done(1, "DELETE", f"/api/v1/me/bots/{made['id']}/token", owner))


def bot_token_replaced(scene: Scene) -> Case:
    held, made, owner = bot(scene)
    return Case(held, lambda: scene.done(1, "POST", f"/api/v1/me/bots/{made['id']}/token", owner))


def bot_deleted(scene: Scene) -> Case:
    held, made, owner = bot(scene)
    return Case(held, lambda: scene.done(1, "DELETE", f"/api/v1/me/bots/{made['id']}", owner), 403)


def bots_owner_deleted(scene: Scene) -> Case:
    held, _, owner = bot(scene)
    return Case(held, lambda: scene.done(1, "DELETE", "/api/v1/me", owner, json={"password": PASSWORD}), 403)


CASES = (
    log_out_everywhere, change_password, own_password_in_admin, ban, switch_off, delete_account, app_password,
    bot_token, log_out_by_moderator, log_out_in_admin, reset_password, password_by_administrator, password_by_command,
    copied_refresh_token, app_passwords_in_admin, bot_token_replaced, bot_deleted, bots_owner_deleted,
)  # fmt: skip
OFTEN = 8
"""The first of them, two over each kind of connection; the others come by the same orders, and take as long."""


def cases() -> Iterator[Any]:
    for number, case in enumerate(CASES):
        marks = () if number < OFTEN else (pytest.mark.long,)
        yield pytest.param(case, LINES[number % len(LINES)], id=case.__name__.replace("_", " "), marks=marks)


@pytest.mark.parametrize(("make", "line"), cases())
async def test_what_ends_tokens_ends_everything_that_came_by_them_on_every_worker(
    scene: Scene, make: Callable[[Scene], Case], line: str
) -> None:
    chat = scene.chat
    case = await asyncio.to_thread(make, scene)
    held = case.held
    newest = list(held.tokens.values())[-1]
    await asyncio.to_thread(held.hold_passes)
    native = await NativeClient.connect(chat.url, next(iter(held.tokens.values())), local_addr=(chat.source(2), 0))
    old = OldLine(chat, chat.source(2), line, newest)
    assert "logged_in" in await old.begin()
    assert set((await asyncio.to_thread(held.asked, 2)).values()) == {200}
    await asyncio.to_thread(case.end)
    ended = time.monotonic()
    assert await native.closed() == case.code
    await old.ended()
    assert time.monotonic() - ended < SOON_S
    for slot in (2, 1):
        found = await asyncio.to_thread(held.asked, slot)
        assert set(found.values()) <= {case.status, 401, 404}, found
        for token in held.tokens.values():
            with pytest.raises(Refused, match=r"not_authenticated|banned"):
                await NativeClient.connect(chat.url, token, local_addr=(chat.source(slot), 0))
            again = OldLine(chat, chat.source(slot), line, token)
            said = await again.begin()
            assert "logged_in" not in said
            assert "not_authenticated" in said or "banned" in said, said
            await again.close()
    if held.refresh:
        renewed = await asyncio.to_thread(
            scene.ask, 2, "POST", "/api/v1/tokens/refresh", json={"refresh": held.refresh}
        )
        assert renewed.status_code in {401, 403}
    await old.close()
