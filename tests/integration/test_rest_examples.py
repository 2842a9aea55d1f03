"""Each example of the API page is sent to a real server, and the answer is one that the page describes.

People, channels and messages that the examples name are made first. What the server itself gives names to, such as the
id of a message, stands in its place.
"""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from chat.transports.rest.docs import EXAMPLES
from tests.conftest import MakeServer
from tests.support.factors import code_of
from tests.support.native import NativeClient
from tests.support.openapi import check, operations
from tests.support.pictures import plain
from tests.support.server import PASSWORD, LiveServer

OPERATIONS = {operation["operationId"]: (path, method, operation) for path, method, operation in operations()}
OF_ONESELF = {"tokens_revoke_all", "me_update", "me_delete", "me_password", "me_sessions_end"}
"""Asked by somebody who has logged in for that alone: afterwards they are another, or logged out."""
OF_FACTOR = {"second_factor_confirm", "second_factor_recovery_codes", "second_factor_remove"}
"""Asked by somebody who has begun to set up a second factor, or has one."""
OF_DIRECT = {"channels_hide", "channels_show"}
"""Asked about a channel that ada and bob have for themselves."""
OF_A_BOT = {"bots_delete", "bot_tokens_get", "bot_tokens_create", "bot_tokens_revoke"}
WITH_PASSWORD = {
    "tokens_create", "tokens_refresh", "tokens_revoke", "me_delete", "me_password", "me_email", "me_email_remove",
    "second_factor_begin", "app_passwords_create", "app_passwords_revoke", *OF_FACTOR,
}  # fmt: skip
BY_MAIL = {"email_confirm": "confirm", "password_reset_confirm": "reset"}
"""Asked with the token of a mail's link, for that purpose."""
MAKE_TOKEN = """
from accounts.addresses import address_parse
from accounts.mail_tokens import token_make
from accounts.models import EmailAddress, User
bob, address = User.objects.get(username={name!r}), address_parse("{name}@example.org")
EmailAddress.objects.create(user=bob, address=address.text, folded=address.folded)
print("token", token_make({purpose!r}, user=bob, folded=address.folded)[0])
"""
_numbers = itertools.count(1)


