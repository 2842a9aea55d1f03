"""The key of a cluster's supervisor on a Redis that others may use, too: one of a cluster has it.

It runs out unless it is renewed, so a supervisor that died stands in nobody's way for longer than its lifetime. Redis
decides who of two is first. Whoever finds later that somebody else has the key (it was stopped, or cut off, for so
long) must end. Who decides is for the lease in the database; this catches a copied database. Where a lease says who may
have the key, the holder before may still have sent for it just as its lease ran out, so that one is borne with for a
while. Asked for by runcluster.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError

from reaktor.cluster.failures import RedisUnavailableError, SupervisorError
from reaktor.config.redis_at import RedisAt
from reaktor.redis_clients import close_soon, soon_client

logger = logging.getLogger(__name__)

LOOK_S = 0.1
TIMEOUT_S = 2.0
ONE_SERVER = (
    "One at a time serves a database. If this database is a copy of that one's, give its cluster a name of its own: "
    "`manage.py new_cluster_id`."
)
# KEYS: the key. ARGV: our value, its lifetime in ms. 1: ours; else who has it.
_TAKE = """
local found = redis.call('GET', KEYS[1])
if found and found ~= ARGV[1] then return found end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_GIVE_BACK = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class AuthorityKey:
    """take(), then keep() until the end, then give_back().

    `may_have`: whether it may be taken and renewed now. `patience_s`: for so long another one may have it instead.
    """

    def __init__(
        self,
        at: RedisAt,
        name: str,
        *,
        lifetime_s: float,
        renew_s: float,
        may_have: Callable[[], bool] = lambda: True,
        patience_s: float = 0.0,
    ) -> None:
        self._client = soon_client(at, TIMEOUT_S)
        self._name, self._lifetime_s, self._renew_s = name, lifetime_s, renew_s
        self._may_have, self._patience_s = may_have, patience_s
        # What it says is for people; what makes it ours is the random part.
        self._value = f"process {os.getpid()} on {socket.gethostname()} ({secrets.token_hex(8)})"

    async def take(self) -> None:
        """Have the key. Waits for one that is not renewed any more to run out.

        Raises SupervisorError when its holder lives, RedisUnavailableError when Redis does not answer.
        """
        loop = asyncio.get_running_loop()
        wait_s = max(2 * self._lifetime_s, self._patience_s)
        deadline = loop.time() + wait_s
        left_ms = None
        while True:
            if self._may_have():
                if (holder := await self._try()) is None:
                    return
                before_ms, left_ms = left_ms, await self._left_ms()
                is_renewed = before_ms is not None and left_ms > before_ms
                if (is_renewed and not self._patience_s) or loop.time() > deadline:
                    raise SupervisorError(_refusal(holder))
            else:
                deadline, left_ms = loop.time() + wait_s, None
            await asyncio.sleep(LOOK_S)

    async def keep(self) -> None:
        """Renew it until cancelled, while it may. A Redis that is away, or has forgotten the key, is no reason to end.

        Raises SupervisorError when another supervisor has it.
        """
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        others_since: float | None = None
        while True:
            if task is not None and task.cancelling():
                # The library takes a cancellation for the loss of its connection, when it comes while it reconnects.
                raise asyncio.CancelledError
            await asyncio.sleep(self._renew_s)
            if not self._may_have():
                others_since = None
                continue
            try:
                holder = await self._try()
            except RedisUnavailableError as error:
                logger.debug("authority key: %s", error)
                continue
            if holder is None:
                others_since = None
                continue
            others_since = loop.time() if others_since is None else others_since
            if loop.time() - others_since >= self._patience_s:
                raise SupervisorError(_refusal(holder))

    async def free(self) -> None:
        """Let the next one in at once; if nobody comes, keep() has it again. Never raises."""
        with suppress(RedisError, OSError, TimeoutError):
            await self._ask(_GIVE_BACK, self._value)

    async def give_back(self) -> None:
        """Let the next one in at once, for good. Never raises; may be repeated."""
        await self.free()
        with suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(TIMEOUT_S):
                await close_soon(self._client)

    async def _try(self) -> str | None:
        """Take or renew it; who has it otherwise."""
        try:
            found = await self._ask(_TAKE, self._value, str(round(self._lifetime_s * 1000)))
        except (RedisError, OSError, TimeoutError) as error:
            # Of a master that became a replica, only a new connection finds the next one.
            await self._client.connection_pool.disconnect(inuse_connections=False)
            raise RedisUnavailableError(f"Redis does not answer ({error}).") from error
        return None if found == 1 else bytes(found).decode(errors="replace")

    async def _left_ms(self) -> int:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return int(await self._client.pttl(self._name))
        except (RedisError, OSError, TimeoutError) as error:
            raise RedisUnavailableError(f"Redis does not answer ({error}).") from error

    async def _ask(self, script: str, *arguments: str) -> Any:
        async with asyncio.timeout(TIMEOUT_S):
            return await self._client.eval(script, 1, self._name, *arguments)


def _refusal(holder: str) -> str:
    who = holder.rpartition(" (")[0] or holder
    return f"This cluster has a supervisor already: {who}. {ONE_SERVER}"
