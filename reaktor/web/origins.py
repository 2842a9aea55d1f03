"""Which pages may open a WebSocket: the Origin header against the allow list, or against the host itself.

Authentication is by token and never by cookie, so an absent Origin (no browser) is fine. Pure.
Source: the native protocol, "Connecting".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit


def header(scope: dict[str, Any], name: bytes) -> str | None:
    """The first header of that (lower-case) name, or None."""
    for key, value in scope.get("headers", ()):
        if key == name:
            return bytes(value).decode("latin-1")
    return None


def is_allowed_origin(scope: dict[str, Any], allowed: Sequence[str]) -> bool:
    """`allowed`: exact origins (`https://chat.example`), or `*`. Empty: the origin's host must be the Host header's."""
    origin = header(scope, b"origin")
    if origin is None or "*" in allowed:
        return True
    if allowed:
        return origin.rstrip("/") in {each.rstrip("/") for each in allowed}
    return urlsplit(origin).netloc.lower() == (header(scope, b"host") or "").lower() != ""
