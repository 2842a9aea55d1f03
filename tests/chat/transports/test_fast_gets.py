"""Answers without Django, to GETs and joins: Django's own, byte for byte, and none a second after a right was lost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts import services as accounts
from accounts import tokens
from accounts.models import User
from chat import selectors, services
from chat.domain.events import MessageData
from chat.domain.ids import ChannelKey, UserRef
from chat.live import remote_join
from chat.live.runtime import Runtime
from chat.live.standings import FRESH_S
from chat.models import Channel, Message
from chat.selectors import user_ref
from chat.transports.fast_gets import FastGets
from chat.transports.fast_joins import FastJoins
from reaktor.config.model import Config, Limits, Rate
from reaktor.errors import ReaktorError
from reaktor.limits.requests import RequestRates
from reaktor.process import node
from reaktor.web.edge import Edge, edge_of
from reaktor.web.gate import Gate
from reaktor.web.scope import Receive, Send
from reaktor.web.threads import ThreadedDjango
from tests.reaktor.web.test_threads import Asked, scope
from tests.support.databases import channel_of
from tests.support.rest import set_limits
from tests.support.runtime import running_runtime
from tests.support.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = ("owner", "member", "guest", "staff")
KINDS = ("public", "unlisted", "private", "direct", "group")
serial = itertools.count()


class World:
    """One server with some channels and readers, asked with and without FastGets and FastJoins. `now`: their clock."""

    def __init__(self, runtime: Runtime, django: ThreadedDjango, limits: Limits, edge: Edge | None = None) -> None:
        self.runtime = runtime
        self.django = django
        self.now = 100.0
        self.passed = 0
        self.asked = 0
        edge = edge or edge_of(settings.REAKTOR)
        joins = FastJoins(self._pass, edge, clock=lambda: self.now)
        fast = FastGets(joins, edge, clock=lambda: self.now)
        rates = RequestRates(limits)
        self.gate = Gate(fast, rates, edge, operations=runtime.rates, is_file=lambda path: False)
        self.users: dict[str, UserRef] = {}
        self.headers: list[dict[str, str]] = []
        self.channels: dict[str, ChannelKey] = {}

    async def _pass(self, request: Any, receive: Receive, send: Send) -> None:
        self.passed += 1
        await self.django(request, receive, send)

    async def do(self, function: Callable[..., Any], *args: Any, **fields: Any) -> Any:
        """What a view of this process does, and what comes of it; a refusal is as good as anything else."""
        found = None
        with contextlib.suppress(ReaktorError):
            found = await self.runtime.database.read(function, *args, **fields)
        await self.settle()
        return found

    async def change(self, kind: str, who: str, what: str) -> None:
        """Somebody does this in the channel of that kind."""
        service, fields = await self.runtime.database.read(changed, self, kind, who, what)
        await self.do(service, **fields)

    async def change_elsewhere(self, kind: str, who: str, what: str) -> None:
        """Another process does it, and what it says is lost."""
        here = node.current()
        assert here is not None
        node.clear()
        service, fields = await self.runtime.database.read(changed, self, kind, who, what)
        with contextlib.suppress(ReaktorError):
            await self.runtime.database.read(service, **fields)
        node.install(here)

    async def settle(self) -> None:
        """Everything that was said is heard."""
        running = node.current()
        assert running is not None
        await until(lambda: not running.tasks and not len(self.runtime.broadcast))
        heard = asyncio.Event()
        self.runtime.remote_join.on_opened = lambda body: heard.set()  # type: ignore[method-assign]
        await self.runtime.bus.send(self.runtime.mailbox, remote_join.OPENED, {})
        await heard.wait()

    def build(self, name: int) -> None:
        """Four people, a channel of each kind, and tokens of every sort."""
        for number, each in enumerate(NAMES):
            user = User.objects.create(username=f"{each}{name}", password="!", is_staff=each == "staff")
            self.users[each] = user_ref(user)
            token = tokens.new((tokens.ACCESS, tokens.SeedToken)[number % 2], user)
            origin = {"Origin": "https://app.example"} if number > 1 else {}
            self.headers.append({"Authorization": f"Bearer {token}", **origin})
        old = tokens.new(tokens.ACCESS, user)
        old.set_exp(from_time=old.current_time, lifetime=-tokens.ACCESS.lifetime)
        self.headers += [{"Authorization": f"Bearer {old}"}, {}]
        for kind in KINDS[:3]:
            key = channel_of(self.users["owner"], f"{kind}{name}", kind)
            services.memberships.member_add(Channel.objects.get(key=key).pk, self.users["member"].id)
            self.channels[kind] = key
        direct, _ = services.direct_open(user=self.users["owner"], username=self.users["member"].username)
        self.channels["direct"] = direct.channel.key
        others = [User.objects.create(username=f"{each}{name}", password="!").username for each in ("first", "second")]
        group, _ = services.group_open(user=self.users["owner"], usernames=[self.users["member"].username, *others])
        self.channels["group"] = group.channel.key

    def paths(self) -> list[tuple[str, bytes]]:
        found = [("/channels", b""), (f"/channels/{self.channels['public']}/messages/", b"start=1&end=3")]
        for key in self.channels.values():
            found += [
                (f"/channels/{key}/messages", b"start=0&end=25"),
                (f"/api/v1/channels/{key}/messages", b""),
            ]
        return found

    def joins(self) -> list[str]:
        return [f"/channels/{key}/join" for key in self.channels.values()]

    async def ask(
        self, path: str, query: bytes, headers: dict[str, str], application: Any = None, method: str = "GET"
    ) -> Asked:
        request = {**scope(path, method, **{"Host": "localhost", **headers}), "query_string": query}
        return await Asked().ask(application or self.gate, request)

    async def compare(self, *, with_joins: bool = False) -> None:
        """Everybody asks for everything, twice without Django if possible and once with it."""
        asked = [("GET", path, query) for path, query in self.paths()]
        asked += [("POST", path, b"") for path in self.joins() if with_joins]
        for (method, path, query), headers in itertools.product(asked, self.headers):
            theirs = await self.ask(path, query, headers, self.django, method)
            for _ in range(2):
                passed = self.passed
                ours = await self.ask(path, query, headers, method=method)
                self.asked += 1
                assert (ours.status, ours.body) == (theirs.status, theirs.body), (path, query, headers)
                if ours.status == 200:
                    assert ours.headers == theirs.headers
                elif theirs.status != 401:
                    assert self.passed > passed, "a refusal is for Django to say"


@asynccontextmanager
async def world_of(tmp_path: Path, limits: Limits | None = None, edge: Edge | None = None) -> AsyncIterator[World]:
    given = limits or Limits(enabled=False)
    set_limits(given)
    config = Config(tmp_path, limits=given)
    layer = InMemoryChannelLayer(capacity=100_000)
    django = ThreadedDjango(threads=2, waiting=9, max_body_bytes=1000, edge=edge_of(settings.REAKTOR))
    async with running_runtime(config, layer) as runtime:
        node.install(node.Node(asyncio.get_running_loop(), runtime.bus, runtime))
        try:
            world = World(runtime, django, given, edge)
            await runtime.database.read(world.build, next(serial))
            async with runtime.feeds.pinned(*world.channels.values()):
                yield world
        finally:
            node.clear()
            django.close()


def changed(world: World, kind: str, who: str, what: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The service that does this in a channel of that kind, and its arguments."""
    user, key = world.users[who], world.channels[kind]
    here: dict[str, Any] = {"user": user, "key": key}
    newest = Message.objects.filter(channel__key=key).order_by("-number").values_list("pk", flat=True)
    other = world.users["member" if who == "owner" else "owner"]
    if what == "post":
        text = f"Hé @{other.username} {next(serial)}"
        return services.message_post, {**here, "text": text, "nonce": str(next(serial)), "max_chars": 4000}
    if what == "rename":
        stored = User.objects.get(pk=user.id)
        return accounts.user_rename, {"user": stored, "username": f"{who}new{next(serial)}"}
    if what in {"ban", "kick"}:
        return services.sanction_issue, {"user": user, "kind": what, "username": other.username, "channel": key}
    if what == "ban everywhere":
        return services.sanction_issue, {"user": world.users["staff"], "kind": "ban", "username": other.username}
    if what == "log out":
        return accounts.tokens_revoke_all, {"user": User.objects.get(pk=user.id)}
    if what == "leave":
        return services.membership_leave, here
    if what == "archive":
        return services.channel_archive, here
    if what == "name":
        return services.channel_update, {**here, "name": f"Tea {next(serial)}"}
    if what == "create":
        return services.channel_create, {"user": user, "name": f"New {next(serial)}"}
    found = newest.first()
    on = {**here, "message_id": str(found)}
    if what == "edit":
        return services.message_edit, {**on, "text": f"better {next(serial)}", "max_chars": 4000}
    if what == "delete":
        return services.message_delete, on
    return (services.reaction_add if what == "react" else services.reaction_remove), {**on, "emoji": "🎉"}


