"""Deleted accounts whose messages are still being removed. Written by chat.services.leaving, and by an import."""

from __future__ import annotations

from django.db import models

from accounts.models import User


class Deletion(models.Model):
    """One account's messages and reactions are to go; the row goes with the last of them.

    `done_until`: messages from before that are gone already.
    """

    user = models.OneToOneField(User, primary_key=True, on_delete=models.CASCADE, related_name="+")
    done_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"deletion of {self.pk}"
