"""Logging somebody else out, by who may sanction them everywhere."""

from __future__ import annotations

from django.db import transaction

from accounts import services as accounts
from chat.domain.ids import UserRef
from chat.domain.rules import check_reason
from chat.models import AuditAction
from chat.services.audit import audit_add
from chat.services.sanctions import target_find


def log_out_everywhere(*, user: UserRef, username: str, reason: str = "") -> None:
    """Every token and live session of that user ends; they may log in anew. Raises NotFoundError, ForbiddenError."""
    why = check_reason(reason)
    with transaction.atomic():
        target = target_find(user, username, None)
        accounts.tokens_revoke_all(target.user)
        audit_add(user, AuditAction.LOG_OUT, target.ref, reason=why)
