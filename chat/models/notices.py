"""Notices: which messages somebody who is not here may have to be told of, who is told of which, and how.

An outbox row is written by chat.posting in the transaction of its message; everything else by chat.notices. What a
person wants stands in NoticePreferences; who has no row has the defaults. The words: docs/architecture.md, "Words".
"""

from __future__ import annotations

from django.db import models

from accounts.models import User
from chat.domain.notices import Reason
from chat.models.content import Channel, Message

ENDPOINT_CHARS = 1_024


class OutboxEntry(models.Model):
    """A message whose notices are not made yet. No foreign key: the post is not to pay for checking what it wrote.

    `after`: notices are made for members up to this membership's id; NULL: not even for who is mentioned.
    """

    message_id = models.UUIDField(primary_key=True, editable=False)
    after = models.BigIntegerField(null=True, editable=False)
    due_at = models.DateTimeField(null=True, editable=False, help_text="When it is tried again. Empty: at once.")
    tries = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    failed_at = models.DateTimeField(null=True, editable=False, help_text="Given up then.")
    problem = models.CharField(max_length=200, blank=True, default="", db_default="", editable=False)

    class Meta:
        db_table = "chat_outbox"
        verbose_name_plural = "outbox entries"
        indexes = [
            models.Index(fields=["failed_at"], condition=models.Q(failed_at__isnull=False), name="outbox_failed")
        ]

    def __str__(self) -> str:
        return str(self.message_id)


class Notice(models.Model):
    """One person is to be told of one message. Deleted when nothing is left to be done.

    `push_at`: when to push it next; NULL: not any more. `pushes`: the subscriptions that it is still to be sent to;
    NULL: nothing was sent. `mail_at`: from when it may stand in a digest; NULL: in none.
    """

    id = models.BigAutoField(primary_key=True)
    # Begins the constraint below; nothing is looked up by a channel alone.
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="+", db_index=False)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="+", db_index=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    reason = models.CharField(max_length=8, choices=[(reason.value, reason.name.title()) for reason in Reason])
    created_at = models.DateTimeField(help_text="When the message was posted.")
    push_at = models.DateTimeField(null=True)
    pushes = models.JSONField(null=True)
    mail_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    failed_at = models.DateTimeField(null=True, help_text="Given up then.")
    problem = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "user"], name="notice_once")]
        indexes = [
            models.Index(fields=["user", "channel"], name="notice_user"),
            models.Index(fields=["push_at", "id"], condition=models.Q(push_at__isnull=False), name="notice_push"),
            models.Index(fields=["mail_at", "id"], condition=models.Q(mail_at__isnull=False), name="notice_mail"),
            models.Index(fields=["failed_at"], condition=models.Q(failed_at__isnull=False), name="notice_failed"),
        ]

    def __str__(self) -> str:
        return f"{self.message_id} for {self.user_id}"


class PushSubscription(models.Model):
    """Where one browser is reached, for as long as the log-in lives that it came with. `endpoint` opens the door to it:
    it stands in no log.
    """

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    login = models.UUIDField(help_text="The log-in that it came with.")
    token_version = models.PositiveIntegerField()
    endpoint = models.CharField(max_length=ENDPOINT_CHARS)
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the endpoint.")
    p256dh = models.CharField(max_length=100)
    auth = models.CharField(max_length=32)
    created_at = models.DateTimeField()
    renewed_at = models.DateTimeField(help_text="When its browser last said that it is there.")

    def __str__(self) -> str:
        return f"{self.pk} of {self.user_id}"


class NoticePreferences(models.Model):
    """How a person wants to be told. Quiet hours: minutes of the day in `time_zone`, from `quiet_from` on the days
    whose bits are set in `quiet_days` (Monday: 1); NULL: there are none.
    """

    user = models.OneToOneField(User, primary_key=True, on_delete=models.CASCADE, related_name="+")
    push = models.BooleanField(default=True)
    email = models.BooleanField(default=True)
    preview = models.BooleanField(default=True)
    quiet_from = models.PositiveSmallIntegerField(null=True)
    quiet_to = models.PositiveSmallIntegerField(null=True)
    quiet_days = models.PositiveSmallIntegerField(default=127)
    time_zone = models.CharField(max_length=64, blank=True, default="")
    mailed_at = models.DateTimeField(null=True, help_text="When the last digest was written.")

    class Meta:
        verbose_name_plural = "notice preferences"

    def __str__(self) -> str:
        return f"of {self.user_id}"
