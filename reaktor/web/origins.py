"""Which pages may open a WebSocket: the Origin header against the allow list, or against the host itself.

Authentication is by token and never by cookie, so an absent Origin (no browser) is fine. Pure.
Source: the native protocol, "Connecting".
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from reaktor.web.scope import Scope, header


def is_allowed_origin(scope: Scope, allowed: Sequence[str]) -> bool:
    """`allowed`: exact origins (`https://chat.example`), or `*`. Empty: the origin's host must be the Host header's."""
    origin = header(scope, b"origin")
    if origin is None or "*" in allowed:
        return True
    if allowed:
        return origin.rstrip("/") in {each.rstrip("/") for each in allowed}
    return urlsplit(origin).netloc.lower() == (header(scope, b"host") or "").lower() != ""