class Stage:
    """What the examples are about, made anew for each: `words` is what a word of theirs is called here."""

    def __init__(self, server: LiveServer, http: httpx.AsyncClient, staff: tuple[str, str]) -> None:
        self.server, self.http = server, http
        self.ada, self.bob = staff, server.account()
        self.words: dict[str, str] = {"ada": self.ada[0], "bob": self.bob[0], "ada2": f"other{next(_numbers)}"}

    async def ask(self, who: tuple[str, str], method: str, path: str, body: Any = None) -> Any:
        answer = await self._send(who[1], method, f"/api/v1{path}", body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def _send(self, token: str, method: str, path: str, body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self.http.request(method, path, json=body, headers=headers)

    async def set_factor(self, name: str, who: tuple[str, str]) -> None:
        """What is asked about one's own second factor and app passwords needs beside."""
        given = {"password": PASSWORD}
        if name == "app_passwords_revoke":
            made = await self.ask(who, "POST", "/me/app-passwords", {**given, "name": "x"})
            self.words[EXAMPLES["app_password_id"]] = made["id"]
        if name in OF_FACTOR:
            secret = (await self.ask(who, "POST", "/me/second-factor", given))["secret"]
            self.words["123456"] = code_of(secret)
            if name != "second_factor_confirm":
                found = await self.ask(who, "POST", "/me/second-factor/confirm", {"code": code_of(secret)})
                self.words["123456"] = found["recovery_codes"][0]

    async def set(self, name: str) -> None:
        """A channel of ada's with bob in it, and what the operation needs beside."""
        if name in OF_DIRECT:
            made = await self.ask(self.ada, "POST", "/direct", {"username": self.bob[0]})
            self.words["tea"] = made["key"]
            return
        made = await self.ask(self.ada, "POST", "/channels", {"name": "Tea", "kind": self._kind(name)})
        key = self.words["tea"] = made["key"]
        if self._kind(name) == "private":
            invite = await self.ask(self.ada, "POST", f"/channels/{key}/invites", {})
            self.words[EXAMPLES["code"]] = invite["code"]
        else:
            await self.ask(self.bob, "PUT", f"/channels/{key}/membership")
        # Nobody reports, and decides about, what they wrote themselves.
        if name.startswith("server_invites"):
            self.words[EXAMPLES["code"]] = (await self.ask(self.ada, "POST", "/server-invites", {}))["code"]
        if name in BY_MAIL:
            self.words["mWq0…"] = self._mailed(BY_MAIL[name])
        author = self.bob if name.startswith("reports") else self.ada
        message = await self.ask(author, "POST", f"/channels/{key}/messages", {"text": "Good morning", "nonce": "zero"})
        self.words[EXAMPLES["message_id"]] = message["id"]
        if name in {"files_get", "files_sign"}:
            headers = {"Authorization": f"Bearer {self.ada[1]}"}
            file = (await self.http.post("/api/v1/files", content=plain(), headers=headers)).json()
            self.words[EXAMPLES["file_id"]] = file["id"]
        if name == "hooks_delete":
            hook = await self.ask(self.ada, "POST", f"/channels/{key}/hooks", {"name": "Grafana"})
            self.words[EXAMPLES["hook_id"]] = str(hook["hook"]["id"])
        if name == "hooks_post":
            hook = await self.ask(self.ada, "POST", f"/channels/{key}/hooks", {"name": "Grafana"})
            self.words[EXAMPLES["token"]] = hook["token"]
        if name.startswith("bot"):
            self.words["pingbot"] = f"pingbot{next(_numbers)}"
        if name in OF_A_BOT:
            given = {"username": f"bot{next(_numbers)}", "scopes": ["read"]}
            bot = await self.ask(self.ada, "POST", "/me/bots", given)
            self.words[EXAMPLES["bot_id"]] = bot["bot"]["id"]
        if name == "reports_resolve":
            report = f"/channels/{key}/messages/{message['id']}/reports"
            await self.ask(self.server.account(), "POST", report, {"reason": "rude"})
            (found,) = (await self.ask(self.ada, "GET", f"/reports?channel={key}"))["results"]
            self.words[EXAMPLES["report_id"]] = str(found["id"])
        if name == "sanctions_lift":
            mute = {"kind": "mute", "username": self.bob[0], "channel": key}
            self.words[EXAMPLES["sanction_id"]] = str((await self.ask(self.ada, "POST", "/sanctions", mute))["id"])

    def _mailed(self, purpose: str) -> str:
        """The token of a link that was mailed to bob."""
        said = self.server.manage("shell", "-c", MAKE_TOKEN.format(name=self.bob[0], purpose=purpose))
        return next(line.split()[1] for line in said.splitlines() if line.startswith("token "))

    @staticmethod
    def _kind(name: str) -> str:
        return "private" if name.startswith("invites") else "public"

    async def asker(self, name: str) -> tuple[str, str]:
        """Who asks: ada, but for what changes or needs a log-in."""
        if name in WITH_PASSWORD:
            username = f"ada{next(_numbers)}"
            body = {"username": username, "password": PASSWORD}
            made = (await self.http.post("/api/v1/accounts", json=body)).json()
            self.words |= {"ada": username, "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.…": made["refresh"]}
            return username, made["access"]
        if name == "accounts_create":
            self.words["ada"] = f"ada{next(_numbers)}"
        if name in {"invites_accept", "memberships_leave"}:
            return self.bob  # whoever owns the channel is in it, and stays
        return self.server.account() if name in OF_ONESELF else self.ada

    def here(self, value: Any) -> Any:
        """An example as it reads on this server."""
        if isinstance(value, dict):
            return {name: self.here(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.here(each) for each in value]
        return self.words.get(value, value) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def own_server(make_server: MakeServer) -> LiveServer:
    # Limits have tests of their own.
    return make_server(LIMITS="off")


@pytest.fixture(scope="module")
def staff(own_server: LiveServer) -> tuple[str, str]:
    """Somebody who may ask everything."""
    name, token = own_server.account()
    promote = f"User.objects.filter(username={name!r}).update(is_staff=True)"
    own_server.manage("shell", "-c", f"from accounts.models import User; {promote}")
    return name, token


@pytest.mark.parametrize("name", sorted(OPERATIONS))
async def test_an_example_is_granted_and_answered_as_described(
    name: str, own_server: LiveServer, staff: tuple[str, str]
) -> None:
    path, method, described = OPERATIONS[name]
    async with httpx.AsyncClient(base_url=own_server.url, timeout=60) as http:
        stage = Stage(own_server, http, staff)
        await stage.set(name)
        asker = await stage.asker(name)
        await stage.set_factor(name, asker)
        session = None
        if name == "me_sessions_end":
            session = await NativeClient.connect(own_server.url, asker[1])
            (found,) = (await stage.ask(asker, "GET", "/me/sessions"))["results"]
            stage.words[EXAMPLES["session_id"]] = found["id"]
        shown = [each for each in described.get("parameters", []) if "example" in each]
        parts = {
            each["name"]: quote(str(stage.here(each["example"])), safe="") for each in shown if each["in"] == "path"
        }
        query = {each["name"]: stage.here(each["example"]) for each in shown if each["in"] == "query"}
        example = described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("examples")
        sent = stage.here(example["Example"]["value"]) if example else None
        if name in {"me_delete", "me_email_remove"}:
            sent = {"password": PASSWORD}  # OpenAPI 3.0 has no word for bodies of DELETE; its description has
        if name == "second_factor_remove":
            sent = stage.here({"password": PASSWORD, "code": "123456"})  # the same
        if name == "me_push_delete":
            sent = {"endpoint": "https://updates.push.services.mozilla.com/wpush/v2/gAAAAABn"}
        filled = path.format(**parts)
        headers = {"Authorization": f"Bearer {asker[1]}"} if described.get("security") != [{}] else {}
        # The document has no example of a picture.
        is_picture = {"image/*", "application/octet-stream"} & set(described.get("requestBody", {}).get("content", {}))
        body = {"content": plain()} if is_picture else {"json": sent}
        answer = await http.request(method, filled, params=query, headers=headers, **body)
        assert answer.is_success, f"{method} {filled} {sent}: {answer.text}"
        if name == "hooks_post":
            assert answer.text == "ok"
        elif name == "files_get":
            assert answer.content == plain()
        else:
            check(answer.status_code, answer.json() if answer.content else None, path, method)
        if session is not None:
            assert await session.closed() == 4503
