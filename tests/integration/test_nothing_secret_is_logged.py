"""A server that logs all it can, used and broken in every way: no log line, figure or error report tells on anybody.

What is written, typed and handed out is marked or noted, every operation of every transport is asked, well and badly;
then the store fails under them, so that errors nobody foresaw are logged with all that they say. At the end everything
that left the server beside its answers is searched.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest
import websockets
from websockets.typing import Subprotocol

from chat.transports.native.examples import EXAMPLES
from tests.support.factors import code_of
from tests.support.routes import SOMEBODY, all_paths
from tests.support.sentry import Sentry, taking_reports
from tests.support.server import LiveServer
from tests.support.smtp import Mailbox, smtp_server

pytestmark = pytest.mark.long

TEXT = "zqtext 7719 of a message"
NAME = "zqname7719"
ADDRESS = "zqaddress7719@example.org"
PASSWORD = "zqpassword 7719 battery"
CODE = "zqcode7719"
"""As an invite, a webhook's token or a link of a mail: in paths, and of nobody."""
PUSH = "https://updates.push.services.mozilla.com/wpush/v2/zqpush7719"
SECRET_PATHS = (
    f"/api/v1/invites/{CODE}", f"/api/v1/invites/{CODE}/accept", f"/api/v1/server-invites/{CODE}", f"/hooks/{CODE}",
    f"/hooks/rkh_{CODE}", f"/api/v1/hooks/{CODE}", f"/notices/unsubscribe/{CODE}:x",
    f"/socket.io/?EIO=3&transport=polling&token={CODE}", f"/socket.io/?EIO=4&transport=polling&sid={CODE}",
    f"/api/v1/files/{SOMEBODY}/x?ticket={CODE}", f"/admin/login/?next=/api/v1/invites/{CODE}",
    f"/api/v1/email/confirm?token={CODE}", f"/nowhere?token={CODE}&password={CODE}",
)  # fmt: skip
FIELDS = {
    "text": TEXT, "topic": TEXT, "name": TEXT, "reason": TEXT, "nonce": TEXT, "display_name": TEXT, "status_text": TEXT,
    "message": TEXT, "word": TEXT, "password": PASSWORD, "old": PASSWORD, "new": PASSWORD, "code": CODE, "token": CODE,
    "refresh": CODE, "email": ADDRESS, "username": NAME, "invite": CODE, "endpoint": PUSH, "ids": [TEXT],
    "scopes": [TEXT], "keys": {"p256dh": CODE, "auth": CODE},
}  # fmt: skip
BROKEN = {
    "chat_message", "chat_channel", "chat_reaction", "chat_channelmembership", "chat_sanction", "chat_report",
    "chat_file", "chat_hook", "chat_pushsubscription", "accounts_user", "accounts_bot", "accounts_apppassword",
    "accounts_mailtoken", "accounts_emailaddress",
}  # fmt: skip
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass
class Scene:
    """The server, where its reports and mails go, and what must not be found."""

    server: LiveServer
    sentry: Sentry
    mailbox: Mailbox
    secrets: set[str] = field(default_factory=lambda: {TEXT, ADDRESS, PASSWORD, CODE, PUSH, "zqpush7719"})

    def hide(self, *found: str) -> None:
        assert all(len(each) > 5 for each in found), found
        self.secrets.update(found)

    @property
    def store(self) -> Path:
        return self.server.data_dir / "reaktor.sqlite3"


@pytest.fixture(params=["on", "off"], ids=["DEBUG", "production"])
def scene(request: pytest.FixtureRequest, prepared_server: LiveServer, tmp_path: Path) -> Iterator[Scene]:
    with taking_reports() as sentry, smtp_server() as mailbox:
        server = prepared_server.copy(
            tmp_path / "data",
            DJANGO_SETTINGS_MODULE="tests.support.live_settings",
            DEBUG=request.param,
            LOG_LEVEL="DEBUG",
            ACCESS_LOG="on",
            LIMITS="off",
            SENTRY_DSN=sentry.dsn,
            EMAIL_URL=mailbox.url,
            PUBLIC_URL="http://localhost",
            ALLOWED_HOSTS="127.0.0.1,localhost",
        )
        server.start()
        try:
            yield Scene(server, sentry, mailbox)
        finally:
            server.stop()


class Person:
    """Somebody at the API."""

    def __init__(self, scene: Scene, name: str) -> None:
        self.scene, self.name = scene, name
        self.http = httpx.Client(base_url=scene.server.url, timeout=30)
        made = self("POST", "/api/v1/accounts", username=name, password=PASSWORD)
        self.access = made["access"]
        self.http.headers["Authorization"] = f"Bearer {self.access}"
        scene.hide(self.access, made["refresh"])

    def __call__(self, method: str, path: str, **body: Any) -> Any:
        answer = self.http.request(method, path, json=body or None)
        assert answer.is_success, (path, answer.text)
        return answer.json() if answer.content else None


