"""Threads: what is known of each message that others were asked under, and who follows it.

The replies are messages (chat.models.content) whose `thread_id` is the root's id. Both rows here are written under the
lock of the channel's row where replies come and go: by chat.posting.threads and chat.services.threads. No foreign keys
to messages: releases before 0.6 delete a root by its age and know nothing of these rows.
"""

from __future__ import annotations

from django.db import models

from accounts.models import User
from chat.models.content import Channel

PARTICIPANTS = 5
_ID_CHARS = 36


class Thread(models.Model):
    """What hangs on one message, its root. `replies`: those that are not deleted; `last_number` and `active_at`: the
    newest of them, else the root. `seq`: the channel's seq at the newest change. `participants`: ids of users.
    """

    root_id = models.UUIDField(primary_key=True, editable=False)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="+", db_index=False)
    root_number = models.BigIntegerField()
    seq = models.BigIntegerField()
    replies = models.BigIntegerField(default=0)
    last_number = models.BigIntegerField()
    active_at = models.DateTimeField()
    participants = models.CharField(max_length=PARTICIPANTS * (_ID_CHARS + 1), blank=True, default="")

    def __str__(self) -> str:
        return f"{self.channel_id}/{self.root_number}"


class ThreadFollow(models.Model):
    """What one user is to a thread: told of it or not, how far they have read it, and how many replies are theirs.

    `is_on` None: has read it, and said nothing of being told. False: wants not to be told; a mention changes nothing.
    """

    id = models.BigAutoField(primary_key=True)
    thread_id = models.UUIDField()
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    is_on = models.BooleanField(null=True)
    read_number = models.BigIntegerField(default=0)
    replies = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["thread_id", "user"], name="thread_follow_once")]
        indexes = [models.Index(fields=["user", "is_on"], name="thread_follow_user")]

    def __str__(self) -> str:
        return f"{self.user_id} of {self.thread_id}"
