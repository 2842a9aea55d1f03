"""The audit log's one door: who did what, to whom, where, why. Inside the transaction of what it tells of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chat.domain.ids import UserRef
from chat.models import AuditAction, AuditEntry

SYSTEM = "system"


def audit_add(
    actor: UserRef | None,
    action: AuditAction,
    target: UserRef | None = None,
    channel: str = "",
    reason: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """One entry. `actor` None: it happened by itself, or from the command line. Never with a message's text."""
    AuditEntry.objects.create(
        actor_id=actor.id if actor else None,
        actor=actor.username if actor else SYSTEM,
        action=action.value,
        target_id=target.id if target else None,
        target=target.username if target else "",
        channel=channel,
        reason=reason,
        details=dict(details or {}),
    )
