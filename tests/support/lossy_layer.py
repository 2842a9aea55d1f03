"""The real pub/sub layer of a worker, which loses a share of all messages for as long as a file says so.

The file holds the chance for each message and direction; whoever runs the test writes and removes it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reaktor.process.redis_layer import RedisLayer


class LossyRedisLayer(RedisLayer):
    """`chance_file`: no file, no loss."""

    def __init__(self, *args: Any, chance_file: Path, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._chance_file = chance_file

    def _is_lost(self) -> bool:
        try:
            return random.random() < float(self._chance_file.read_text())
        except (FileNotFoundError, ValueError):
            return False

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        if not self._is_lost():
            await self._get_layer().send(channel, message)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if not self._is_lost():
            await self._get_layer().group_send(group, message)

    async def group_send_all(self, messages: Sequence[tuple[str, dict[str, Any]]]) -> None:
        if kept := [each for each in messages if not self._is_lost()]:
            await super().group_send_all(kept)

    async def receive(self, channel: str) -> Any:
        while True:
            message = await self._get_layer().receive(channel)
            if not self._is_lost():
                return message