def handed_out(scene: Scene) -> Person:
    """Whatever the server gives to its people once, is noted."""
    ada, hide = Person(scene, f"ada{NAME}"), scene.hide
    pair = ada("POST", "/api/v1/tokens", username=ada.name, password=PASSWORD)
    pair = ada("POST", "/api/v1/tokens/refresh", refresh=pair["refresh"])
    hide(pair["access"], pair["refresh"])
    ada.http.post("/api/v1/tokens", json={"username": ada.name, "password": f"{PASSWORD} wrong"})
    hide(ada("POST", "/auth/login", name=ada.name, password=PASSWORD)["token"])
    app = ada("POST", "/api/v1/me/app-passwords", name=TEXT, password=PASSWORD)
    hide(app["password"], app["password"].replace("-", ""))
    ada("POST", "/auth/login", name=ada.name, password=app["password"])
    begun = ada("POST", "/api/v1/me/second-factor", password=PASSWORD)
    hide(
        begun["secret"],
        *ada("POST", "/api/v1/me/second-factor/confirm", code=code_of(begun["secret"]))["recovery_codes"],
    )
    key = ada("POST", "/api/v1/channels", name="Tea", topic=TEXT)["key"]
    hook = ada("POST", f"/api/v1/channels/{key}/hooks", name="x")
    hide(hook["token"], hook["token"].removeprefix("rkh_"))
    ada.http.post(f"/hooks/{hook['token']}", json={"text": TEXT})
    ada("POST", "/api/v1/channels/general/messages", text=TEXT, nonce="1")
    private = ada("POST", "/api/v1/channels", name="Mine", kind="private")["key"]
    invite = ada("POST", f"/api/v1/channels/{private}/invites", uses=1)
    hide(invite["code"])
    ada.http.get(f"/api/v1/invites/{invite['code']}")
    bob = Person(scene, f"bob{NAME}")
    bob("POST", f"/api/v1/invites/{invite['code']}/accept")
    file = ada.http.post("/api/v1/files?name=a.txt", content=TEXT.encode()).json()
    ticket = ada("POST", "/api/v1/files/sign", ids=[file["id"]])["results"][0]["url"]
    hide(ticket.partition("ticket=")[2])
    ada.http.get(ticket)
    cookie = ada.http.post("/api/v1/files/cookie").headers["set-cookie"].split(";")[0].partition("=")[2]
    hide(cookie)
    ada("PATCH", "/api/v1/me", display_name=TEXT, status_text=TEXT)
    ada("POST", "/api/v1/me/email", email=ADDRESS, password=PASSWORD)
    return ada


def mailed(scene: Scene, ada: Person) -> None:
    """Mails that are taken, refused with the address in the answer, and broken off."""
    link = str(scene.mailbox.wait_for(ADDRESS).get_body(("plain",))).rpartition("#/confirm-email/")[2].split()[0]
    scene.hide(link)
    ada("POST", "/api/v1/email/confirm", token=link)
    scene.mailbox.at_recipient += [f"450 4.2.1 <{ADDRESS}> is busy", f"550 5.1.1 <{ADDRESS}> unknown here"]
    ada("POST", "/api/v1/password/reset", email=ADDRESS)
    ada("POST", "/api/v1/password/reset", email=ADDRESS.replace("@", "2@"))


def walked(scene: Scene, person: Person | None) -> None:
    """Every route by every method, with all fields that there are at once; by a stranger, what opens something."""
    body = json.dumps(FIELDS).encode()
    headers = {"Content-Type": "application/json"}
    with httpx.Client(base_url=scene.server.url, timeout=30) as http:
        paths = all_paths() if person is not None else []
        if person is not None:
            http.headers["Authorization"] = f"Bearer {person.access}"
        for path in paths:
            if path.startswith("/admin/"):
                continue
            for method in METHODS:
                if (method, path) != ("POST", "/api/v1/tokens/revoke-all"):
                    http.request(method, path, content=b"" if method == "GET" else body, headers=headers)
        for path in SECRET_PATHS:
            for method in ("GET", "POST", "DELETE"):
                http.request(method, path, content=body, headers=headers)
        for junk in (b"{" + TEXT.encode(), b"\xff" + TEXT.encode(), b'{"text": "' + TEXT.encode() + b"\\ud800"):
            http.post("/api/v1/channels/general/messages", content=junk, headers=headers)
        http.post("/admin/login/", data={"username": NAME, "password": PASSWORD, "code": CODE})


def _marked(value: Any) -> Any:
    """An example with marks in the place of its words."""
    if isinstance(value, dict):
        return {name: FIELDS.get(name, _marked(each)) for name, each in value.items()}
    return value


