"""Numbers in sentences that people read. Pure."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """`1 message`, `2 messages`, `1,000 messages`: for nouns that only take an s."""
    return f"{count:,} {noun if count == 1 else noun + 's'}"
