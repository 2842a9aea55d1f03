"""What a moderator does on one worker is true on every live session of the others within a second, whatever races."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.chat_cluster import ChatCluster
from tests.support.detour import detour
from tests.support.js_client import LIBRARIES, JsClient, js_driver
from tests.support.native import NativeClient, Refused
from tests.support.seed import Seed
from tests.support.verdict import new_channels
from tests.support.waiting import until

pytestmark = pytest.mark.cluster

SOON_S = 5.0
"""A second is promised, on a machine that does nothing else."""
CODES = {"banned", "not_a_member"}


async def native(chat: ChatCluster, slot: int, token: str) -> NativeClient:
    return await NativeClient.connect(chat.url, token, local_addr=(chat.source(slot), 0))


def store(chat: ChatCluster, statement: str, *values: object) -> None:
    """Change the database behind everybody's back."""
    with contextlib.closing(sqlite3.connect(chat.directory / "reaktor.sqlite3", timeout=20)) as database, database:
        assert database.execute(statement, values).rowcount == 1


def staff(chat: ChatCluster) -> tuple[str, str]:
    """An account that moderates everywhere."""
    name, token = chat.account()
    store(chat, "UPDATE accounts_user SET is_staff = 1 WHERE username = ?", name)
    return name, token


PASSWORD = "correct horse battery"
PROMOTE = """
from django.contrib.auth.models import Group
from accounts.models import User
user = User.objects.get(username="{name}")
user.set_password("{password}")
user.is_staff = True
user.save()
user.groups.add(Group.objects.get(name="Moderators"))
"""


class Admin:
    """A moderator in the admin, in a browser's place: logs in, presses buttons. Its worker is slot 1's."""

    def __init__(self, chat: ChatCluster, name: str) -> None:
        self._url = f"{chat.url}/admin"
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(local_address=chat.source(1)), timeout=30, follow_redirects=True
        )
        script = PROMOTE.format(name=name, password=PASSWORD)
        subprocess.run(
            [sys.executable, "manage.py", "shell", "-c", script], env=chat.environment, check=True, timeout=60
        )
        page = self._post("/login/", username=name, password=PASSWORD, next="/admin/")
        assert "Log out" in page.text, page.text

    def _post(self, path: str, **fields: str) -> httpx.Response:
        token = self._client.get(f"{self._url}/login/").cookies.get("csrftoken") or self._client.cookies["csrftoken"]
        fields["csrfmiddlewaretoken"] = token
        answer = self._client.post(self._url + path, data=fields, headers={"Referer": self._url})
        assert answer.status_code == 200, answer.text
        return answer

    def ban(self, user_id: str, reason: str) -> None:
        page = self._post(f"/accounts/user/{user_id}/do/ban/", reason=reason, duration="3600", place="")
        assert "banned" in page.text


