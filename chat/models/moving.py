"""How far the import from the replaced server has come, so that it goes on where it was interrupted."""

from __future__ import annotations

from django.db import models


class ImportMark(models.Model):
    """One list of messages: the first `position` rows are stored. Moves in the transaction that stores them."""

    id = models.BigAutoField(primary_key=True)
    source = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the list's key.")
    position = models.BigIntegerField(default=0)
    last_row = models.CharField(max_length=64, blank=True, default="", help_text="SHA-256 of the last row taken.")
    last_at = models.DateTimeField(null=True, help_text="That row's date.")

    def __str__(self) -> str:
        return f"{self.source[:8]} up to {self.position}"
