"""The identifiers of the domain, each a type of its own, so that mypy tells them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, NewType

UserId = NewType("UserId", str)
"""A user's UUID, as text."""
SessionId = NewType("SessionId", str)
"""One live session; unguessable, unique over all workers and incarnations."""
ChannelKey = NewType("ChannelKey", str)
"""A channel's public key: what clients name it by."""
"""A message's UUID (version 7), as text."""
CommandId = NewType("CommandId", str)
"""One command of one feeder."""


class WorkerId(NamedTuple):
    """A worker is always named by its host's number and life, its slot (stable) and its incarnation (this life of it).

    A host and a slot keep their numbers over restarts; the lives and incarnations only grow.
    """

    host: int
    life: int
    slot: int
    incarnation: int

    def __str__(self) -> str:
        return f"{self.host}.{self.life}.{self.slot}.{self.incarnation}"


@dataclass(frozen=True, slots=True)
class UserRef:
    """Who acts: what a verified token says of its user, enough for every rule."""

    id: UserId
    username: str
    is_staff: bool = False


SYSTEM = UserRef(UserId("00000000-0000-0000-0000-000000000000"), "system", is_staff=True)
"""Who acts from the command line, and when things happen by themselves. Nobody can take the name."""
