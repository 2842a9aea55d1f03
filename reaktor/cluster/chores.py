"""A command that the supervisor starts now and then, in a process of its own.

A thread would share the interpreter with the dispatcher and the authority, and a busy one costs every connection its
milliseconds. The child dies with the supervisor (the leash), runs for a bounded time, and never two at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from reaktor.cluster import leash

logger = logging.getLogger(__name__)

SAID_CHARS = 2_000
KILL_S = 5.0


@dataclass(frozen=True)
class Chore:
    """`command` every `interval_s` seconds, the first time after `first_s`; ended after `limit_s`."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    interval_s: float
    first_s: float
    limit_s: float

    async def run(self) -> None:
        """Until cancelled. What goes wrong with the command is logged, and it is tried again the next time."""
        await asyncio.sleep(self.first_s)
        while True:
            try:
                await self._once()
            except OSError as error:
                logger.error("%s can't be started: %s", self.name, error)
            await asyncio.sleep(self.interval_s)

    async def _once(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *leash.leashed(*self.command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            env=dict(self.environment),
        )
        try:
            async with asyncio.timeout(self.limit_s):
                said, _ = await process.communicate()
        except TimeoutError:
            logger.error("%s did not end within %g s", self.name, self.limit_s)
        else:
            text = said.decode(errors="replace").strip()[-SAID_CHARS:]
            log = logger.warning if process.returncode else logger.info
            log("%s ended with code %s: %s", self.name, process.returncode, text)
        finally:
            if process.returncode is None:
                leash.kill(process.pid)
                with suppress(TimeoutError):
                    async with asyncio.timeout(KILL_S):
                        await process.wait()
