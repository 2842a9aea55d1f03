"""The orders about sessions that processes give each other: one group of the bus, two kinds, and their bodies.

accounts and chat.publish give them after a commit (reaktor.process.announce). Every runtime ends the sessions of its
own hub; the authority ends those that it knows, and reads the blocks anew. Pure: accounts and chat.membership both
import it, and neither knows the other.
"""

from __future__ import annotations

from typing import Any

ORDERS_GROUP = "orders"
END_SESSIONS = "orders.end_sessions"
"""End every live session of one user: {"user_id": str, "code": CloseCode, "reason": str}."""
BLOCKS_CHANGED = "orders.blocks_changed"
"""Who is banned or kicked has changed: {}."""


def end_sessions_body(user_id: str, code: int, reason: str) -> dict[str, Any]:
    """The body of END_SESSIONS; `reason` is what the user is told, "" for nothing."""
    return {"user_id": user_id, "code": code, "reason": reason}