async def sanction(chat: ChatCluster, slot: int, token: str, **fields: object) -> dict[str, object]:
    answer = await asyncio.to_thread(chat.request, "POST", "/api/v1/sanctions", token, chat.source(slot), json=fields)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def command(chat: ChatCluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`manage.py moderate`, as an operator's script would."""
    return subprocess.run(
        [sys.executable, "manage.py", "moderate", *arguments],
        env=chat.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@dataclass
class Old:
    """A client of the original's, of one generation, in a channel; `other` is the id of a message it was sent there."""

    library: str
    user: Seed
    client: JsClient
    key: str
    other: str = ""


@asynccontextmanager
async def old_clients(chat: ChatCluster, moderator: NativeClient, witness: NativeClient) -> AsyncIterator[list[Old]]:
    """One of each generation, on worker 2, each in a channel of the moderator's; `witness` speaks there."""
    async with js_driver() as driver, detour(chat.port, chat.source(2)) as port:
        found = []
        for library in LIBRARIES:
            key = (await moderator.request("channel.create", name=f"Old friends {library}"))["key"]
            user = Seed(chat, *chat.account())
            user.url = f"http://127.0.0.1:{port}"
            old = Old(library, user, user.open(driver, library, ["websocket"]), key)
            await old.client.expect_event("logged_in")
            await user.join(key)
            await witness.join(key)
            await witness.post(key, "spam")
            [said] = await old.client.expect_event("message:post")
            old.other = said["id"]
            found.append(old)
        yield found


@pytest.mark.interop
async def test_old_clients_of_every_generation_on_another_worker_hold_to_what_a_moderator_does(
    chat: ChatCluster,
) -> None:
    """Told at once, in the words that they know: deleted, purged, muted, kicked, banned here, banned everywhere."""
    _, token = staff(chat)
    witness_name, witness_token = chat.account()
    moderator, witness = await native(chat, 1, token), await native(chat, 1, witness_token)
    async with old_clients(chat, moderator, witness) as clients:

        async def told(old: Old, event: str) -> dict[str, object]:
            data: dict[str, object] = (await old.client.expect_event(event, SOON_S))[0]
            return data

        async def moderate(old: Old) -> None:
            client, key, name = old.client, old.key, old.user.name
            await moderator.request("message.delete", key, id=old.other)
            deleted = await told(old, "message:deleted")
            assert (deleted["id"], deleted["message"]) == (old.other, "(deleted)")
            await witness.post(key, "more spam")
            more = await told(old, "message:post")
            await moderator.request("moderation.purge", key, user=witness_name, hours=1)
            assert (await told(old, "message:deleted"))["id"] == more["id"]
            for deed, code in (("mute", "muted"), ("kick", "forbidden"), ("ban", "banned")):
                await moderator.request(f"moderation.{deed}", key, user=name)
                error = await told(old, "error")
                assert (error["code"], error["channel"]) == (code, key)
                refused = await until_refused(client, key, once=deed != "kick")
                assert refused in ({"muted"} if deed == "mute" else CODES)
                await moderator.request("moderation.lift", key, user=name)
                if deed == "mute":
                    [answer] = await client.call("message:post", {"channel": key, "message": "again"})
                    assert "id" in answer
            await sanction(chat, 1, token, username=name, kind="ban", reason="spam")
            error = await told(old, "error")
            assert (error["code"], error["is_everywhere"], error["reason"]) == ("banned", True, "spam")
            assert (await client.expect("disconnect", SOON_S))["reason"] == "io server disconnect"

        await asyncio.gather(*map(moderate, clients))
    await asyncio.gather(moderator.close(), witness.close())


async def until_refused(client: JsClient, key: str, *, once: bool) -> str:
    """The code that the next message is refused with; after a kick the one that comes when the session is out."""
    async with asyncio.timeout(SOON_S):
        while True:
            [answer] = await client.call("message:post", {"channel": key, "message": "still here?"})
            if once or "error" in answer:
                return str(answer["error"]["code"])


async def post_until_refused(client: NativeClient, channel: str, posted: list[float]) -> str:
    """Post as fast as it goes; the code by which it ended, or the word for a closed connection."""
    number = 0
    while True:
        number += 1
        try:
            await client.request("message.send", channel, text=f"spam {number}", nonce=f"{id(client)}-{number}")
        except Refused as refused:
            return str(refused.code)
        except (ConnectionError, ConnectionClosed, TimeoutError, AssertionError):
            return "closed"
        posted.append(time.monotonic())


async def test_a_ban_in_the_admin_closes_the_sessions_on_the_other_worker_and_nothing_is_accepted_after_it(
    chat: ChatCluster,
) -> None:
    (channel,) = await new_channels(chat, 1)
    admin_name, moderator = chat.account()
    admin = await asyncio.to_thread(Admin, chat, admin_name)
    _, token = chat.account()
    spammer = await native(chat, 2, token)
    await spammer.join(channel)
    posted: list[float] = []
    posting = asyncio.create_task(post_until_refused(spammer, channel, posted))
    await until(lambda: len(posted) >= 5)
    await asyncio.to_thread(admin.ban, spammer.greeting["user"]["id"], "spam")
    returned = time.monotonic()
    history = f"/api/v1/channels/{channel}/messages?limit=100"
    before = await asyncio.to_thread(chat.request, "GET", history, moderator, chat.source(1))
    assert await spammer.closed() == 4502
    assert time.monotonic() - returned < SOON_S
    assert spammer.bye is not None
    assert spammer.bye["reason"] == "spam"
    assert await posting in {"banned", "closed"}
    after = await asyncio.to_thread(chat.request, "GET", history, moderator, chat.source(1))
    assert before.json() == after.json()
    with pytest.raises(Refused, match="banned"):
        await native(chat, 1, token)
    refused = await asyncio.to_thread(chat.request, "GET", "/api/v1/me", token, chat.source(2))
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "banned")
    await asyncio.to_thread(chat.wait_agreed)


async def test_a_ban_from_a_channel_ends_by_itself(chat: ChatCluster) -> None:
    (channel,) = await new_channels(chat, 1)
    _, moderator = staff(chat)
    name, token = chat.account()
    watcher, banned = await native(chat, 1, chat.account()[1]), await native(chat, 2, token)
    await watcher.join(channel)
    await banned.join(channel)
    until = datetime.now(UTC) + timedelta(seconds=2)
    await sanction(chat, 1, moderator, kind="ban", username=name, channel=channel, until=until.isoformat())
    assert (await banned.event("sanction", channel))["data"]["kind"] == "ban"
    await watcher.event("member.left", channel, username=name, reason="removed")
    with pytest.raises(Refused, match="banned"):
        await banned.join(channel)
    deadline = time.monotonic() + 10
    while True:
        try:
            await banned.join(channel)
            break
        except Refused:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
    assert datetime.now(UTC) >= until
    await watcher.event("member.joined", channel, username=name)
    await asyncio.gather(watcher.close(), banned.close())


async def test_whoever_races_with_the_ban_ends_outside(chat: ChatCluster) -> None:
    """Joins from two workers, as fast as they go, against a ban from the third side: ten times."""
    channels = await new_channels(chat, 10)
    _, moderator = staff(chat)
    name, token = chat.account()
    sessions = [await native(chat, slot, token) for slot in (1, 2)]
    refusals: list[str] = []
    watcher = await native(chat, 1, moderator)

    async def come_and_go(session: NativeClient, channel: str) -> None:
        while True:
            try:
                await session.join(channel)
                await session.request("channel.leave", channel)
            except Refused as refused:
                refusals.append(refused.code)
                return

    for channel in channels:
        racing = [asyncio.create_task(come_and_go(session, channel)) for session in sessions]
        await asyncio.sleep(0.03)
        await watcher.request("moderation.ban", channel, user=name)
        await asyncio.wait_for(asyncio.gather(*racing), 10)
        members = await watcher.join(channel)
        assert name not in [member["username"] for member in members["members"]]
    assert set(refusals) <= CODES
    status = await asyncio.to_thread(chat.wait_agreed)
    assert status["authority"]["blocks"] >= len(channels)
    for slot in (1, 2):
        for channel in channels:
            path = f"/api/v1/channels/{channel}/members"
            answer = await asyncio.to_thread(chat.request, "GET", path, moderator, chat.source(slot))
            assert name not in [member["username"] for member in answer.json()["results"]]
    await asyncio.gather(watcher.close(), *(session.close() for session in sessions))


async def test_who_is_demoted_is_no_moderator_on_a_live_session(chat: ChatCluster) -> None:
    (channel,) = await new_channels(chat, 1)
    _, owner = staff(chat)
    name, token = chat.account()
    victim, _ = chat.account()
    moderator = await native(chat, 2, token)
    path = f"/api/v1/channels/{channel}/roles/{name}"
    for role, may in (("moderator", True), ("member", False)):
        answer = await asyncio.to_thread(chat.request, "PUT", path, owner, chat.source(1), json={"role": role})
        assert answer.status_code == 200, answer.text
        if may:
            await moderator.request("moderation.mute", channel, user=victim)
        else:
            with pytest.raises(Refused, match="forbidden"):
                await moderator.request("moderation.lift", channel, user=victim)
    await moderator.close()


async def test_what_nobody_was_told_of_holds_within_seconds(chat: ChatCluster) -> None:
    """A sanction stored by a process that died before it could say so: the authority reads the rows each second."""
    (channel,) = await new_channels(chat, 1)
    name, token = chat.account()
    session = await native(chat, 2, token)
    await session.join(channel)
    store(
        chat,
        "INSERT INTO chat_sanction (kind, reason, created_at, user_id, channel_id) SELECT 'ban', '', "
        "datetime('now'), u.id, c.id FROM accounts_user u, chat_channel c WHERE u.username = ? AND c.key = ?",
        name,
        channel,
    )
    codes = {"banned"}
    deadline = time.monotonic() + 5
    while "not_a_member" not in codes and time.monotonic() < deadline:
        with pytest.raises(Refused) as refused:
            await session.post(channel, "still here?")
        codes.add(refused.value.code)
        await asyncio.sleep(0.1)
    assert codes == {"banned", "not_a_member"}
    await session.close()


async def test_leaving_a_private_channel_for_good_takes_every_session_out(chat: ChatCluster) -> None:
    (_, token), guest = chat.account(), chat.account()
    owner = await native(chat, 1, token)
    channel = (await owner.request("channel.create", name="Secret", kind="private"))["key"]
    invited = await asyncio.to_thread(
        chat.request, "POST", f"/api/v1/channels/{channel}/invites", token, chat.source(2), json={"uses": 1}
    )
    session = await native(chat, 2, guest[1])
    with pytest.raises(Refused, match="not_found"):
        await session.join(channel)
    code = invited.json()["code"]
    accepted = await asyncio.to_thread(chat.request, "POST", f"/api/v1/invites/{code}/accept", guest[1], chat.source(1))
    assert accepted.status_code == 200, accepted.text
    await session.event("channel.added", channel)
    await owner.join(channel)
    await session.join(channel)
    await owner.event("member.joined", channel, username=guest[0])
    gone = await asyncio.to_thread(
        chat.request, "DELETE", f"/api/v1/channels/{channel}/membership", guest[1], chat.source(1)
    )
    assert gone.status_code == 204
    await owner.event("member.left", channel, username=guest[0], reason="removed")
    with pytest.raises(Refused):
        await session.post(channel, "am I here?")
    with pytest.raises(Refused, match="not_found"):
        await session.join(channel)
    await asyncio.gather(owner.close(), session.close())


async def test_the_command_line_moderates_a_live_cluster(chat: ChatCluster) -> None:
    name, token = chat.account()
    session = await native(chat, 2, token)
    missing = await asyncio.to_thread(command, chat, "ban", name)
    assert (missing.returncode, "--reason" in missing.stderr) == (2, True)
    unknown = await asyncio.to_thread(command, chat, "ban", "nobodyatall", "--reason", "x")
    assert (unknown.returncode, "no such user" in unknown.stderr) == (1, True)
    done = await asyncio.to_thread(command, chat, "ban", name, "--for", "1h", "--reason", "spam")
    assert done.returncode == 0, done.stderr
    assert await session.closed() == 4502
    lifted = await asyncio.to_thread(command, chat, "lift", name)
    assert (lifted.returncode, "Lifted 1" in lifted.stdout) == (0, True), lifted.stderr
