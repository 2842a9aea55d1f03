"""What a server says of itself to who comes to its door: one row, set by superusers in the admin."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

SERVER_NAME_CHARS = 80
PAGE_CHARS = 10_000


class ServerPage(models.Model):
    """The only row has the id 1; without it nothing was set. The logo is WebP, `logo_hash` its address."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    name = models.CharField(
        max_length=SERVER_NAME_CHARS, blank=True, default="", help_text="Whose server this is. Empty: Reaktor."
    )
    welcome = models.TextField(
        max_length=PAGE_CHARS, blank=True, default="", help_text="Plain text, shown where one logs in or registers."
    )
    rules = models.TextField(max_length=PAGE_CHARS, blank=True, default="", help_text="Plain text, shown there, too.")
    logo = models.BinaryField(null=True, editable=False)
    logo_hash = models.CharField(max_length=64, blank=True, default="", editable=False)
    changed_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = verbose_name_plural = "page of the server"

    def __str__(self) -> str:
        return self.name or "this server"
