"""The orders about sessions that processes give each other: one group of the bus, its kinds, and their bodies.

accounts and chat.publish give them after a commit (reaktor.process.announce). Every runtime ends the sessions of its
own hub; the authority ends those that it knows, and reads the blocks anew. Pure: accounts and chat.membership both
import it, and neither knows the other.
"""

from __future__ import annotations

from typing import Any

ORDERS_GROUP = "orders"
END_SESSIONS = "orders.end_sessions"
"""End every live session of one user: {"user_id": str, "code": CloseCode, "reason": str}.

After a ban with "until", its end as ISO 8601, or None: for good."""
END_LOGIN = "orders.end_login"
"""End every live session of one log-in: {"user_id": str, "login": str, "code": CloseCode, "reason": str}."""
RENAMED = "orders.renamed"
"""A user has another name: {"old": str, "new": str}."""
PROFILE_CHANGED = "orders.profile_changed"
"""What a user shows of themselves has changed: {"user_id": str}. Who tells others of it reads how it is now."""
BLOCKS_CHANGED = "orders.blocks_changed"
"""Who is banned or kicked has changed: {}."""
HIDING_CHANGED = "orders.hiding_changed"
"""A user has blocked somebody, or does no longer: {"user_id": str}, for runtimes alone."""


def end_sessions_body(user_id: str, code: int, reason: str) -> dict[str, Any]:
    """The body of END_SESSIONS; `reason` is what the user is told, "" for nothing."""
    return {"user_id": user_id, "code": code, "reason": reason}


def ban_body(user_id: str, code: int, reason: str, until: str | None) -> dict[str, Any]:
    """The body of END_SESSIONS after a ban."""
    return {**end_sessions_body(user_id, code, reason), "until": until}


def end_login_body(user_id: str, login: str, code: int, reason: str) -> dict[str, Any]:
    """The body of END_LOGIN, for runtimes alone: the authority hears of each session's end from its worker."""
    return {"user_id": user_id, "login": login, "code": code, "reason": reason}
