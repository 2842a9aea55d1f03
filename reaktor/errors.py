"""The one error hierarchy, and the table of close codes.

Every error that a client may see is a ReaktorError with a stable ErrorCode. Transports map it once:
REST to a status and a JSON body, native to an error frame, Socket.IO to an `error` event.
Source: the native protocol's "Errors" and "Close codes".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from http import HTTPStatus
from typing import Annotated, NotRequired, TypedDict

from reaktor.shapes import Count, Seconds, Time
from reaktor.times import timestamp
from reaktor.why import Why


class ErrorCode(StrEnum):
    """What went wrong, in a word that clients may compare."""

    INVALID = "invalid"
    NOT_AUTHENTICATED = "not_authenticated"
    SECOND_FACTOR_REQUIRED = "second_factor_required"
    FORBIDDEN = "forbidden"
    NOT_A_MEMBER = "not_a_member"
    MUTED = "muted"
    BANNED = "banned"
    ARCHIVED = "archived"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    NAME_TAKEN = "name_taken"
    TOO_LARGE = "too_large"
    TOO_MANY_SESSIONS = "too_many_sessions"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    UNKNOWN_OPERATION = "unknown_operation"
    WAITING = "waiting"
    EDIT_WINDOW_OVER = "edit_window_over"
    CONFIRMATION_REQUIRED = "confirmation_required"
    INTERNAL = "internal"


HTTP_STATUS: Mapping[ErrorCode, HTTPStatus] = {
    ErrorCode.INVALID: HTTPStatus.BAD_REQUEST,
    ErrorCode.NOT_AUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    ErrorCode.SECOND_FACTOR_REQUIRED: HTTPStatus.UNAUTHORIZED,
    ErrorCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ErrorCode.NOT_A_MEMBER: HTTPStatus.FORBIDDEN,
    ErrorCode.MUTED: HTTPStatus.FORBIDDEN,
    ErrorCode.BANNED: HTTPStatus.FORBIDDEN,
    ErrorCode.ARCHIVED: HTTPStatus.FORBIDDEN,
    ErrorCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.CONFLICT: HTTPStatus.CONFLICT,
    ErrorCode.NAME_TAKEN: HTTPStatus.CONFLICT,
    ErrorCode.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.TOO_MANY_SESSIONS: HTTPStatus.CONFLICT,
    ErrorCode.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.UNKNOWN_OPERATION: HTTPStatus.BAD_REQUEST,
    ErrorCode.WAITING: HTTPStatus.FORBIDDEN,
    ErrorCode.EDIT_WINDOW_OVER: HTTPStatus.FORBIDDEN,
    ErrorCode.CONFIRMATION_REQUIRED: HTTPStatus.CONFLICT,
    ErrorCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}


class ErrorDetail(TypedDict):
    """What went wrong."""

    code: Annotated[str, ErrorCode, "Stable; compare this."]
    message: Annotated[str, "For people."]
    why: NotRequired[Annotated[str, Why, "What exactly, where the code says little. Stable; more may be added."]]
    limit: NotRequired[Annotated[Count, "With some of `why`: the number that is meant."]]
    names: NotRequired[Annotated[list[str], "With `not_reached`: whom."]]
    fields: NotRequired[Annotated[dict[str, str], "What is wrong with which input."]]
    retry_after: NotRequired[Seconds]
    reason: NotRequired[Annotated[str, "With `muted` and `banned`: why, in the moderator's words; they may be empty."]]
    until: NotRequired[Annotated[Time | None, "With `muted` and `banned`: its end. Null: for good."]]
    is_everywhere: NotRequired[Annotated[bool, "With `muted` and `banned`: not in one channel alone."]]
    told: NotRequired[Annotated[Count, "With `confirmation_required`: how many people the message would tell at once."]]


class ReaktorError(Exception):
    """Something a client is told: a code to compare, a short text to show.

    `retry_after_s` says when trying again makes sense; `fields` maps input fields to what is wrong with them. `why` is
    what the message says, for clients of other languages, with `limit` and `names` where it has some.
    """

    code = ErrorCode.INTERNAL
    default_message = "Something went wrong on our side."

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after_s: float | None = None,
        fields: Mapping[str, str] | None = None,
        why: Why | None = None,
        limit: int | None = None,
        names: Sequence[str] = (),
    ) -> None:
        self.message = message or self.default_message
        self.retry_after_s = retry_after_s
        self.fields = dict(fields) if fields else None
        self.why = why
        self.limit = limit
        self.names = list(names)
        super().__init__(self.message)

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status of this error's code."""
        return HTTP_STATUS[self.code]

    def as_data(self) -> ErrorDetail:
        """What goes under `error` in REST answers and native frames."""
        data: ErrorDetail = {"code": self.code.value, "message": self.message}
        if self.why is not None:
            data["why"] = self.why.value
        if self.limit is not None:
            data["limit"] = self.limit
        if self.names:
            data["names"] = self.names
        if self.fields:
            data["fields"] = self.fields
        if self.retry_after_s is not None:
            data["retry_after"] = round(self.retry_after_s, 3)
        return data


class InvalidError(ReaktorError):
    code = ErrorCode.INVALID
    default_message = "The input is not valid."


