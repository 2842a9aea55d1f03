"""Incoming webhooks: what posts into a channel by an address of its own. Written by chat.services.hooks.

Its account (accounts.bots, of the kind hook) is the author of what it posts. The row goes when the webhook is deleted;
the account stays, switched off, and its messages with it.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from chat.domain.rules import NAME_CHARS
from chat.models.content import Channel


class Hook(models.Model):
    """One webhook of a channel. `digest`: SHA-256 of the token in its address."""

    id = models.BigAutoField(primary_key=True)
    # It and who made it begin indexes below.
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="hooks", db_index=False)
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="hook")
    name = models.CharField(max_length=NAME_CHARS)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["channel", "id"], name="hook_channel"),
            models.Index(fields=["created_by", "id"], name="hook_maker"),
        ]

    def __str__(self) -> str:
        return self.name
