"""The JSON shapes of moderation, the same over REST and native: sanctions, reports, invites, audit entries."""

from __future__ import annotations

from typing import Any, TypedDict


class SanctionData(TypedDict):
    """`channel` None: everywhere. `until` None: for good. `issued_by` None: the account is gone, or the server."""

    id: int
    kind: str
    username: str
    channel: str | None
    reason: str
    issued_by: str | None
    created_at: str
    until: str | None
    lifted_at: str | None


class ReportData(TypedDict):
    """`reporter` None: the word filter. `text` is the message's as it was when it was reported."""

    id: int
    channel: str
    message: str
    author: str
    text: str
    reporter: str | None
    reason: str
    created_at: str
    resolved_at: str | None
    resolved_by: str | None
    resolution: str


class InviteData(TypedDict):
    """`uses_left` None: any number; `expires_at` None: never."""

    code: str
    channel: str
    created_by: str | None
    created_at: str
    expires_at: str | None
    uses_left: int | None


class AuditData(TypedDict):
    id: int
    at: str
    actor: str
    action: str
    target: str
    channel: str
    reason: str
    details: dict[str, Any]
