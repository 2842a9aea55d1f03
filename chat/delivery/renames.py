"""The names that have just changed, and messages with the new ones in place of the old.

A message holds names, not ids: of its author, of who reacted, is mentioned, or takes part in its thread. What was read
or made a moment before a rename says the old one. Kept by chat.live.feeds for as long as that can happen. Pure: `now`
is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass

from accounts.names import folded
from chat.domain.events import MessageData

KEEP_S = 300.0
"""Longer than any message is on its way, and shorter than a name stays reserved for whom it belonged to."""


@dataclass(slots=True)
class _Rename:
    name: str
    until: float


class Renames:
    """note() what changed; renamed() messages. Names differ by more than their case."""

    def __init__(self) -> None:
        self._by_old: dict[str, _Rename] = {}

    def __bool__(self) -> bool:
        return bool(self._by_old)

    def note(self, old: str, new: str, now: float) -> bool:
        """Who was called `old` is called `new`; whether that was news."""
        self._by_old = {key: each for key, each in self._by_old.items() if each.until > now}
        known = self._by_old.get(folded(old))
        if known is not None and known.name == new:
            return False
        # Whoever changes twice in a short time is called by the newest of the three.
        for each in self._by_old.values():
            if folded(each.name) == folded(old):
                each.name = new
        self._by_old[folded(old)] = _Rename(new, now + KEEP_S)
        return True

    def renamed(self, message: MessageData) -> MessageData:
        """The message with the names of now; the same object where nothing is to change."""
        author = self._name(message["author"])
        mentions = [self._name(name) for name in message["mentions"]]
        reactions = {emoji: [self._name(name) for name in names] for emoji, names in message["reactions"].items()}
        info = message.get("thread_info")
        people = [self._name(name) for name in info["participants"]] if info is not None else []
        same = (message["author"], message["mentions"], message["reactions"], info["participants"] if info else [])
        if (author, mentions, reactions, people) == same:
            return message
        renamed: MessageData = {**message, "author": author, "mentions": mentions, "reactions": reactions}
        if info is not None:
            renamed["thread_info"] = {**info, "participants": people}
        return renamed

    def _name(self, name: str) -> str:
        known = self._by_old.get(folded(name))
        return name if known is None else known.name
