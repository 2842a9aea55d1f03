"""Writes: staff decide about accounts that wait for approval, and the audit log knows who did."""

from __future__ import annotations

from django.db import transaction

from accounts import registration
from accounts.models import User
from chat.domain.ids import UserRef
from chat.models import AuditAction
from chat.selectors import user_ref
from chat.services.audit import audit_add


def account_approve(*, user: UserRef, account: User) -> None:
    """Its owner can log in, and is mailed where they gave an address. Raises NotFoundError: it waits no longer."""
    with transaction.atomic():
        registration.account_approve(account)
        audit_add(user, AuditAction.ACCOUNT_APPROVE, user_ref(account))


def account_refuse(*, user: UserRef, account: User) -> None:
    """The account is gone, and its name is free. Raises NotFoundError: it waits no longer."""
    gone = user_ref(account)
    with transaction.atomic():
        registration.account_refuse(account)
        audit_add(user, AuditAction.ACCOUNT_REFUSE, gone)
