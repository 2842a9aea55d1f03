"""The authority as the cluster's companion: what of chat lives in the supervisor's process.

It decides while it has the lease (reaktor.cluster.lease). Beside it run the key on a shared Redis, and what is to be
done now and then. Made by runcluster, told of workers that ended, asked for its status. Serves supervisor start.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.db import connection
from django.utils.module_loading import import_string

from chat.domain.ids import WorkerId
from chat.live.kept_places import load_places
from chat.management.lease_rows import LeaseRows, refuse_beside, take_at_once
from chat.membership.authority import Authority
from chat.membership.protocol import Mandate
from chat.membership.rival import is_anyone_serving
from chat.selectors import AUTHORITY, BlockReader
from reaktor.cluster import authority_lock
from reaktor.cluster.authority_key import ONE_SERVER, AuthorityKey
from reaktor.cluster.chores import Chore
from reaktor.cluster.failures import ClusterError, SupervisorError
from reaktor.cluster.lease import LEASE_S, LOOK_S, RENEW_SHARE, LeaseAwayError, Tenure
from reaktor.cluster.lease_keeper import LeaseKeeper, boot_clock
from reaktor.config.model import Config
from reaktor.db import patience
from reaktor.db.database import Database
from reaktor.process.bus import Bus
from reaktor.process.layer import redis_layer

FLUSH_S = 1.0
REMEMBERED = 256
"""Workers that ended, for an authority that comes later: a word of theirs may still be on its way."""
STANDBY: Mapping[str, Any] = {
    "phase": "standby",
    "metrics": {"counters": {}, "gauges": {}, "flags": {"authority_serving": False}},
}


class ClusterAuthority:
    """The companion of one supervisor."""

    def __init__(self, config: Config, redis_url: str, chores: Sequence[Chore] = ()) -> None:
        layer = redis_layer(redis_url)
        self._layer = import_string(layer["BACKEND"])(**layer["CONFIG"])
        patience.serve()
        self._config = config
        self._database = Database(config.database)
        self._bus = Bus(self._layer, scope=config.scope, timeout_s=config.membership.publish_timeout_s)
        timings = config.membership
        name = f"{config.scope}authority"
        self._key = AuthorityKey(redis_url, name, lifetime_s=timings.silence_s, renew_s=timings.heartbeat_s)
        self._has_key = False
        self._authority: Authority | None = None
        self._tenure: Tenure | None = None
        self._takings = 0
        self._ended: deque[WorkerId] = deque(maxlen=REMEMBERED)
        self._chores = chores

    async def claim(self) -> None:
        """Hear first, since a Redis may have lost the key, or keep it under another database number."""
        if await is_anyone_serving(self._bus, self._config.membership.heartbeat_s):
            raise SupervisorError(f"Another server of this cluster is heard on this Redis. {ONE_SERVER}")
        await self._key.take()
        self._has_key = True

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._hold_lease(), name="authority lease")
                if self._has_key:
                    tasks.create_task(self._key.keep(), name="authority key")
        except ExceptionGroup as failed:
            if lost := failed.subgroup(ClusterError):
                # What it says is for the operator, as it is.
                raise lost.exceptions[0] from None
            raise
        finally:
            if self._has_key:
                await self._key.give_back()
            await asyncio.to_thread(self._database.close)
            # Its receiving task would report the end of Redis, which is the next thing to come, as an error.
            with contextlib.suppress(Exception):
                async with asyncio.timeout(FLUSH_S):
                    await self._layer.flush()

    def worker_exited(self, slot: int, incarnation: int) -> None:
        worker = WorkerId(slot, incarnation)
        self._ended.append(worker)
        if self._authority is not None:
            self._authority.worker_exited(worker)

    def status(self) -> dict[str, Any]:
        """As the authority says it, with how it has the lease; without one: that this supervisor stands by."""
        said = STANDBY if self._authority is None else self._authority.status()
        metrics = {
            **said["metrics"],
            "counters": {**said["metrics"]["counters"], "lease_takings": self._takings},
            "gauges": {**said["metrics"]["gauges"], "lease_age_seconds": self._lease_age_s()},
        }
        return {**said, "metrics": metrics}

    def _lease_age_s(self) -> float:
        return 0.0 if self._tenure is None else round(self._tenure.age_s(boot_clock()), 1)

    async def _hold_lease(self) -> None:
        rows = LeaseRows(AUTHORITY, answer_s=2 * RENEW_SHARE * LEASE_S)
        own = authority_lock.identity(self._config.data_dir)
        holder = f"{socket.gethostname()}/{own}"
        if connection.vendor == "sqlite":
            # Its file is on this machine, where the lock on DATA_DIR keeps others out: nobody can take it from us.
            await self._decide(await _take_at_once(rows, holder))
        else:
            await LeaseKeeper(rows, AUTHORITY, holder, is_alone=True, on_rival=refuse_beside).run(self._decide)

    async def _decide(self, tenure: Tenure) -> None:
        config = self._config
        self._tenure = tenure
        self._takings += 1
        self._authority = Authority(
            self._bus,
            config.membership,
            mandate=Mandate(tenure.epoch, tenure.term),
            left_s=lambda: tenure.left_s(boot_clock()),
            max_sessions_per_user=config.limits.max_sessions_per_user,
            max_channels_per_session=config.limits.channels_per_session,
            load_blocks=partial(self._database.read, BlockReader()),
            load_places=partial(load_places, self._database),
        )
        try:
            for worker in self._ended:
                self._authority.worker_exited(worker)
            async with asyncio.TaskGroup() as duties:
                duties.create_task(self._authority.run(), name="authority")
                # Where it is decided there is one at a time, so no chore needs a lease of its own.
                for chore in self._chores:
                    duties.create_task(chore.run(), name=chore.name)
        finally:
            self._authority = self._tenure = None


async def _take_at_once(rows: LeaseRows, holder: str) -> Tenure:
    while True:
        try:
            return await asyncio.to_thread(take_at_once, rows, holder)
        except LeaseAwayError:
            await asyncio.sleep(LOOK_S)
