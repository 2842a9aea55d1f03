"""Which pages may open a WebSocket: the Origin header against the allow list, or against the host itself.

Authentication is by token and never by cookie, so an absent Origin (no browser) is fine. Pure.
Source: the native protocol, "Connecting".
"""

from __future__ import annotations

from collections.abc import Sequence

from reaktor.hosts import is_allowed_origin
from reaktor.web.scope import Scope, header


def may_connect(scope: Scope, allowed: Sequence[str]) -> bool:
    """`allowed`: origins (`https://chat.example`), or `*`. Empty: the origin's host must be the Host header's."""
    return is_allowed_origin(header(scope, b"origin"), allowed, header(scope, b"host"))
