"""How far the search index has come in each channel, and where texts were changed. The index is message_search's.

Every change of a message takes the next seq of its channel under the channel's lock. So what the index misses of a
channel is what changed above one seq, whatever the order in which transactions of several hosts commit.
"""

from __future__ import annotations

from django.db import models

from chat.models.content import Channel


class SearchPlace(models.Model):
    """The index knows all of a channel that changed up to `seq`, but for the messages numbered up to `back`."""

    channel = models.OneToOneField(Channel, primary_key=True, on_delete=models.CASCADE, related_name="+")
    seq = models.BigIntegerField()
    back = models.BigIntegerField(help_text="Messages up to this number are still to be indexed.")

    class Meta:
        indexes = [models.Index(fields=["channel"], condition=models.Q(back__gt=0), name="search_backfill")]

    def __str__(self) -> str:
        return f"{self.channel_id} up to {self.seq}"


class SearchChange(models.Model):
    """A text of this channel was edited or deleted: a hint for whoever keeps the index, who takes the row away.

    New messages need none: whoever looks finds them by their ids.
    """

    id = models.BigAutoField(primary_key=True)
    channel_id = models.BigIntegerField()

    def __str__(self) -> str:
        return f"in {self.channel_id}"
