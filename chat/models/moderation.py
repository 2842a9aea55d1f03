"""What keeps a server habitable, as it is stored: sanctions, removals, reports, invites, personal blocks, words, audit.

Written by chat.services, by chat.posting (a report for each message that has a flagged word) and by an import
(chat.moving). Read by selectors, by admin, and (sanctions and removals, as blocks) by the authority.
Rows are kept when they are over: `lifted_at`, `resolved_at`, `revoked_at` say so.
"""

from __future__ import annotations

import secrets
from enum import StrEnum
from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from chat.domain.policies import Resolution, SanctionKind
from chat.domain.rules import REASON_CHARS
from chat.models.content import Channel, Message


def random_invite_code() -> str:
    """22 URL-safe characters from 128 random bits."""
    return secrets.token_urlsafe(16)


class Sanction(models.Model):
    """A kick, mute or ban: whose, where (channel NULL: everywhere), why, by whom, until when (NULL: for good)."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=4, choices=[(kind.value, kind.name.title()) for kind in SanctionKind])
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sanctions")
    channel = models.ForeignKey(Channel, null=True, blank=True, on_delete=models.CASCADE, related_name="sanctions")
    reason = models.CharField(max_length=REASON_CHARS, blank=True, default="")
    issued_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField(null=True, blank=True)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        # No Sanction is meant in particular: a permission must hang on some model.
        permissions = [("moderate", "Can moderate in the admin")]
        indexes = [
            models.Index(fields=["user", "channel"], condition=Q(lifted_at=None), name="sanction_in_force"),
            models.Index(fields=["kind", "until"], condition=Q(lifted_at=None), name="sanction_blocks"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.user_id}"


class Removal(models.Model):
    """A right to be in a channel that just went: the authority keeps the user out until then.

    It covers the joins that were allowed a moment before, and orders that the bus lost; then the row means nothing.
    """

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="+", db_index=False)
    until = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "channel"], name="removal_once")]

    def __str__(self) -> str:
        return f"{self.user_id} out of {self.channel_id}"


class Report(models.Model):
    """A message that somebody (or the word filter: reporter NULL) wants looked at, with its text as it was then."""

    id = models.BigAutoField(primary_key=True)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="reports")
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="+")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="reports")
    reporter = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    reason = models.CharField(max_length=REASON_CHARS)
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    resolution = models.CharField(
        max_length=10,
        blank=True,
        default="",
        choices=[
            (Resolution.DISMISSED.value, "Dismissed"),
            (Resolution.DELETED.value, "Message deleted"),
            (Resolution.SANCTIONED.value, "Author sanctioned"),
        ],
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "reporter"], name="report_once")]
        indexes = [models.Index(fields=["id"], condition=Q(resolved_at=None), name="report_open")]

    def __str__(self) -> str:
        return f"report {self.pk} of {self.message_id}"


class Invite(models.Model):
    """A link into a private channel: for so many uses (NULL: any number), until then (NULL: for good)."""

    id = models.BigAutoField(primary_key=True)
    code = models.CharField(max_length=32, unique=True, default=random_invite_code, editable=False)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="invites")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    uses_left = models.PositiveIntegerField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"invite into {self.channel_id}"


class UserBlock(models.Model):
    """Somebody whom a user does not want to hear: no direct channel, no mention, nothing of theirs in a group."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="blocking")
    blocked = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="blocked_by")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "blocked"], name="user_block_once")]

    def __str__(self) -> str:
        return f"{self.user_id} blocks {self.blocked_id}"


class WordRule(models.Model):
    """A word (or phrase) that messages must not have, or that gets them looked at."""

    class Action(models.TextChoices):
        REJECT = "reject", "Reject the message"
        FLAG = "flag", "Report the message"

    id = models.BigAutoField(primary_key=True)
    word = models.CharField(max_length=80, unique=True, help_text="Whole words, upper or lower case.")
    action = models.CharField(max_length=6, choices=Action.choices, default=Action.REJECT)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.word


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    """Entries are added; nothing that goes through here changes or deletes one."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError("The audit log is append-only.")

    def delete(self) -> NoReturn:
        raise TypeError("The audit log is append-only.")


class AuditEntry(models.Model):
    """Who did what, to whom, where, when and why; names and ids as they were, for rows may go."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)
    actor_id = models.UUIDField(null=True, db_index=True)
    actor = models.CharField(max_length=32, help_text="`system` for what happens by itself.")
    action = models.CharField(max_length=32, db_index=True)
    target_id = models.UUIDField(null=True, db_index=True)
    target = models.CharField(max_length=32, blank=True, default="")
    channel = models.CharField(max_length=64, blank=True, default="", help_text="The channel's key.")
    reason = models.CharField(max_length=REASON_CHARS, blank=True, default="")
    details = models.JSONField(default=dict, blank=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "audit log"
        indexes = [
            models.Index(fields=["channel", "id"], name="audit_channel"),
            models.Index(Lower("actor"), "id", name="audit_actor"),
            models.Index(Lower("target"), "id", name="audit_target"),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor}"


class AuditAction(StrEnum):
    """What the audit log knows; the words that REST and admin show."""

    BAN = "ban"
    MUTE = "mute"
    KICK = "kick"
    LIFT = "lift"
    ROLE = "role"
    CHANNEL_UPDATE = "channel.update"
    CHANNEL_ARCHIVE = "channel.archive"
    MESSAGE_DELETE = "message.delete"
    PIN_ADD = "pin.add"
    PIN_REMOVE = "pin.remove"
    PURGE = "purge"
    REPORT_RESOLVE = "report.resolve"
    INVITE_CREATE = "invite.create"
    INVITE_REVOKE = "invite.revoke"
    SERVER_INVITE_CREATE = "server_invite.create"
    SERVER_INVITE_REVOKE = "server_invite.revoke"
    ACCOUNT_APPROVE = "account.approve"
    ACCOUNT_REFUSE = "account.refuse"
    LOG_OUT = "log_out"
    ACCOUNT_DELETE = "account.delete"
    ACCOUNT_RIGHTS = "account.rights"
    SECOND_FACTOR_REMOVE = "second_factor.remove"
    APP_PASSWORDS_REVOKE = "app_passwords.revoke"
    BOT_CREATE = "bot.create"
    HOOK_CREATE = "hook.create"
    HOOK_DELETE = "hook.delete"
    RETENTION = "retention"
    WORD_ADD = "word.add"
    WORD_REMOVE = "word.remove"
    PROFILE_CLEAR = "profile.clear"
    SERVER_PAGE = "server.page"
