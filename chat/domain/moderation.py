"""The JSON shapes of moderation, the same over REST and native: sanctions, reports, invites, audit entries."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from chat.domain.policies import Resolution, Role, SanctionKind
from reaktor.shapes import Count, Keyword, Time, Uuid


class SanctionData(TypedDict):
    """A kick, mute or ban."""

    id: Count
    kind: Annotated[str, SanctionKind]
    username: str
    channel: Annotated[str | None, "Null: everywhere."]
    reason: str
    issued_by: Annotated[str | None, "Null: the account is gone, or the server."]
    created_at: Time
    until: Annotated[Time | None, "Null: for good."]
    lifted_at: Time | None


class SanctionEventData(TypedDict):
    """What a moderator did to the user who is told of it."""

    kind: Annotated[str, Keyword("enum", (*SanctionKind, "lift"))]
    channel: Annotated[str | None, "Null: everywhere."]
    reason: str
    until: Annotated[Time | None, "Null: for good."]


class LiftedData(TypedDict):
    """How many sanctions ended."""

    lifted: Count


class PurgeData(TypedDict):
    """What a purge did until it was answered, and what goes on without anybody waiting."""

    deleted: Annotated[Count, "How many messages."]
    left: Annotated[Count, "How many are still to go; the server goes on with them within seconds."]


class ReportData(TypedDict):
    """A message that somebody wants looked at."""

    id: Count
    channel: str
    message: Uuid
    author: str
    text: Annotated[str, "As it was when it was reported."]
    reporter: Annotated[str | None, "Null: the word filter."]
    reason: str
    created_at: Time
    resolved_at: Time | None
    resolved_by: str | None
    resolution: Annotated[str, Keyword("enum", ("", *Resolution))]


class InviteData(TypedDict):
    """A link into a private or unlisted channel."""

    code: str
    channel: str
    created_by: str | None
    created_at: Time
    expires_at: Annotated[Time | None, "Null: never."]
    uses_left: Annotated[Count | None, "Null: any number."]


class HookData(TypedDict):
    """An incoming webhook: what posts into a channel by an address of its own."""

    id: Count
    channel: str
    name: str
    username: Annotated[str, "The account that it posts with."]
    created_by: Annotated[str | None, "Null: the account is gone."]
    created_at: Time
    is_on: Annotated[bool, "False: its account, or whoever made it, is switched off or banned."]


class HookMadeData(TypedDict):
    """A new webhook with its address."""

    hook: HookData
    token: Annotated[str, "Keep it: it is shown this once."]
    url: Annotated[str, "Where to post. Whoever knows it can."]


class ServerInviteData(TypedDict):
    """A link that lets somebody register."""

    code: str
    created_by: str
    created_at: Time
    expires_at: Annotated[Time | None, "Null: never."]
    uses_left: Annotated[Count | None, "Null: any number."]
    used: Annotated[Count, "Accounts made with it."]
    channels: Annotated[list[str], "Keys of the channels that they are members of from the start."]


class ServerInviteLook(TypedDict):
    """What somebody without an account may know of a server invite that is good."""

    code: str
    invited_by: Annotated[str, "The name of who made it."]
    expires_at: Annotated[Time | None, "Null: never."]


class AuditData(TypedDict):
    """Who did what, to whom, where, when and why."""

    id: Count
    at: Time
    actor: str
    action: str
    target: str
    channel: str
    reason: str
    details: dict[str, Any]


class MembershipData(TypedDict):
    """Somebody who belongs to a channel, there or not."""

    username: str
    role: Annotated[str, Role]
    since: Time


class RoleData(TypedDict):
    """What a user is in a channel for good."""

    role: Annotated[str, Role]


class BlockedData(TypedDict):
    """Somebody whom the user does not want to hear."""

    username: str
