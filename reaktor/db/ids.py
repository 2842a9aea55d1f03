"""Identifiers that sort by the time they were made."""

from __future__ import annotations

import os
import time
import uuid
from datetime import datetime

RANDOM_BYTES = 10


def uuid7(at: datetime | None = None) -> uuid.UUID:
    """A UUID of version 7: 48 bits of Unix milliseconds, then 74 random bits. Source: RFC 9562, section 5.7.

    `at`: of another moment than this one, for what was made then.
    """
    return uuid7s(1, None if at is None else int(at.timestamp() * 1000))[0]


def uuid7s(count: int, at_ms: int | None = None) -> list[uuid.UUID]:
    """So many of this moment. The system is asked for random bytes once: each time it is, other threads go first."""
    moment = (time.time_ns() // 1_000_000 if at_ms is None else max(at_ms, 0)) << 80 | 0x7 << 76 | 0b10 << 62
    drawn = os.urandom(RANDOM_BYTES * count)
    parts = (drawn[start : start + RANDOM_BYTES] for start in range(0, len(drawn), RANDOM_BYTES))
    return [uuid.UUID(int=moment | _spread(int.from_bytes(part, "big"))) for part in parts]


def _spread(random_bits: int) -> int:
    """74 of the bits, around those of the version and the variant."""
    return (random_bits >> 68 & 0xFFF) << 64 | random_bits & 0x3FFFFFFFFFFFFFFF
