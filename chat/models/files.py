"""Files that people have sent: a row for each, from before its first byte until its bytes are gone.

Rows are begun by chat.files, put into messages by chat.posting, and taken out of reach by chat.services and
chat.retention in the transaction that deletes their message. The bytes themselves are chat.files.storage's.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models

from chat.models.content import Message
from reaktor.db.ids import uuid7


class File(models.Model):
    """One file. `stored_at` NULL: it is being sent, and `size` is what was reserved for it.

    `message` is set once; no foreign key constraint, and nothing is done when a message goes: whoever deletes messages
    says so here first, by `deleted_at`. From then on nobody reads it, except moderators while a report of its message
    is open. A chore then takes the bytes away, and notes that in `gone_at`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    message = models.ForeignKey(
        Message, null=True, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    name = models.CharField(max_length=255)
    type = models.CharField(max_length=100, blank=True, default="")
    size = models.BigIntegerField()
    digest = models.CharField(max_length=64, blank=True, default="", help_text="SHA-256 of the bytes.")
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField()
    alive_at = models.DateTimeField(help_text="When the last bytes came, while it was being sent.")
    stored_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)
    gone_at = models.DateTimeField(null=True, help_text="Since when its bytes are gone.")

    class Meta:
        indexes = [
            # What counts for its owner's quota.
            models.Index(fields=["owner", "created_at"], condition=models.Q(gone_at=None), name="file_owner"),
            models.Index(fields=["message"], condition=models.Q(message__isnull=False), name="file_message"),
            # What the chore looks for.
            models.Index(fields=["created_at"], condition=models.Q(message=None, deleted_at=None), name="file_unsent"),
            models.Index(
                fields=["deleted_at"], condition=models.Q(deleted_at__isnull=False, gone_at=None), name="file_deleted"
            ),
            models.Index(fields=["gone_at"], condition=models.Q(gone_at__isnull=False), name="file_gone"),
        ]

    def __str__(self) -> str:
        return self.name
