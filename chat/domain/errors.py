"""The errors that only chat knows; the hierarchy and its codes are reaktor.errors'."""

from __future__ import annotations

from reaktor.errors import ErrorCode, ReaktorError, RestrictedError


class NotAMemberError(ReaktorError):
    code = ErrorCode.NOT_A_MEMBER
    default_message = "Join the channel first."


class MutedError(RestrictedError):
    code = ErrorCode.MUTED
    default_message = "You are muted here."


class ArchivedError(ReaktorError):
    code = ErrorCode.ARCHIVED
    default_message = "This channel is archived."


class RowError(ValueError):
    """A row of somebody else's data that can't be taken; `why` is one of a few sentences."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
