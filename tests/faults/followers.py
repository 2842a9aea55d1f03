"""Followers: clients that are in no channel, follow them all, and count what is unread. Some messages name them."""

from __future__ import annotations

from typing import Any

from tests.faults.history import Shown
from tests.support.badge import Badge, fold
from tests.support.person import Person


class Follower(Person):
    """A native client. start() follows the channels; shown() says what it counts in each."""

    def __init__(self, url: str, account: tuple[str, str], channels: list[str]) -> None:
        super().__init__(url, account, "127.0.0.1", [])
        self._followed = channels
        self._badges: dict[str, Badge] = {}

    async def start(self) -> Follower:
        await super().start()
        for key in self._followed:
            await self.request("channel.follow", key, level="all")
        return self

    def shown(self) -> list[Shown]:
        return [Shown(self.name, key, badge.unread, badge.mentions) for key, badge in self._badges.items()]

    def _take(self, frame: dict[str, Any]) -> None:
        super()._take(frame)
        if event := frame.get("event"):
            fold(self._badges, event, frame.get("channel", ""), frame.get("data"))

    def _answered(self, frame: dict[str, Any]) -> None:
        data = frame.get("data", {})
        if frame["ok"] and "epoch" in data:
            self._badges = {each["key"]: Badge(each) for each in data["channels"] if each["key"] in self._followed}
        elif frame["ok"] and "level" in data:
            self._badges[data["key"]] = Badge(data)
        super()._answered(frame)
