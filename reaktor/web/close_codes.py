"""Close codes of RFC 6455 that more than one transport sends or reads. Those of the native protocol: reaktor.errors."""

from __future__ import annotations

NORMAL = 1000
PROTOCOL_ERROR = 1002
NO_CODE = 1005
"""The peer closed without a code. Never sent."""
LOST = 1006
"""The connection ended without a close frame. Never sent."""
INVALID_PAYLOAD = 1007
TOO_LARGE = 1009
INTERNAL_ERROR = 1011
GOODBYES = frozenset({NORMAL, 1001, NO_CODE})
"""By these a client says that it means to go: it left a page, or closed the socket with or without a code."""


def may_be_sent(code: int) -> bool:
    """Whether a close frame may carry this code: one of RFC 6455 and its registry, or a library's or application's."""
    return code in _REGISTERED or 3000 <= code <= 4999


_REGISTERED = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})
