"""The authority as the cluster's companion: what of chat lives in the supervisor's process.

It makes this host known among those of its cluster (claim), and decides while it has the lease (reaktor.cluster.lease).
Beside it run the beats of this host, the row of this host, the key on a shared Redis, and what is to be done now and
then. Made by runcluster, told of workers that ended, asked for its status. Serves supervisor start.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from django.db import connection
from django.utils.module_loading import import_string

from chat.domain.ids import WorkerId
from chat.live.kept_places import load_places
from chat.management.host_rows import OwnHost, holder_name
from chat.management.lease_rows import LeaseRows, refuse_beside, take_at_once
from chat.membership import wire
from chat.membership.authority import Authority
from chat.membership.protocol import Mandate
from chat.membership.rival import heard_authority
from chat.membership.standby import Standby
from chat.selectors import AUTHORITY, BlockReader, authority_mandate
from reaktor.cluster.authority_key import ONE_SERVER, AuthorityKey
from reaktor.cluster.chores import Chore
from reaktor.cluster.contract import Home, Neighbour
from reaktor.cluster.failures import ClusterError, RedisUnavailableError, SupervisorError
from reaktor.cluster.host_orders import HostOrders, Obey
from reaktor.cluster.lease import LEASE_S, LOOK_S, RENEW_SHARE, LeaseAwayError, Tenure
from reaktor.cluster.lease_keeper import LeaseKeeper, boot_clock, stand_by
from reaktor.cluster.lease_line import LeaseLine
from reaktor.config.model import Config
from reaktor.config.redis_at import RedisAt
from reaktor.db import patience
from reaktor.db.database import Database
from reaktor.errors import UnavailableError
from reaktor.process.bus import Bus, BusError
from reaktor.process.layer import redis_layer

logger = logging.getLogger(__name__)

FLUSH_S = 1.0
BEAT_S = 0.5
LAST_BEAT_S = 0.5
COPY_S = 6.0
"""A change of holder takes no longer: who is heard for so long, and not named by our lease, is somebody else's."""
HAND_OVER_S = 3 * LEASE_S
"""How long whoever asks for a change of holder waits to hear who it is."""
REMEMBERED = 256
ENDED_S = 30.0
"""Workers that ended are told so long: a word of theirs may still be on its way to an authority that comes later."""