async def said_natively(scene: Scene, person: Person) -> None:
    """By hand, since what is sent here no client of ours would send."""
    url = f"{scene.server.url.replace('http', 'ws', 1)}/ws/v1"
    frames = [_marked(copy.deepcopy(frame)) for name, frame in EXAMPLES.items() if name != "hello"]
    said: list[Any] = [
        {**frame, "id": f"{number} {channel}", "channel": channel}
        for number, frame in enumerate(frames)
        for channel in ("general", TEXT)
    ]
    said.insert(0, {"id": "in", "op": "channel.join", "channel": "general", "data": {}})
    said += [TEXT, f'{{"op": "{TEXT}"}}', f'["{TEXT}"]', TEXT.encode(), f'{{"id": 1, "op": "hello", "x": "{TEXT}']
    async with websockets.connect(url, subprotocols=[Subprotocol("reaktor.v1")], ping_interval=None) as socket:
        await socket.send(json.dumps({"id": "hello", "op": "hello", "data": {"token": person.access}}))
        scene.hide(json.loads(await socket.recv())["data"]["session"])
        with contextlib.suppress(websockets.ConnectionClosed):
            for each in said:
                await socket.send(json.dumps(each) if isinstance(each, dict) else each)
            await socket.send(json.dumps({"id": "last", "op": "channel.list", "data": {}}))
            async with asyncio.timeout(30):
                while json.loads(await socket.recv()).get("re") != "last":
                    pass


async def said_over_socketio(scene: Scene, person: Person) -> None:
    url = scene.server.url.replace("http", "ws", 1)
    events = [
        ["message:post", {"channel": "general", "message": TEXT}],
        ["message:post", TEXT],
        ["message:post"],
        [TEXT, TEXT],
        ["user : left", {"channel": TEXT}],
        ["user : status_changed", {"status": TEXT}],
        ["auth : refresh", {"token": CODE}],
    ]
    for query in ("EIO=3", "EIO=4"):
        path = f"{url}/socket.io/?{query}&transport=websocket&token={person.access}"
        for junk in ("", f"42{TEXT}", f"4{TEXT}", TEXT, f'451-["{TEXT}",{{"_placeholder":true,"num":9}}]'):
            async with websockets.connect(path, ping_interval=None) as socket:
                with contextlib.suppress(websockets.ConnectionClosed):
                    if query == "EIO=4":
                        await socket.send("40")
                    heard = ""
                    while "logged_in" not in heard:
                        heard = str(await asyncio.wait_for(socket.recv(), 10))
                        if heard.startswith("0{"):
                            scene.hide(json.loads(heard[1:])["sid"])
                    for number, event in enumerate(events):
                        await socket.send(f"42{number}{json.dumps(event)}")
                    if junk:
                        await socket.send(junk)
                    await socket.send("2")
                    await asyncio.wait_for(socket.recv(), 10)


@contextlib.contextmanager
def broken_store(scene: Scene) -> Iterator[None]:
    """What is written fails with an error that nobody foresaw; messages can't be read at all."""
    with contextlib.closing(sqlite3.connect(scene.store, timeout=20)) as store, store:
        plain = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
        tables = [name for (name,) in store.execute(plain)]
        # The authority writes down that it lives, and goes when it can't.
        broken = [name for name in tables if name in BROKEN]
        for table in broken:
            for deed in ("INSERT", "UPDATE", "DELETE"):
                when = f"zq_{table}_{deed} BEFORE {deed} ON {table}"
                store.execute(f"CREATE TRIGGER {when} BEGIN SELECT RAISE(ABORT, 'broken'); END")
        store.execute("ALTER TABLE chat_reaction RENAME TO chat_reaction_away")
    try:
        yield
    finally:
        with contextlib.closing(sqlite3.connect(scene.store, timeout=20)) as store, store:
            store.execute("ALTER TABLE chat_reaction_away RENAME TO chat_reaction")
            for table in broken:
                for deed in ("INSERT", "UPDATE", "DELETE"):
                    store.execute(f"DROP TRIGGER zq_{table}_{deed}")


def found_in(text: str, hidden: set[str]) -> list[str]:
    """The lines that tell, shortened."""
    spellings = {
        way for each in hidden for way in (each, quote(each, safe=""), quote_plus(each), json.dumps(each)[1:-1])
    }
    return [line[:600] for line in text.splitlines() if any(each in line for each in spellings)]


async def test_no_line_figure_or_report_holds_a_text_a_secret_or_an_address(scene: Scene) -> None:
    ada = await asyncio.to_thread(handed_out, scene)
    await asyncio.to_thread(mailed, scene, ada)
    for person in (None, ada):
        await asyncio.to_thread(walked, scene, person)
    ann = await asyncio.to_thread(Person, scene, f"ann{NAME}")
    await said_natively(scene, ann)
    await said_over_socketio(scene, ann)
    with broken_store(scene):
        await asyncio.to_thread(walked, scene, ann)
        await said_natively(scene, ann)
        await said_over_socketio(scene, ann)
    metrics = ann.http.get("/metrics").text
    assert "reaktor_" in metrics
    scene.server.stop()
    log, reports = scene.server.log(), "\n".join(scene.sentry.bodies)
    # It was used, and it was broken.
    assert "POST /api/v1/channels/general/messages 201" in log
    assert "Traceback" in log
    assert "broken" in reports
    for where, said in {"the log": log, "the figures": metrics, "the reports": reports}.items():
        assert found_in(said, scene.secrets) == [], where
