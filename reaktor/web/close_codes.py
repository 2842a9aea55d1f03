"""Close codes of RFC 6455 that more than one transport sends or reads. Those of the native protocol: reaktor.errors."""

from __future__ import annotations

NORMAL = 1000
NO_CODE = 1005
"""The peer closed without a code. Never sent."""
LOST = 1006
"""The connection ended without a close frame. Never sent."""
INTERNAL_ERROR = 1011
GOODBYES = frozenset({NORMAL, 1001, NO_CODE})
"""By these a client says that it means to go: it left a page, or closed the socket with or without a code."""
