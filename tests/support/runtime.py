"""A real Runtime in the test's own loop: its tasks, database threads and, if asked, the authority."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from chat.domain.ids import WorkerId
from chat.live.runtime import Runtime
from chat.posting.textrules import CurrentTextRules
from reaktor.config.model import Config
from reaktor.limits.rates import Rates
from tests.support.membership import FIRST


@asynccontextmanager
async def running_runtime(
    config: Config, layer: Any, worker: WorkerId = FIRST, *, with_authority: bool = True
) -> AsyncIterator[Runtime]:
    """Ready inside. What ends it by an error is raised when the block ends."""
    rates, text_rules = Rates(config.limits), CurrentTextRules(config.limits)
    runtime = Runtime(config, layer, worker, rates=rates, text_rules=text_rules, with_authority=with_authority)
    life = asyncio.create_task(runtime.run())
    try:
        async with asyncio.timeout(10):
            await runtime.wait_ready()
        yield runtime
    finally:
        life.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await life
