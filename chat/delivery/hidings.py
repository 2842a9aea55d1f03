"""From which of this process's users whose words are hidden, by channel. Pure.

chat.live.hiding fills it from the store. Only channels in which something may be hidden from somebody here are in it:
of any other the question costs one look into a dict, and what is made for all of its readers is shared by them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chat.domain.hiding import NOBODY, Names, folded
from chat.domain.ids import ChannelKey, UserId


class Hidings:
    """put() and drop() users; in_channel() and of() are asked before anything is written to anybody.

    `renames`: how often somebody was called otherwise. What was read meanwhile may have the old name.
    """

    def __init__(self) -> None:
        self.renames = 0
        self._by_channel: dict[ChannelKey, dict[UserId, Names]] = {}
        self._by_user: dict[UserId, dict[ChannelKey, Names]] = {}

    def put(self, user_id: UserId, hidden: Mapping[ChannelKey, Names]) -> bool:
        """In these channels these people are hidden from the user, in no others; whether that was known to be so."""
        if self._by_user.get(user_id) == hidden:
            return True
        self.drop(user_id)
        self._by_user[user_id] = {key: names for key, names in hidden.items() if names}
        for key, names in self._by_user[user_id].items():
            self._by_channel.setdefault(key, {})[user_id] = names
        return False

    def drop(self, user_id: UserId) -> None:
        """Nothing is known of the user any more."""
        for key in self._by_user.pop(user_id, ()):
            readers = self._by_channel[key]
            del readers[user_id]
            if not readers:
                del self._by_channel[key]

    def knows(self, user_id: UserId) -> bool:
        return user_id in self._by_user

    def users(self) -> list[UserId]:
        """Those of whom it is known, also that nobody is hidden from them."""
        return list(self._by_user)

    def in_channel(self, key: ChannelKey) -> Mapping[UserId, Names] | None:
        """The users from whom something may be hidden there; None: there are none, all see the same."""
        return self._by_channel.get(key)

    def of(self, user_id: UserId, key: ChannelKey) -> Names:
        """Who is hidden from the user there."""
        readers = self._by_channel.get(key)
        return NOBODY if readers is None else readers.get(user_id, NOBODY)

    def rename(self, old: str, new: str) -> None:
        """Who was called `old` is called `new`. The old name stays theirs until the store is asked again."""
        self.renames += 1
        for user_id, hidden in list(self._by_user.items()):
            if any(folded(old) in names for names in hidden.values()):
                self.put(user_id, {key: _renamed(names, old, new) for key, names in hidden.items()})


def _renamed(names: Names, old: str, new: str) -> Names:
    return names | {folded(new)} if folded(old) in names else names


def readers_apart(readers: Iterable[UserId], hidden: Mapping[UserId, Names]) -> dict[Names, list[UserId]]:
    """The readers by who is hidden from them: all of one entry are told the same."""
    apart: dict[Names, list[UserId]] = {}
    for user_id in readers:
        apart.setdefault(hidden.get(user_id, NOBODY), []).append(user_id)
    return apart
