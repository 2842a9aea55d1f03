"""Links that let somebody register: who made them, for how many, until when, and into which channels."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from chat.models.moderation import random_invite_code


class ServerInvite(models.Model):
    """For so many accounts (NULL: any number), until then (NULL: for good). `channels`: their keys.

    `used`: how many accounts were made with it.
    """

    id = models.BigAutoField(primary_key=True)
    code = models.CharField(max_length=32, unique=True, default=random_invite_code, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    uses_left = models.PositiveIntegerField(null=True, blank=True)
    used = models.PositiveIntegerField(default=0)
    channels = models.JSONField(default=list)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"server invite {self.pk}"
