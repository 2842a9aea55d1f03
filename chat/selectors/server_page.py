"""Reads: what the server says of itself before anybody has logged in, from memory; read again each second if asked.

One instance per process, owned by the app's config; called in REST's threads. So a change shows on every worker and
host within a second, without anybody telling them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Annotated, TypedDict

from chat.models import ServerPage
from reaktor.shapes import Keyword

REFRESH_S = 1.0
DEFAULT_NAME = "Reaktor"
REGISTRATION = ("open", "invite", "approval", "closed")


class ServerData(TypedDict):
    """Whose server this is."""

    name: str
    logo_url: Annotated[str | None, "A path on this server; what is there never changes."]
    rules: Annotated[str, "Plain text, perhaps empty."]
    welcome: Annotated[str, "The same."]
    registration: Annotated[str, Keyword("enum", REGISTRATION), "How one gets an account."]


class CurrentServerPage:
    """current(): the page, at most a second old. One query, once a second."""

    def __init__(self, registration: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._registration = registration
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = -REFRESH_S
        self._page: ServerData | None = None

    def current(self) -> ServerData:
        with self._lock:
            if self._page is None or self._clock() - self._read_at >= REFRESH_S:
                self._page = self._read()
                self._read_at = self._clock()
            return self._page

    def _read(self) -> ServerData:
        found = ServerPage.objects.filter(pk=1).defer("logo").first() or ServerPage()
        return {
            "name": found.name or DEFAULT_NAME,
            "logo_url": logo_url(found.logo_hash),
            "rules": found.rules,
            "welcome": found.welcome,
            "registration": self._registration,
        }


def logo_url(digest: str) -> str | None:
    """Where the logo with this hash is; None: there is none."""
    return f"/logo/{digest}.webp" if digest else None


def logo_picture(digest: str) -> bytes | None:
    """The logo, if it is the one with this hash."""
    found = ServerPage.objects.filter(pk=1, logo_hash=digest).values_list("logo", flat=True).first() if digest else None
    return None if found is None else bytes(found)
