"""Who may do what to whom, and what may be posted now: decisions on plain values, the same for every transport.

Services read the facts (roles, sanctions, the channel's state) inside their transaction and ask here; a refusal is a
ReaktorError. Pure: `now` is an argument.
"""

from __future__ import annotations

from enum import StrEnum

REASON_CHARS = 400


class SanctionKind(StrEnum):
    """Out of a channel now; may not write; may not be there."""

    KICK = "kick"
    MUTE = "mute"
    BAN = "ban"
