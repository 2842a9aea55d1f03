"""Who may read what, as the store said a moment ago: whose token is good, and which channels its user may read.

For answers that are given without the store (chat.transports.fast_gets, fast_joins). Each is kept for FRESH_S, counted
from before the store was asked; all of them go when the bus says that somebody's sessions end or that somebody is
banned or kicked. So whoever lost a right is shown nothing more at once, or within FRESH_S where the bus does not say
it. A session that begins asks once, with a Look, whether what it found has been taken back since. In the loop.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from accounts.authentication import Claims
from chat.domain.ids import ChannelKey

FRESH_S = 1.0
MAX_KEPT = 20_000

_Who = tuple[str, int, str, ChannelKey | None]


class Look(NamedTuple):
    """One look into the store, from its beginning. `version`: that of the standings then."""

    began: float
    version: int


class Standings:
    """`version` changes when all is dropped: read it before the store is asked, and note() refuses what is older."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Who, tuple[float, str]] = OrderedDict()
        self.version = 0

    def __len__(self) -> int:
        return len(self._kept)

    def note(self, claims: Claims, key: ChannelKey | None, username: str, began: float, version: int) -> None:
        """The store, asked at `began`, says that the token is good and its user, of this name, may read the channel
        (None: no one).
        """
        if version != self.version:
            return
        who = _who(claims, key)
        self._kept[who] = (began, username)
        self._kept.move_to_end(who)
        while len(self._kept) > MAX_KEPT or next(iter(self._kept.values()))[0] <= began - FRESH_S:
            self._kept.popitem(last=False)

    def holds(self, claims: Claims, key: ChannelKey | None, now: float) -> bool:
        """Whether the store said so less than FRESH_S ago."""
        return self.username(claims, key, now) is not None

    def username(self, claims: Claims, key: ChannelKey | None, now: float) -> str | None:
        """The name of the user then; None: the store did not say so less than FRESH_S ago."""
        began, username = self._kept.get(_who(claims, key), (-FRESH_S, ""))
        return username if now - began < FRESH_S and username else None

    def look(self, now: float) -> Look:
        """To be taken before the store is asked."""
        return Look(now, self.version)

    def is_current(self, look: Look, now: float) -> bool:
        """Whether it is less than FRESH_S old, and nothing of the kind was said since: who is found by whatever is said
        from now on need not be asked about again.
        """
        return look.version == self.version and now - look.began < FRESH_S

    def drop(self) -> None:
        """Somebody has lost a right. That is rare, and asking anew costs each reader one question to the store."""
        self._kept.clear()
        self.version += 1


def _who(claims: Claims, key: ChannelKey | None) -> _Who:
    """What the store was asked about: tokens of one log-in are alike."""
    return claims.user_id, claims.token_version, claims.login.hex, key
