"""The audit log's one door: who did what, to whom, where, why. Inside the transaction of what it tells of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chat.domain.ids import SYSTEM, UserRef
from chat.models import AuditAction, AuditEntry


def audit_add(
    actor: UserRef,
    action: AuditAction,
    target: UserRef | None = None,
    channel: str = "",
    reason: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """One entry. Never with a message's text."""
    AuditEntry.objects.create(
        actor_id=None if actor is SYSTEM else actor.id,
        actor=actor.username,
        action=action.value,
        target_id=target.id if target else None,
        target=target.username if target else "",
        channel=channel,
        reason=reason,
        details=dict(details or {}),
    )
