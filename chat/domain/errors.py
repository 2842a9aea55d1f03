"""The errors that only chat knows; the hierarchy and its codes are reaktor.errors'."""

from __future__ import annotations

from reaktor.errors import ErrorCode, ErrorDetail, ReaktorError, RestrictedError


class NotAMemberError(ReaktorError):
    code = ErrorCode.NOT_A_MEMBER
    default_message = "Join the channel first."


class MutedError(RestrictedError):
    code = ErrorCode.MUTED
    default_message = "You are muted here."


class ArchivedError(ReaktorError):
    code = ErrorCode.ARCHIVED
    default_message = "This channel is archived."


class EditWindowError(ReaktorError):
    code = ErrorCode.EDIT_WINDOW_OVER
    default_message = "That message is too old to be edited."


class ConfirmationRequiredError(ReaktorError):
    """Of a message that calls very many: its sender sends it again, and says that this is meant."""

    code = ErrorCode.CONFIRMATION_REQUIRED
    default_message = "That tells very many people at once. Is that meant?"

    def __init__(self, told: int = 0) -> None:
        self.told = told
        super().__init__(f"That tells {told} people at once. Is that meant?" if told else None)

    def as_data(self) -> ErrorDetail:
        data = super().as_data()
        data["told"] = self.told
        return data


class RowError(ValueError):
    """A row of somebody else's data that can't be taken; `why` is one of a few sentences."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
