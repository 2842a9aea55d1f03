"""Where Socket.IO sessions are and what they have seen, for the authority that comes after this one."""

from __future__ import annotations

from django.db import models


class KeptPlace(models.Model):
    """One session's place, or what one worker has delivered (chat.membership.places says what stands in `place`).

    Written behind, so that nobody waits for it, and deleted when its time is up. No foreign key: rows are written many
    at once, and one whose user has gone must not keep the others out.
    """

    key = models.CharField(primary_key=True, max_length=100)
    worker = models.CharField(max_length=40, help_text="The key of the row of the worker that wrote it.")
    user_id = models.UUIDField(null=True)
    until = models.FloatField(null=True, help_text="Unix seconds; NULL: as long as its worker's row.")
    place = models.TextField(help_text="JSON; empty when it is over.")

    def __str__(self) -> str:
        return self.key
