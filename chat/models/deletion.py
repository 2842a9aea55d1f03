"""Messages that are to be removed and are still there: those of deleted accounts, those that a moderator wants gone.

Written by chat.services.leaving and chat.services.purge, and by an import; carried out by chat.deletions.
"""

from __future__ import annotations

from django.db import models

from accounts.models import User
from chat.models.content import Channel


class Deletion(models.Model):
    """One account's messages and reactions are to go; the row goes with the last of them.

    `done_until`: messages from before that are gone already.
    """

    user = models.OneToOneField(User, primary_key=True, on_delete=models.CASCADE, related_name="+")
    done_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"deletion of {self.pk}"


class Purge(models.Model):
    """What somebody wrote in some hours, in one channel or (NULL) everywhere, is to go; the row goes with the last.

    Written from `since` until `until`; `since` moves on as messages go.
    """

    id = models.BigAutoField(primary_key=True)
    author = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    channel = models.ForeignKey(Channel, null=True, on_delete=models.CASCADE, related_name="+")
    since = models.DateTimeField()
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"purge {self.pk} of {self.author_id}"
