"""Who is in a channel now, as clients are shown it: in pages, online first, then by name.

Asked in the loop by live sessions (chat.live.actions), and by views through the runtime. A page costs the same however
many members there are (chat.membership.roster). A member whose status changes between two pages may stand on both of
them, or on none: whoever is in the channel is told of the change.
"""

from __future__ import annotations

import re

from chat.domain.events import MemberData
from chat.domain.ids import ChannelKey, UserId
from chat.domain.sessions import Status
from chat.membership.replica import Replica
from reaktor.errors import InvalidError
from reaktor.shapes import ListData

_CURSOR = re.compile(r"([01])_(.{1,150})", re.DOTALL)


def members_page(replica: Replica, key: ChannelKey, cursor: str | None, limit: int) -> ListData[MemberData]:
    """`cursor`: as `next` of the page before; None: the first. Raises InvalidError for one that is none."""
    found = replica.members(key, after=_place(cursor) if cursor else None, limit=limit + 1)
    shown = found[:limit]
    return {"results": [_data(*each) for each in shown], "next": _cursor(*shown[-1]) if len(found) > limit else None}


def _data(_: UserId, username: str, status: Status) -> MemberData:
    return {"username": username, "status": status.value}


def _cursor(_: UserId, username: str, status: Status) -> str:
    return f"{0 if status is Status.ONLINE else 1}_{username.lower()}"


def _place(cursor: str) -> tuple[int, str]:
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InvalidError("That is not a cursor of this list.", fields={"cursor": "unknown"})
    return int(match[1]), match[2]
