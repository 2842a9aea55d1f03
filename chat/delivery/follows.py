"""Who of this process's users follows which channel, and how far each of these channels is known to have come. Pure.

chat.live.activity fills it from the store and asks it whom to tell. It holds little, since a process has many followers
of many channels: a lone follower of a channel takes no set, and a channel no object of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable

from chat.domain.following import Follow
from chat.domain.ids import ChannelKey, UserId
from chat.domain.rules import is_direct_key

Followers = dict[ChannelKey, UserId | set[UserId]]


class Follows:
    """put() and drop() users; followers() of a channel; told() and tell() how far it has come."""

    def __init__(self) -> None:
        self._with_last: Followers = {}
        self._without: Followers = {}
        self._channels: dict[UserId, tuple[ChannelKey, ...]] = {}
        self._told: dict[ChannelKey, int] = {}

    def __len__(self) -> int:
        """How many channels are followed."""
        return len(self._told)

    def put(self, user_id: UserId, follows: Iterable[Follow]) -> None:
        """The user follows these channels, and no others."""
        mine = []
        for key, number, shows_last in follows:
            # Users read apart have keys of their own, of the same text.
            channel = ChannelKey(sys.intern(key))
            mine.append(channel)
            _remove(self._without if shows_last else self._with_last, channel, user_id)
            _add(self._with_last if shows_last else self._without, channel, user_id)
            self._told.setdefault(channel, number)
        before = self._channels.pop(user_id, ())
        if mine:
            self._channels[user_id] = tuple(mine)
        self._forget(user_id, set(before).difference(mine))

    def drop(self, user_id: UserId, channel: ChannelKey | None = None) -> None:
        """The user follows this channel no longer; None: no channel."""
        before = self._channels.pop(user_id, ())
        left = tuple(each for each in before if each != channel) if channel is not None else ()
        if left:
            self._channels[user_id] = left
        self._forget(user_id, set(before).difference(left))

    def _forget(self, user_id: UserId, channels: Iterable[ChannelKey]) -> None:
        for channel in channels:
            _remove(self._with_last, channel, user_id)
            _remove(self._without, channel, user_id)
            if channel not in self._with_last and channel not in self._without:
                self._told.pop(channel, None)

    def users(self) -> list[UserId]:
        return list(self._channels)

    def channels_of(self, user_id: UserId) -> tuple[ChannelKey, ...]:
        return self._channels.get(user_id, ())

    def of(self, user_id: UserId) -> dict[ChannelKey, bool]:
        """The channels that the user follows, and whether they are shown the newest message."""
        return {key: user_id in self.followers(key, shows_last=True) for key in self._channels.get(user_id, ())}

    def channels(self, *, direct: bool) -> list[ChannelKey]:
        """The followed channels that are direct ones, or those that are not."""
        return [key for key in self._told if is_direct_key(key) is direct]

    def followers(self, channel: ChannelKey, *, shows_last: bool) -> Collection[UserId]:
        """Those who are shown the newest message, or those who are not."""
        found = (self._with_last if shows_last else self._without).get(channel, ())
        return (found,) if isinstance(found, str) else found

    def told(self, channel: ChannelKey) -> int | None:
        """The number of the newest message that the followers were told of; None: there are no followers."""
        return self._told.get(channel)

    def tell(self, channel: ChannelKey, number: int) -> None:
        """They are told of that one now."""
        self._told[channel] = number


def _add(followers: Followers, channel: ChannelKey, user_id: UserId) -> None:
    found = followers.get(channel)
    if found is None:
        followers[channel] = user_id
    elif isinstance(found, set):
        found.add(user_id)
    elif found != user_id:
        followers[channel] = {found, user_id}


def _remove(followers: Followers, channel: ChannelKey, user_id: UserId) -> None:
    found = followers.get(channel)
    if isinstance(found, set):
        found.discard(user_id)
        if not found:
            del followers[channel]
    elif found == user_id:
        del followers[channel]
