"""Reads of who is hidden from whom: for one answer, and for the process that tells people live."""

from __future__ import annotations

from collections.abc import Sequence

from chat.domain.hiding import HIDING_KINDS, NOBODY, Names, names_hidden
from chat.domain.ids import ChannelKey, UserId
from chat.domain.policies import ChannelKind
from chat.domain.rules import is_direct_key
from reaktor.db import driver
from reaktor.db.columns import uuid_text, uuid_to_column

TOGETHER = 900
"""Ids in one statement: SQLite takes 999 parameters in its smallest builds."""
_KINDS = ", ".join(f"'{kind.value}'" for kind in HIDING_KINDS)
_BLOCKED = "FROM chat_userblock b JOIN accounts_user u ON u.id = b.blocked_id"


def hidden_names(user_id: UserId, key: ChannelKey) -> Names:
    """Who is hidden from the user in this channel. One query, none where its key says that nobody can be."""
    if not is_direct_key(key):
        return NOBODY
    found = driver.select(
        f"SELECT c.kind, u.username {_BLOCKED} JOIN chat_channel c ON c.key = %s WHERE b.user_id = %s",
        [key, uuid_to_column(user_id)],
    )
    kinds = {kind for kind, _ in found}
    return names_hidden(ChannelKind(kinds.pop()), [name for _, name in found]) if kinds else NOBODY


def blocked_names(user_id: UserId) -> list[str]:
    """Whom the user blocks. One query."""
    found = driver.select(f"SELECT u.username {_BLOCKED} WHERE b.user_id = %s", [uuid_to_column(user_id)])
    return [name for (name,) in found]


def hidings_of(user_ids: Sequence[UserId]) -> dict[UserId, dict[ChannelKey, Names]]:
    """Of each of these users: in which channels that they belong to who is hidden from them. Two queries for some
    hundred of them, one where nobody blocks anybody.
    """
    found: dict[UserId, dict[ChannelKey, Names]] = {user_id: {} for user_id in user_ids}
    for start in range(0, len(user_ids), TOGETHER):
        part = [uuid_to_column(user_id) for user_id in user_ids[start : start + TOGETHER]]
        blocked: dict[str, list[str]] = {}
        for user_id, name in driver.select(
            f"SELECT b.user_id, u.username {_BLOCKED} WHERE b.user_id IN ({_places(part)})",
            part,
        ):
            blocked.setdefault(uuid_text(user_id), []).append(name)
        if not blocked:
            continue
        blockers = [uuid_to_column(user_id) for user_id in blocked]
        for user_id, key, kind in driver.select(
            "SELECT m.user_id, c.key, c.kind FROM chat_channelmembership m "  # noqa: S608  placeholders, own constants
            f"JOIN chat_channel c ON c.id = m.channel_id WHERE m.user_id IN ({_places(blockers)}) "
            f"AND c.kind IN ({_KINDS})",
            blockers,
        ):
            user = UserId(uuid_text(user_id))
            found[user][ChannelKey(key)] = names_hidden(ChannelKind(kind), blocked[user])
    return found


def _places(values: Sequence[object]) -> str:
    return ", ".join(["%s"] * len(values))