class ClusterAuthority:
    """The companion of one supervisor."""

    def __init__(self, config: Config, redis: RedisAt, chores: Sequence[Chore] = ()) -> None:
        layer = redis_layer(redis)
        self._layer = import_string(layer["BACKEND"])(**layer["CONFIG"])
        patience.serve()
        self._config, self._redis = config, redis
        self._database = Database(config.database)
        self._bus = Bus(self._layer, scope=config.scope, timeout_s=config.membership.publish_timeout_s)
        is_redis_given = config.redis is not None
        is_sqlite = connection.vendor == "sqlite"
        self._is_among_hosts = is_redis_given and not is_sqlite
        self._is_alone_on_redis = is_redis_given and is_sqlite
        self._own_host = OwnHost(config, has_shared_bus=is_redis_given)
        self._orders = HostOrders(self._bus)
        self._key = self._new_key()
        self._key_of_tenure: AuthorityKey | None = None
        self._authority: Authority | None = None
        self._tenure: Tenure | None = None
        self._standby: Standby | None = None
        if self._is_among_hosts:
            self._standby = Standby(self._bus, silence_s=config.membership.silence_s)
        self._line: LeaseLine | None = None
        self._keeper: LeaseKeeper | None = None
        if not is_sqlite:
            self._line = LeaseLine(self._bus, boot_clock)
            on_rival = stand_by if self._is_among_hosts else refuse_beside
            self._keeper = LeaseKeeper(
                _rows(), AUTHORITY, holder_name(config), is_alone=True, on_rival=on_rival, line=self._line
            )
        self._takings = 0
        self._ended: deque[tuple[float, WorkerId]] = deque(maxlen=REMEMBERED)
        self._beat_now = asyncio.Event()
        self._chores = chores

    def _new_key(self, may_have: Callable[[], bool] = lambda: True, patience_s: float = 0.0) -> AuthorityKey:
        timings = self._config.membership
        return AuthorityKey(
            self._redis,
            f"{self._config.scope}authority",
            lifetime_s=timings.silence_s,
            renew_s=timings.heartbeat_s,
            may_have=may_have,
            patience_s=patience_s,
        )

    async def claim(self) -> Home:
        """Hear first: a Redis may have lost the key, or keep it under another database number."""
        if self._is_among_hosts:
            await self._refuse_a_copy()
        elif self._is_alone_on_redis:
            if await heard_authority(self._bus, self._config.membership.heartbeat_s) is not None:
                raise SupervisorError(f"Another server of this cluster is heard on this Redis. {ONE_SERVER}")
            await self._key.take()
        return await asyncio.to_thread(self._own_host.enter)

    async def _refuse_a_copy(self) -> None:
        """Raises SupervisorError where somebody is heard to decide whom the lease of our database does not name."""
        deadline = time.monotonic() + COPY_S
        while (heard := await heard_authority(self._bus, self._config.membership.heartbeat_s)) is not None:
            try:
                named = Mandate(*await self._database.read(authority_mandate))
            except UnavailableError as error:
                raise SupervisorError("The database does not answer.") from error
            if heard == named:
                return
            if time.monotonic() > deadline:
                raise SupervisorError(
                    f"A server of this cluster is heard on this Redis that works on another database. {ONE_SERVER}"
                )
            await asyncio.sleep(LOOK_S)

    async def run(self, obey: Obey) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._hold_lease(), name="authority lease")
                tasks.create_task(self._own_host.keep(self._database), name="host")
                tasks.create_task(self._say_beats(), name="host beats")
                tasks.create_task(self._orders.run(self._own_host.home, obey), name="host orders")
                if self._line is not None:
                    tasks.create_task(self._line.run(), name="lease line")
                if self._standby is not None:
                    tasks.create_task(self._standby.run(), name="standby")
                if self._is_alone_on_redis:
                    tasks.create_task(self._key.keep(), name="authority key")
        except ExceptionGroup as failed:
            if lost := failed.subgroup(ClusterError):
                # What it says is for the operator, as it is.
                raise lost.exceptions[0] from None
            raise
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_BEAT_S):
                    await self._say_beat(is_last=True)
            if self._is_alone_on_redis:
                await self._key.give_back()
            await asyncio.to_thread(self._own_host.leave)
            await asyncio.to_thread(self._database.close)
            # Its receiving task would report the end of Redis, which is the next thing to come, as an error.
            with contextlib.suppress(Exception):
                async with asyncio.timeout(FLUSH_S):
                    await self._layer.flush()

    def worker_exited(self, slot: int, incarnation: int) -> None:
        worker = WorkerId(*self._own_host.home, slot, incarnation)
        self._ended.append((time.monotonic(), worker))
        if self._authority is not None:
            self._authority.worker_exited(worker)
        self._beat_now.set()

    async def stopping(self) -> None:
        """Let another server decide before ours says goodbye to its sessions."""
        if self._keeper is not None:
            with contextlib.suppress(LeaseAwayError):
                await self._keeper.hand_over(self._settle, is_last=True)

    async def hand_over(self) -> dict[str, Any]:
        """Have another server decide. {"holder": the host of whoever decides then, "is_other": whether it is another}.

        Raises SupervisorError.
        """
        if self._keeper is None:
            raise SupervisorError("On SQLite one server decides, and there is none to hand over to.")
        try:
            async with asyncio.timeout(HAND_OVER_S):
                holder = await self._keeper.hand_over(self._settle)
        except LeaseAwayError:
            raise SupervisorError("This server does not decide now, so it has nothing to hand over.") from None
        except TimeoutError:
            raise SupervisorError("The lease was given back; who has it now can't be read in the database.") from None
        return {"holder": holder.rpartition("/")[0], "is_other": holder != holder_name(self._config)}

    async def ask_host(self, home: Home, order: Mapping[str, Any]) -> Any:
        return await self._orders.ask(home, order)

    async def _settle(self) -> None:
        if self._authority is not None:
            await self._authority.settle()
        if self._key_of_tenure is not None:
            await self._key_of_tenure.free()

    def status(self) -> dict[str, Any]:
        """As the authority says it, with how it has the lease; without one: that this supervisor stands by."""
        said = self._standby_status() if self._authority is None else self._authority.status()
        hosts = self.hosts()
        gauges = {
            "lease_age_seconds": self._lease_age_s(),
            "hosts_alive": sum(host["is_alive"] for host in hosts),
            **{f"lease_holder:{host['name']}": 1 for host in hosts if host["decides"]},
        }
        metrics = {
            **said["metrics"],
            "counters": {**said["metrics"]["counters"], "lease_takings": self._takings},
            "gauges": {**said["metrics"]["gauges"], **gauges},
        }
        return {**said, "metrics": metrics}

    def _standby_status(self) -> dict[str, Any]:
        standby = self._standby
        is_in_step = standby is not None and standby.is_in_step
        sessions = 0 if standby is None else standby.sessions
        flags = {"authority_serving": False, "standby_in_step": is_in_step}
        metrics = {"counters": {}, "gauges": {}, "flags": flags}
        return {"phase": "standby", "is_in_step": is_in_step, "sessions": sessions, "metrics": metrics}

    def hosts(self) -> list[dict[str, Any]]:
        return self._own_host.status()

    def neighbours(self) -> list[Neighbour]:
        return self._own_host.neighbours()

    def _lease_age_s(self) -> float:
        return 0.0 if self._tenure is None else round(self._tenure.age_s(boot_clock()), 1)

    # -- the host -------------------------------------------------------------------------------------------------

    async def _say_beats(self) -> None:
        while True:
            self._beat_now.clear()
            await self._say_beat()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await self._beat_now.wait()

    async def _say_beat(self, *, is_last: bool = False) -> None:
        """To whoever decides, on whichever host. What the bus loses is said again."""
        after = time.monotonic() - ENDED_S
        ended = tuple(worker for at, worker in self._ended if at > after)
        beat = wire.HostBeat(*self._own_host.home, ended, is_last)
        with contextlib.suppress(BusError):
            await self._bus.send(wire.AUTHORITY_MAILBOX, wire.HOST_BEAT, wire.host_beat_body(beat))

    # -- the lease ------------------------------------------------------------------------------------------------

    async def _hold_lease(self) -> None:
        if self._keeper is None:
            # Its file is on this machine, where the lock on DATA_DIR keeps others out: nobody can take it from us.
            await self._decide(await _take_at_once(_rows(), holder_name(self._config)))
        elif self._is_among_hosts:
            await self._keeper.run(self._decide_with_key)
        else:
            await self._keeper.run(self._decide)

    async def _decide_with_key(self, tenure: Tenure) -> None:
        """The key on Redis is had together with the lease, or another database has our name."""
        self._key_of_tenure = key = self._new_key(lambda: tenure.left_s(boot_clock()) > 0, COPY_S)
        try:
            await _take_key(key)
            async with asyncio.TaskGroup() as duties:
                duties.create_task(key.keep(), name="authority key")
                duties.create_task(self._decide(tenure), name="authority")
        except ExceptionGroup as failed:
            if lost := failed.subgroup(ClusterError):
                raise lost.exceptions[0] from None
            raise
        finally:
            self._key_of_tenure = None
            await key.give_back()

    async def _decide(self, tenure: Tenure) -> None:
        config = self._config
        self._tenure = tenure
        self._takings += 1
        before = Mandate(0, "") if tenure.before is None else Mandate(tenure.before.epoch, tenure.before.term)
        inherited = None if self._standby is None else self._standby.take(before)
        if inherited is not None:
            inherited = inherited._replace(is_handed_over=tenure.before is not None and not tenure.before.holder)
            how = "where the one before ended" if inherited.is_in_step else "with what was heard of the one before"
            logger.info("authority: begins %s (%d sessions)", how, len(inherited.state.roster.sessions))
        self._beat_now.set()
        self._authority = Authority(
            self._bus,
            config.membership,
            mandate=Mandate(tenure.epoch, tenure.term),
            host=self._own_host.home.host,
            inherited=inherited,
            left_s=lambda: tenure.left_s(boot_clock()),
            max_sessions_per_user=config.limits.max_sessions_per_user,
            max_channels_per_session=config.limits.channels_per_session,
            load_blocks=partial(self._database.read, BlockReader()),
            load_places=partial(load_places, self._database),
        )
        try:
            for _, worker in self._ended:
                self._authority.worker_exited(worker)
            async with asyncio.TaskGroup() as duties:
                duties.create_task(self._authority.run(), name="authority")
                # Where it is decided there is one at a time, so no chore needs a lease of its own.
                for chore in self._chores:
                    duties.create_task(chore.run(), name=chore.name)
        finally:
            self._authority = self._tenure = None
            if self._standby is not None:
                self._standby.follow_again()


def _rows() -> LeaseRows:
    return LeaseRows(AUTHORITY, answer_s=2 * RENEW_SHARE * LEASE_S)


async def _take_at_once(rows: LeaseRows, holder: str) -> Tenure:
    while True:
        try:
            return await asyncio.to_thread(take_at_once, rows, holder)
        except LeaseAwayError:
            await asyncio.sleep(LOOK_S)


async def _take_key(key: AuthorityKey) -> None:
    """What the holder before left runs out before long. Raises SupervisorError: it is renewed."""
    while True:
        try:
            await key.take()
        except RedisUnavailableError:
            await asyncio.sleep(LOOK_S)
        else:
            return
