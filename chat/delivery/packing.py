"""JSON that is kept for a while. Used by recent.py and answers.py."""

from __future__ import annotations

from typing import Any

import orjson


def packed(value: Any) -> bytes:
    """In room of its own size: what orjson returns keeps the 8 KiB and more into which it was written."""
    return bytes(memoryview(orjson.dumps(value)))