class NotAuthenticatedError(ReaktorError):
    code = ErrorCode.NOT_AUTHENTICATED
    default_message = "A valid token is needed."


class TokenExpiredError(NotAuthenticatedError):
    """Live sessions close with another code for it (TOKEN_EXPIRED): a new token is all that the client needs."""

    default_message = "The token has expired."


class SecondFactorRequiredError(ReaktorError):
    """Said to who gave the right password, and no code."""

    code = ErrorCode.SECOND_FACTOR_REQUIRED
    default_message = "This account asks for a code as well."


class ForbiddenError(ReaktorError):
    code = ErrorCode.FORBIDDEN
    default_message = "That is not allowed."


@dataclass(frozen=True, slots=True)
class Terms:
    """What a mute or ban says: until when (None: for good), why ("": nobody said), and whether everywhere."""

    until: datetime | None
    reason: str = ""
    is_everywhere: bool = True

    @property
    def until_text(self) -> str | None:
        """Its end as clients are told."""
        return None if self.until is None else timestamp(self.until)


class RestrictedError(ReaktorError):
    """Somebody may not do a thing because a moderator said so; `terms` where they are known.

    The message says what it is about. Its end, in UTC, and the reason are put behind that. Clients have them as
    fields, too, and can show the time by their reader's clock.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        terms: Terms | None = None,
        retry_after_s: float | None = None,
        why: Why | None = None,
    ) -> None:
        self.terms = terms
        said = message or self.default_message
        if terms is not None:
            ends = "" if terms.until is None else f" until {terms.until:%Y-%m-%d %H:%M} UTC"
            said = f"{said.removesuffix('.')}{ends}{f': {terms.reason}' if terms.reason else '.'}"
        super().__init__(said, retry_after_s=retry_after_s, why=why)

    def as_data(self) -> ErrorDetail:
        data = super().as_data()
        if self.terms is not None:
            data["reason"] = self.terms.reason
            data["until"] = self.terms.until_text
            data["is_everywhere"] = self.terms.is_everywhere
        return data


class BannedError(RestrictedError):
    code = ErrorCode.BANNED
    default_message = "This account is banned."


class WaitingError(ReaktorError):
    """Of an account that staff have not approved yet; only to who knows its password."""

    code = ErrorCode.WAITING
    default_message = "Your account waits for approval."


class NotFoundError(ReaktorError):
    code = ErrorCode.NOT_FOUND
    default_message = "There is nothing here."


class ConflictError(ReaktorError):
    code = ErrorCode.CONFLICT
    default_message = "That contradicts what is stored."


class NameTakenError(ReaktorError):
    code = ErrorCode.NAME_TAKEN
    default_message = "That name is taken, or looks like one that is."


class TooLargeError(ReaktorError):
    code = ErrorCode.TOO_LARGE
    default_message = "That is too large."


class TooManySessionsError(ReaktorError):
    code = ErrorCode.TOO_MANY_SESSIONS
    default_message = "This account has as many live sessions as are allowed."


class RateLimitedError(ReaktorError):
    code = ErrorCode.RATE_LIMITED
    default_message = "Too many at once; try again a little later."


class UnavailableError(ReaktorError):
    code = ErrorCode.UNAVAILABLE
    default_message = "The server can't do that right now; try again."

    def __init__(self, message: str | None = None, *, retry_after_s: float | None = 1.0) -> None:
        super().__init__(message, retry_after_s=retry_after_s)


class UnknownOperationError(ReaktorError):
    code = ErrorCode.UNKNOWN_OPERATION
    default_message = "There is no such operation."


def may_come_back(code: int) -> bool:
    """Whether a client that is closed with this code should connect again by itself."""
    return 4000 <= code < 4500


class CloseCode(IntEnum):
    """Why the server ends a session. 4000-4499: come back (full jitter); 4500-4999: don't."""

    INTERNAL = 4000
    RESTARTING = 4001
    TOO_SLOW = 4002
    NO_PONG = 4003
    RESYNC_NEEDED = 4004
    TOKEN_EXPIRED = 4005
    RATE_LIMITED = 4006
    BUS_LOST = 4007
    NOT_AUTHENTICATED = 4500
    NO_HELLO = 4501
    BANNED = 4502
    LOGGED_OUT = 4503
    PROTOCOL_ERROR = 4504
    VERSION = 4505
    TOO_MANY_SESSIONS = 4506
    ORIGIN = 4507

    @property
    def reason(self) -> str:
        """The short text in `bye`: the code's name in words."""
        return self.name.lower().replace("_", " ")

    @property
    def may_come_back(self) -> bool:
        """Whether a client should connect again by itself."""
        return may_come_back(self.value)


@dataclass(frozen=True, slots=True)
class Bye:
    """The end of a session as its client is told: a close code, and when to come back (seconds).

    `terms`: after a ban, where they are known.
    """

    code: CloseCode
    reason: str | None = None
    retry_after_s: float | None = None
    terms: Terms | None = None

    @property
    def text(self) -> str:
        return self.reason or (self.terms.reason if self.terms else "") or self.code.reason


def bye_to_banned(error: BannedError) -> Bye:
    """The end of a session whose user is told this."""
    return Bye(CloseCode.BANNED, None if error.terms else error.message, terms=error.terms)
