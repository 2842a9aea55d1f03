"""What is stored about e-mail: the addresses of accounts, tokens in links, accounts that wait, mails that wait.

Mails are written by accounts.mailing, sent and removed by accounts.mailer; addresses and tokens by accounts.addresses
and accounts.resets; accounts that wait by accounts.registration. Part of accounts.models.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from reaktor.db.ids import uuid7

MAX_ADDRESS_CHARS = 254


class EmailAddress(models.Model):
    """An address that an account gave: one that is confirmed at most, and one that is not.

    `folded`: as addresses are compared. Two accounts may have the same one as long as nobody has confirmed it.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    address = models.CharField(max_length=MAX_ADDRESS_CHARS)
    folded = models.CharField(max_length=MAX_ADDRESS_CHARS)
    since = models.DateTimeField(default=timezone.now)
    confirmed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["folded"], condition=models.Q(confirmed_at__isnull=False), name="email_confirmed_once"
            ),
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(confirmed_at__isnull=False), name="email_one_confirmed"
            ),
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(confirmed_at__isnull=True), name="email_one_pending"
            ),
        ]

    def __str__(self) -> str:
        return f"an address of {self.user_id}"


class MailToken(models.Model):
    """What the link of a mail is good for, once, until `expires_at`. `hash`: of the token, which only the mail has.

    `folded`: the address that it was sent to. Without a user it opens nothing.
    """

    CONFIRM, RESET = "confirm", "reset"

    hash = models.CharField(max_length=64, primary_key=True)
    purpose = models.CharField(max_length=8)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+")
    folded = models.CharField(max_length=MAX_ADDRESS_CHARS)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.purpose} of {self.user_id}"


class WaitingAccount(models.Model):
    """An account that somebody has to approve before its owner can log in (REGISTRATION=approval)."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="waiting"
    )
    since = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        verbose_name = "account that waits"
        verbose_name_plural = "accounts that wait"

    def __str__(self) -> str:
        return f"{self.user_id} waits"


class Mail(models.Model):
    """A mail that has not been sent. Who sends it moves `due_at` on first, so that nobody else does.

    `until`: later it is of no use any more (its link is dead). `dead_at`: it was given up, and waits for an
    administrator. `error`: how the last attempt ended.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+")
    to = models.CharField(max_length=MAX_ADDRESS_CHARS)
    subject = models.CharField(max_length=200)
    text = models.TextField()
    html = models.TextField(blank=True)
    headers = models.JSONField(default=dict)
    message_id = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=400, blank=True)
    dead_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "mail that waits"
        verbose_name_plural = "mails that wait"
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(dead_at__isnull=True), name="mail_due"),
            models.Index(fields=["dead_at"], condition=models.Q(dead_at__isnull=False), name="mail_dead"),
        ]

    def __str__(self) -> str:
        return str(self.id)
