"""Which part of a body a client asks for by Range, and whether it has it already (RFC 9110, 13 and 14). Pure."""

from __future__ import annotations

import re

_ONE = re.compile(r"bytes=[ \t]*(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))[ \t]*", re.IGNORECASE)


class UnsatisfiableError(Exception):
    """Nothing of the body is in the range: 416."""


def range_of(header: str | None, size: int) -> tuple[int, int] | None:
    """(first, length) of one range of a body; None: all of it. So for several ranges, which nobody has to serve.

    Raises UnsatisfiableError.
    """
    asked = _ONE.fullmatch(header) if header is not None else None
    if asked is None:
        return None
    if asked[3] is not None:
        length = min(int(asked[3]), size)
        if not length:
            raise UnsatisfiableError
        return size - length, length
    first, last = int(asked[1]), min(int(asked[2]), size - 1) if asked[2] else size - 1
    if asked[2] and int(asked[2]) < first:
        return None
    if first >= size:
        raise UnsatisfiableError
    return first, last - first + 1


def has_tag(header: str | None, etag: str) -> bool:
    """Whether an If-None-Match names this version."""
    if header is None:
        return False
    return header.strip() == "*" or etag in [each.strip().removeprefix("W/") for each in header.split(",")]