WHATS = (
    "post", "post", "edit", "delete", "react", "take back", "rename", "ban", "kick", "ban everywhere", "log out",
    "leave", "archive", "name", "create",
)  # fmt: skip
steps = st.tuples(st.sampled_from(KINDS), st.sampled_from(("owner", "owner", "member")), st.sampled_from(WHATS))


worlds = hypothesis_settings(
    deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


Steps = list[tuple[str, str, str]]


def play(
    tmp_path: Path,
    done: Steps,
    step: Callable[[World, tuple[str, str, str]], Awaitable[None]],
    *,
    with_joins: bool = False,
) -> World:
    """Take the steps one after another in a new world. Before and after each one every answer is compared."""

    async def compared() -> World:
        async with world_of(tmp_path) as world:
            await world.change("public", "owner", "post")
            await world.compare(with_joins=with_joins)
            for each in done:
                await step(world, each)
                await world.compare(with_joins=with_joins)
            return world

    return asyncio.run(compared())


@worlds
@given(done=st.lists(steps, min_size=1, max_size=4))
def test_every_answer_is_django_s_whatever_happened_before(tmp_path: Path, done: Steps) -> None:
    """The clock stands still: what was kept counts as fresh, and goes only with what was said about it."""

    async def step(world: World, each: tuple[str, str, str]) -> None:
        await world.change(*each)

    world = play(tmp_path, done, step, with_joins=True)
    assert world.passed < world.asked


@worlds
@given(done=st.lists(steps, min_size=1, max_size=4))
def test_what_nobody_says_shows_within_a_second(tmp_path: Path, done: Steps) -> None:
    """What other processes say is lost: who was banned, logged out or removed there, and texts that were deleted."""

    async def step(world: World, each: tuple[str, str, str]) -> None:
        await world.change_elsewhere(*each)
        world.now += FRESH_S

    play(tmp_path, done, step)


@pytest.mark.parametrize("what", ["ban", "ban everywhere", "log out", "leave", "delete"])
async def test_what_was_lost_is_kept_for_less_than_a_second(tmp_path: Path, what: str) -> None:
    async with world_of(tmp_path) as world:
        await world.change("private", "member", "post")
        path, query, headers = f"/api/v1/channels/{world.channels['private']}/messages", b"", world.headers[1]
        before = await world.ask(path, query, headers)
        await world.change_elsewhere("private", "owner" if "ban" in what else "member", what)
        world.now += FRESH_S * 0.99
        kept = await world.ask(path, query, headers)
        assert (kept.status, kept.body, world.passed) == (200, before.body, 0)
        world.now += FRESH_S * 0.01
        after = await world.ask(path, query, headers)
        assert after.status == {"ban": 403, "ban everywhere": 403, "log out": 401, "leave": 404, "delete": 200}[what]
        assert after.body != before.body


@pytest.mark.parametrize("what", ["ban", "ban everywhere", "log out", "leave"])
async def test_the_message_that_ends_sessions_ends_answers(tmp_path: Path, what: str) -> None:
    async with world_of(tmp_path) as world:
        path, headers = f"/api/v1/channels/{world.channels['private']}/messages", world.headers[1]
        assert (await world.ask(path, b"", headers)).status == 200
        await world.change("private", "owner" if "ban" in what else "member", what)
        assert (await world.ask(path, b"", headers)).status in {401, 403, 404}


async def test_all_readers_share_what_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand clients that come back together ask for the same."""
    reads: list[object] = []
    between = selectors.messages_between

    def noted(*arguments: int) -> list[MessageData]:
        reads.append(arguments)
        return between(*arguments)

    monkeypatch.setattr(selectors, "messages_between", noted)
    async with world_of(tmp_path) as world:
        path = f"/channels/{world.channels['public']}/messages"
        await world.change("public", "owner", "post")
        answers = await asyncio.gather(*(world.ask(path, b"start=0&end=25", each) for each in world.headers[:4] * 5))
        assert {(each.status, each.body) for each in answers} == {(200, answers[0].body)}
        assert len(reads) - world.passed == 1


UNUSUAL: dict[str, dict[str, Any]] = {
    "HEAD": {"method": "HEAD"},
    "a body": {"headers": {"Content-Length": "2"}},
    "a body in chunks": {"headers": {"Transfer-Encoding": "chunked"}},
    "another host": {"headers": {"Host": "elsewhere.example"}},
    "no host": {"headers": {"Host": ""}},
    "a mark": {"query": b"before=3"},
    "what is no number": {"query": b"limit=x"},
}


@pytest.mark.parametrize("how", UNUSUAL)
async def test_what_is_unusual_is_for_django(tmp_path: Path, how: str, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]
    asked = UNUSUAL[how]
    async with world_of(tmp_path) as world:
        path = f"/api/v1/channels/{world.channels['public']}/messages"
        headers = {"Host": "localhost", **world.headers[0], **asked.get("headers", {})}
        request = {**scope(path, asked.get("method", "GET"), **headers), "query_string": asked.get("query", b"")}
        await Asked().ask(world.gate, request)
        assert world.passed == 1


async def test_a_channel_that_nobody_is_in_here_is_for_django_and_so_is_one_with_a_hole(tmp_path: Path) -> None:
    """Nobody tells this process of what is new there: it would show who has just posted a page without the post."""
    async with world_of(tmp_path) as world:
        path, key = f"/api/v1/channels/{world.channels['public']}/messages", world.channels["public"]
        await world.ask(path, b"", world.headers[0])
        assert world.passed == 0
        feed = world.runtime.feeds.get(key)
        assert feed is not None
        feed.hole_since = 1.0
        await world.ask(path, b"", world.headers[0])
        assert world.passed == 1
        await world.ask("/api/v1/channels/general/messages", b"", world.headers[0])
        assert world.passed == 2


async def test_an_answer_counts_as_it_does_with_django(tmp_path: Path) -> None:
    async with world_of(tmp_path, Limits(lists=Rate(10, 3600))) as world:
        answers = [(await world.ask("/channels", b"", world.headers[0])).status for _ in range(3)]
        assert (answers, world.passed) == ([200, 200, 429], 0)


async def test_where_only_https_is_served_plain_http_is_for_django(tmp_path: Path) -> None:
    async with world_of(tmp_path, edge=Edge(hsts_s=60)) as world:
        await world.ask("/channels", b"", world.headers[0])
        assert world.passed == 1
