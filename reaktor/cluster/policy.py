"""Which slot serves a client.

Rendezvous hashing: the same address goes to the same slot for as long as the slot exists, and when a slot comes or
goes only that slot's share of the addresses moves. The dispatcher asks, with reaktor.addresses.address_group(). Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

_MASK = (1 << 64) - 1


def slot_for(address: str, slots: Sequence[int]) -> int:
    """The slot that serves an address, whatever the order of `slots`. Raises ValueError when there are none."""
    seed = int.from_bytes(blake2b(address.encode(), digest_size=8).digest(), "big")
    return max(slots, key=lambda slot: (_score(seed, slot), slot))


def _score(seed: int, slot: int) -> int:
    """splitmix64's finaliser over address and slot: one hash of the address, then integers only for each slot."""
    value = (seed + slot * 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)
