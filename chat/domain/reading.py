"""Reading: how far a member has read a channel, and what is unread for them. Pure.

A channel's flow is what everybody sees of it; its place is dense from 1, as the number is over all messages. `aside`
says how many messages up to a number the flow does not show, so flow = number - aside. A Marker stands at a number; own
messages above it are counted, since nobody has them unread. Source: docs/protocol.md, "Reading".
"""

from __future__ import annotations

from typing import NamedTuple


class Head(NamedTuple):
    """A place in a channel: that of its newest message, mostly."""

    number: int
    aside: int = 0

    @property
    def flow(self) -> int:
        return self.number - self.aside


class Marker(NamedTuple):
    """How far a member has read: up to `at`. `own`: their messages above it. `rev` counts its changes."""

    at: Head
    own: int = 0
    rev: int = 0

    @property
    def read_flow(self) -> int:
        """Its place in the flow."""
        return self.at.flow

    def unread(self, head: Head) -> int:
        """How many messages of others stand above it."""
        return max(head.flow - self.read_flow - self.own, 0)

    def posted(self, place: Head) -> Marker:
        """The member's own message took this place, the newest one. Who had read all before it has read it, too."""
        before = Head(place.number - 1, place.aside)
        if self.unread(before) == 0:
            return Marker(place, 0, self.rev + 1)
        return Marker(self.at, self.own + 1, self.rev + 1)

    def moved(self, place: Head, own_above: int) -> Marker:
        """It stands at that place now, above which there are so many own messages."""
        return Marker(place, own_above, self.rev + 1)


START = Head(0)
"""Before the first message."""
UNREAD = Marker(START)
"""That of who is no member, or has read nothing yet."""
UNREAD_IN_THREAD = 2**44
"""More than any number; with a few hundred thousand of them in one sum."""


def mention_number(number: int, *, is_aside: bool, thread_read: int = 0) -> int:
    """What is stored of a mention, so that it is unread if it stands above the channel's marker.

    One that only a thread shows is unread until its thread is read that far, wherever that marker stands: it is put
    above every marker, and below all of them then. `thread_read`: how far that is.
    """
    if not is_aside:
        return number
    return 0 if number <= thread_read else UNREAD_IN_THREAD + number
