"""The driver: carries out the faults of a schedule on a stage full of people, and writes down what happened.

play() is the whole of it: a Stage and faults go in, a History comes out. A new kind of fault is one method in DEEDS.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import websockets

from reaktor.cluster.failures import ClusterError
from tests.faults import recording
from tests.faults.followers import Follower
from tests.faults.history import Carried, History, Rest
from tests.faults.laws import badges_are_right, one_holder, replicas_equal_the_authority
from tests.faults.network import Member
from tests.faults.people import START_S, Client, Joiner, NativePerson, SocketioPerson, Talk
from tests.faults.schedule import Fault, Kind, Role
from tests.faults.stage import NAMES, SERVING_S, Host, Stage
from tests.support.chat_hosts import signal_all
from tests.support.native import NativeClient, Refused
from tests.support.person import RETRY_S
from tests.support.ports import wait_for
from tests.support.redis_sites import MasterAndReplica
from tests.support.verdict import history as told_history
from tests.support.waiting import until

CHANNELS = 2
SETTLE_S = 40.0
LAST_S = 20.0
"""For what is still to be acknowledged, and then to be seen, in the end."""
LOOK_S = 0.3
MADE_GOOD_S = 60.0
"""docs/protocol.md, "Following"."""
HOUR_S = 3_600
DEAD_S = 2.0
"""How long a host that was killed stays away."""
ORPHANS_S = 15.0
TALK_PAUSE_S = 0.3

Tell = Callable[[str], None]


async def play(
    stage: Stage, faults: Sequence[Fault], records: Path, *, people: int = 2, tell: Tell = lambda line: None
) -> History:
    """All of it. `people`: so many native clients for each host, and half as many of Socket.IO. Hosts serve at the end.

    `records`: where the processes of the hosts write (tests.faults.recording). `tell`: hears how it goes on.
    """
    async with crowd(stage, people) as (clients, channels), following(stage, channels) as followers:
        driver = Driver(stage, clients, await joiners(stage), tell)
        async with driver.joining():
            talk = Talk(clients, channels, TALK_PAUSE_S, [each.name for each in followers if each.reads])
            await driver.rest(0)
            driver.history.began = started = time.monotonic()
            for fault in faults:
                await asyncio.sleep(max(started + fault.at_s - time.monotonic(), 0))
                await driver.carry_out(fault)
            silent = await talk.stop(LAST_S)
        await driver.conclude(channels, silent)
        await driver.count(followers)
        driver.history.applied = recording.read(records)
        return driver.history


@asynccontextmanager
async def crowd(stage: Stage, people: int) -> AsyncIterator[tuple[list[Client], list[str]]]:
    """Clients in new channels; they leave at the end."""
    channels = await new_channels(stage, CHANNELS)
    by_address = {member.address: name for name, member in stage.members.items()}
    status = await asyncio.to_thread(stage.hosts[NAMES[0]].status)
    numbers = {int(host["number"]): str(host["name"]) for host in status["hosts"]}

    def host_of(served_by: str) -> str:
        # Of several that were tried, the last one answered.
        return by_address[served_by.split(",")[-1].strip().partition(":")[0]]

    count = people * len(NAMES)
    clients: list[Client] = [NativePerson(stage.url, stage.pool.pop(), channels, host_of) for _ in range(count)]
    for number in range(count // 2):
        transports = ["polling", "websocket"] if number % 2 else ["websocket"]
        given = (stage.url, stage.pool.pop(), channels, host_of)
        clients.append(SocketioPerson(*given, hosts=numbers, transports=transports))
    try:
        await asyncio.gather(*(client.start() for client in clients))
        yield clients, channels
    finally:
        await asyncio.gather(*(client.leave() for client in clients), return_exceptions=True)


@asynccontextmanager
async def following(stage: Stage, channels: Sequence[str]) -> AsyncIterator[list[Follower]]:
    """As many as there are hosts, by way of the balancer; each with a device that reads, and one that is told of it."""
    accounts = [stage.pool.pop() for _ in NAMES]
    followers = [
        Follower(stage.url, account, list(channels), reads=reads) for account in accounts for reads in (True, False)
    ]
    try:
        await asyncio.gather(*(follower.start() for follower in followers))
        yield followers
    finally:
        await asyncio.gather(*(follower.leave() for follower in followers), return_exceptions=True)


async def new_channels(stage: Stage, count: int) -> list[str]:
    async with await _let_in(stage) as maker:
        name = secrets.token_hex(4)
        made = [
            await maker.request("channel.create", name=f"{name} {number}", kind="unlisted") for number in range(count)
        ]
    return [each["key"] for each in made]


async def _let_in(stage: Stage) -> NativeClient:
    """Somebody new. A host that serves may still wait for the first that decides."""
    token = stage.pool.pop()[1]
    async with asyncio.timeout(START_S):
        while True:
            with contextlib.suppress(Refused, OSError, TimeoutError, websockets.WebSocketException):
                return await NativeClient.connect(stage.url, token)
            await asyncio.sleep(RETRY_S)


async def joiners(stage: Stage) -> list[Joiner]:
    (door,) = await new_channels(stage, 1)
    return [Joiner(name, host.url, stage.pool.pop()[1], door) for name, host in stage.hosts.items()]


class Driver:
    """Does one fault after another, and waits for quiet behind each. `history` is what is known so far."""

    def __init__(self, stage: Stage, clients: Sequence[Client], joiners: Sequence[Joiner], tell: Tell) -> None:
        self._stage, self._clients, self._joiners, self._tell = stage, clients, joiners, tell
        self._answered_again = 0.0
        self._upgrades: Counter[str] = Counter()
        self.history = History()

    @asynccontextmanager
    async def joining(self) -> AsyncIterator[None]:
        """In the block there is somebody on each host who joins all the time."""
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(joiner.run()) for joiner in self._joiners]
            try:
                yield
            finally:
                for task in running:
                    task.cancel()
        for joiner in self._joiners:
            self.history.joins += joiner.joins

    async def carry_out(self, fault: Fault) -> None:
        """The fault, from its beginning to the quiet behind it."""
        roles = self._roles()
        target, other = roles.get(fault.target, ""), roles.get(fault.other, "")
        self._answered_again = 0.0
        began = time.monotonic()
        try:
            await DEEDS[fault.kind](self, fault, target, other)
        except AssertionError as error:
            # What should have come back did not. The rest of the run may show why, so it goes on.
            self.history.breaches.append(f"during {fault.number}: {error}")
        undone = self._answered_again or time.monotonic()
        await self.rest(fault.number)
        settled = time.monotonic()
        holder = roles[Role.HOLDER]
        self.history.faults.append(Carried(fault, holder, target, other, began, undone, settled))
        names = ", ".join(filter(None, (target, other))) or "all"
        self._tell(
            f"{fault}  [{names}; {holder} decided]  undone after {undone - began:.1f} s,"
            f" quiet {settled - undone:.1f} s later"
        )

    def _roles(self) -> dict[Role | None, str]:
        holder = min(self.history.rests[-1].serving, default=NAMES[0])
        first, second = (name for name in NAMES if name != holder)
        following = min(NAMES, key=lambda name: (self._upgrades[name], name))
        return {Role.HOLDER: holder, Role.FIRST: first, Role.SECOND: second, Role.NEXT: following}

    # -- quiet ----------------------------------------------------------------------------------------------------

    async def rest(self, after: int) -> None:
        """Wait until everybody is back and all hosts agree, with nobody joining; write down how it is then."""
        deadline = time.monotonic() + SETTLE_S
        with contextlib.suppress(TimeoutError):
            await until(lambda: all(client.is_here for client in self._clients), SETTLE_S)
        await asyncio.gather(*(joiner.pause(deadline - time.monotonic()) for joiner in self._joiners))
        while True:
            rest = await asyncio.to_thread(self._look, after)
            alone = History(rests=[rest])
            is_quiet = not [*one_holder(alone), *replicas_equal_the_authority(alone)]
            if is_quiet or time.monotonic() > deadline:
                break
            await asyncio.sleep(LOOK_S)
        self.history.rests.append(rest)
        for joiner in self._joiners:
            joiner.resume()

    def _look(self, after: int) -> Rest:
        found: dict[str, Mapping[str, Any]] = {}
        missing = [f"{client.name} is not back" for client in self._clients if not client.is_here]
        workers = 0
        for name, host in self._stage.hosts.items():
            try:
                found[name] = host.status()
            except ClusterError as error:
                missing.append(f"host {name} does not answer: {error}")
            else:
                ready = sum(worker["state"] == "ready" for worker in found[name]["workers"])
                workers += ready
                if not ready:
                    missing.append(f"host {name} has no worker")
        serving = frozenset(name for name, each in found.items() if each["authority"].get("phase") == "serving")
        deciding = {
            name: frozenset(str(host["name"]) for host in each["hosts"] if host["decides"])
            for name, each in found.items()
        }
        authority = found[min(serving)]["authority"] if serving else {}
        replicas = {str(name): str(each["digest"]) for name, each in authority.get("replicas", {}).items()}
        if len(replicas) < workers:
            missing.append(f"{len(replicas)} replicas of {workers} workers are heard of")
        return Rest(after, deciding, serving, str(authority.get("digest")), replicas, tuple(missing))

    async def conclude(self, channels: Sequence[str], silent: Sequence[str]) -> None:
        """Everybody said what they had to say, but for the `silent`: write down what they saw, and what there is."""
        history, names = self.history, frozenset(client.name for client in self._clients)
        native = [client.person for client in self._clients if isinstance(client, NativePerson)]
        reader = next((person for person in native if person.is_here.is_set()), native[0])
        deadline = time.monotonic() + LAST_S
        for key in channels:
            stored = history.stored[key] = await told_history(reader, key)
            history.present[key] = names
            while not self._have_seen(key, len(stored)) and time.monotonic() < deadline:  # noqa: ASYNC110  they only count
                await asyncio.sleep(LOOK_S)
        for client in self._clients:
            history.stays += client.stays()
            history.views += client.views()
            history.breaches += client.breaches
            if not client.is_here:
                history.absent.append(f"{client.name} is not back: {client.refusals[-3:]}")
            elif client.name in silent:
                history.absent.append(f"{client.name} can't post any more: {client.refusals[-3:]}")
        for person in (each for each in native if each.is_here.is_set()):
            history.listed[person.name] = {key: await _listed(person, key) for key in channels}

    async def count(self, followers: Sequence[Follower]) -> None:
        """Write down what they show, when it is right, or when all that was lost was to be made good."""
        history, deadline = self.history, time.monotonic() + MADE_GOOD_S
        for reader in (each for each in followers if each.reads):
            await reader.stop_reading()
            stored = await reader.stored()
            history.read |= {(reader.name, key): number for key, number in stored.items()}
            history.breaches += [
                f"{reader.name} was told that {key} is read up to {number}, and {stored[key]} is stored"
                for key, number in reader.has_read.items()
                if stored[key] != number
            ]
        while True:
            history.shown = [shown for follower in followers for shown in follower.shown()]
            if not any(badges_are_right(history)) or time.monotonic() > deadline:
                break
            await asyncio.sleep(LOOK_S)
        away = [each for each in followers if not each.is_here.is_set()]
        history.absent += [f"{each.name} is not back: {each.refusals[-3:]}" for each in away]

    def _have_seen(self, key: str, seq: int) -> bool:
        views = [view for client in self._clients for view in client.views() if view.channel == key]
        return all(view.seen and view.seen[-1].seq >= seq for view in views)

    # -- the faults: each returns when it is undone, and what it took away answers again ------------------------------

    async def _kill_host(self, fault: Fault, target: str, other: str) -> None:
        host = self._stage.hosts[target]
        await asyncio.to_thread(host.kill_all)
        await asyncio.sleep(DEAD_S)
        await self._start(host)

    async def _kill_supervisor(self, fault: Fault, target: str, other: str) -> None:
        host = self._stage.hosts[target]
        host.remember_family()
        os.kill(host.process.pid, signal.SIGKILL)
        host.process.wait(10)
        await asyncio.to_thread(wait_for, lambda: not host.left(), ORPHANS_S, "the end of the workers")
        await self._start(host)

    async def _upgrade(self, fault: Fault, target: str, other: str) -> None:
        """As docs/deployment.md has it: the tables first, then one host. Of two releases it gets the other one."""
        host = self._stage.hosts[target]
        self._upgrades[target] += 1
        one, another = self._stage.releases
        tree = another if host.tree == one else one
        await asyncio.to_thread(self._stage.prepare, tree)
        await asyncio.to_thread(host.stop)
        host.tree = tree
        await self._start(host)

    async def _start(self, host: Host) -> None:
        host.start()
        await asyncio.to_thread(host.wait_serving, SERVING_S)

    async def _stop_host(self, fault: Fault, target: str, other: str) -> None:
        host = self._stage.hosts[target]
        signal_all(host, signal.SIGSTOP)
        await asyncio.sleep(fault.for_s)
        signal_all(host, signal.SIGCONT)

    async def _cut(self, fault: Fault, target: str, other: str) -> None:
        with_whom = {Kind.CUT_FROM_REDIS: "redis", Kind.CUT_FROM_POSTGRESQL: "postgresql"}.get(fault.kind, other)
        await self._cut_off([(target, with_whom)], fault)

    async def _cut_off(self, pairs: Sequence[tuple[str, str]], fault: Fault) -> None:
        members: list[tuple[Member, Member]] = [
            (self._stage.members[one], self._stage.members[other]) for one, other in pairs
        ]
        for one, other in members:
            self._stage.network.cut(one, other, is_silent=fault.is_silent)
        try:
            await asyncio.sleep(fault.for_s)
        finally:
            for one, other in members:
                self._stage.network.heal(one, other)

    async def _step_clock(self, fault: Fault, target: str, other: str) -> None:
        host = self._stage.hosts[target]
        host.step_clock(-HOUR_S if fault.is_behind else HOUR_S)
        await asyncio.sleep(fault.for_s)
        host.step_clock(0)
        await asyncio.sleep(1.0)

    async def _fail_redis_over(self, fault: Fault, target: str, other: str) -> None:
        redis = self._stage.redis
        assert isinstance(redis, MasterAndReplica)
        redis.kill(redis.master)
        await asyncio.to_thread(redis.wait_promoted)
        self._answered_again = time.monotonic()
        await asyncio.to_thread(redis.replace_master)

    async def _restart_postgresql(self, fault: Fault, target: str, other: str) -> None:
        await asyncio.to_thread(self._stage.postgresql.stop)
        await asyncio.to_thread(self._stage.postgresql.start)

    async def _take_postgresql_away(self, fault: Fault, target: str, other: str) -> None:
        if fault.is_silent:
            await self._cut_off([(name, "postgresql") for name in NAMES], fault)
            return
        await asyncio.to_thread(self._stage.postgresql.stop)
        await asyncio.sleep(fault.for_s)
        await asyncio.to_thread(self._stage.postgresql.start)


async def _listed(person: Any, key: str) -> frozenset[str]:
    told = await person.request("channel.join", key, after=person.places[key].cursor)
    return frozenset(member["username"] for member in told["members"])


Deed = Callable[[Driver, Fault, str, str], Awaitable[None]]
DEEDS: Mapping[Kind, Deed] = {
    Kind.HOST_KILLED: Driver._kill_host,
    Kind.SUPERVISOR_KILLED: Driver._kill_supervisor,
    Kind.HOST_STOPPED: Driver._stop_host,
    Kind.CUT_FROM_REDIS: Driver._cut,
    Kind.CUT_FROM_POSTGRESQL: Driver._cut,
    Kind.CUT_FROM_HOST: Driver._cut,
    Kind.CLOCK_STEPPED: Driver._step_clock,
    Kind.REDIS_FAILS_OVER: Driver._fail_redis_over,
    Kind.POSTGRESQL_RESTARTED: Driver._restart_postgresql,
    Kind.POSTGRESQL_AWAY: Driver._take_postgresql_away,
    Kind.UPGRADED: Driver._upgrade,
}
