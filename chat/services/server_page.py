"""Writes of what the server says of itself. Every process reads it anew within a second."""

from __future__ import annotations

import hashlib

from django.db import transaction
from django.utils import timezone

from accounts.profile_rules import check_server_name
from chat.domain.ids import UserRef
from chat.domain.rules import has_unstorable
from chat.models import AuditAction, ServerPage
from chat.models.server_page import PAGE_CHARS
from chat.services.audit import audit_add
from reaktor.errors import InvalidError


def server_page_set(*, user: UserRef, name: str, welcome: str, rules: str, logo: bytes | None = None) -> ServerPage:
    """What the server is called, its welcome and its rules, and its logo: WebP, b"" for none, None for the same as
    before. By superusers: the admin sees to that. Raises InvalidError.
    """
    changes: dict[str, object] = {"name": check_server_name(name), "welcome": _page(welcome), "rules": _page(rules)}
    if logo is not None:
        changes |= {"logo": logo or None, "logo_hash": hashlib.sha256(logo).hexdigest() if logo else ""}
    with transaction.atomic():
        page, _ = ServerPage.objects.update_or_create(pk=1, defaults={**changes, "changed_at": timezone.now()})
        told = {key: value for key, value in changes.items() if key in {"name", "logo_hash"}}
        audit_add(user, AuditAction.SERVER_PAGE, details=told)
    return page


def _page(text: str) -> str:
    shown = text.replace("\r\n", "\n").strip()
    if len(shown) > PAGE_CHARS or has_unstorable(shown):
        raise InvalidError(f"A text has at most {PAGE_CHARS:,} characters.", fields={"text": "too long"})
    return shown
