"""What REST has in common: JSON in and out, and the one mapping of errors to answers.

Every answer to a program is JSON: `{"error": {"code", "message", "fields"?, "retry_after"?}}`, or flat
(`{"error": "<sentence>", "code": "…"}`) where a transport asks for it. Knows nothing of chat; used by its transports,
by accounts, and by urls.py for what Django refuses itself.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import IO, Any

import orjson
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response

from reaktor.db.database import ended_by_a_limit, forget_pooled
from reaktor.errors import (
    ForbiddenError,
    InvalidError,
    NotAuthenticatedError,
    NotFoundError,
    RateLimitedError,
    ReaktorError,
    TooLargeError,
    UnavailableError,
    UnknownOperationError,
)
from reaktor.web.cors_policy import is_under

logger = logging.getLogger(__name__)

Shape = Callable[[ReaktorError], dict[str, object]]


class OrjsonRenderer(BaseRenderer):
    """Plain values to JSON, as bytes."""

    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "binary"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return b"" if data is None else orjson.dumps(data)


class OrjsonParser(BaseParser):
    """A JSON object in strict UTF-8, of at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes.

    orjson itself refuses nesting beyond 1,024 levels, NaN, halves of surrogate pairs and what follows the value.
    Raises TooLargeError, InvalidError, UnsupportedMediaType (another charset).
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        self.check_charset(media_type or "")
        value = parse_body(read_body(stream))
        if not isinstance(value, dict):
            raise InvalidError("The body must be a JSON object.")
        return value

    @staticmethod
    def check_charset(media_type: str) -> None:
        if _charset(media_type) not in {"", "utf-8", "utf8"}:
            raise exceptions.UnsupportedMediaType(media_type, "The body must be in UTF-8.")


def read_body(stream: IO[Any]) -> bytes:
    """The whole body. Raises TooLargeError before more than the limit is in memory."""
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body: bytes = stream.read(limit + 1)
    if len(body) > limit:
        raise TooLargeError(f"A request body has at most {limit} bytes.")
    return body


def parse_body(body: bytes) -> Any:
    """The JSON value in a body. Raises InvalidError."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidError("The body is not valid JSON.") from None


def _charset(media_type: str) -> str:
    for parameter in media_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"').lower()
    return ""


# -- Errors -------------------------------------------------------------------------------------------------------


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's exception handler: nothing leaves a view but JSON. What nobody foresaw is logged, and is `internal`."""
    return error_response(exc, nested)


def nested(error: ReaktorError) -> dict[str, object]:
    return {"error": error.as_data()}


def flat(error: ReaktorError) -> dict[str, object]:
    """The seed contract's shape: its clients show the sentence."""
    return {"error": error.message, "code": error.code.value}


def error_response(exc: Exception, shape: Shape) -> Response:
    """The answer for whatever a view raised: status, body in that shape, and the headers that belong to it."""
    error, status = as_reaktor_error(exc)
    if type(error) is ReaktorError:
        logger.error("rest: unforeseen %s", type(exc).__name__, exc_info=exc)
    return Response(shape(error), status=status, headers=error_headers(error))


def error_headers(error: ReaktorError) -> dict[str, str]:
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(math.ceil(error.retry_after_s), 1))
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def as_reaktor_error(exc: Exception) -> tuple[ReaktorError, int]:
    """(our error, HTTP status) for anything raised in a view. Exactly ReaktorError: unforeseen, to be logged."""
    if isinstance(exc, ReaktorError):
        return exc, exc.status
    if isinstance(exc, exceptions.APIException):
        return _from_drf(exc)
    if isinstance(exc, (OperationalError, InterfaceError)):
        if not ended_by_a_limit(exc):
            forget_pooled()
        return UnavailableError(), UnavailableError().status
    if isinstance(exc, RequestDataTooBig):
        return TooLargeError(), TooLargeError().status
    for kind, error in (
        (Http404, NotFoundError()),
        (PermissionDenied, ForbiddenError()),
        (SuspiciousOperation, InvalidError()),
    ):
        if isinstance(exc, kind):
            return error, error.status
    return ReaktorError(), HTTPStatus.INTERNAL_SERVER_ERROR


def _from_drf(exc: exceptions.APIException) -> tuple[ReaktorError, int]:
    """DRF's own errors keep their status: 405, 406 and 415 have no code of their own in the protocol."""
    detail = str(exc.detail)
    if isinstance(exc, exceptions.ValidationError):
        fields = _fields(exc.detail)
        named = "; ".join(f"{name}: {text}" for name, text in fields.items())
        return InvalidError(named or "The input is not valid.", fields=fields), exc.status_code
    if isinstance(exc, (exceptions.NotAuthenticated, exceptions.AuthenticationFailed)):
        return NotAuthenticatedError(), HTTPStatus.UNAUTHORIZED
    kinds: Mapping[type[exceptions.APIException], type[ReaktorError]] = {
        exceptions.PermissionDenied: ForbiddenError,
        exceptions.NotFound: NotFoundError,
        exceptions.MethodNotAllowed: UnknownOperationError,
        exceptions.Throttled: RateLimitedError,
    }
    kind = kinds.get(type(exc), InvalidError if exc.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else ReaktorError)
    return kind(None if kind is ReaktorError else detail), exc.status_code


def _fields(detail: Any) -> dict[str, str]:
    """{field: what is wrong}, from DRF's nested lists of them."""
    if not isinstance(detail, Mapping):
        detail = {"body": detail}
    return {str(name): _sentence(problems) for name, problems in detail.items()}


def _sentence(problems: Any) -> str:
    if isinstance(problems, Mapping):
        return " ".join(_sentence(each) for each in problems.values())
    if isinstance(problems, (list, tuple)):
        return " ".join(_sentence(each) for each in problems)
    return str(problems)


def json_error(error: ReaktorError, shape: Shape = nested, status: int | None = None) -> HttpResponse:
    """The same answer without DRF: for Django's own handlers."""
    response = HttpResponse(orjson.dumps(shape(error)), status=status or error.status, content_type="application/json")
    for name, value in error_headers(error).items():
        response[name] = value
    return response


Handler = Callable[..., HttpResponse]


class JsonHandlers:
    """Django's handler400/403/404/500, in JSON for all paths but those of pages for people.

    `html`: path prefixes that keep Django's pages (the admin). `flat`: paths whose errors, and those below, are flat.
    """

    def __init__(self, *, html: tuple[str, ...], flat: tuple[str, ...]) -> None:
        self._html = html
        self._flat = flat

    def handler(self, error: type[ReaktorError], page: Handler) -> Handler:
        """A handler that answers with this error, or with Django's own `page`."""

        def handle(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.path.startswith(self._html):
                return page(request, *args, **kwargs)
            exc = args[0] if args else kwargs.get("exception")
            found = as_reaktor_error(exc)[0] if isinstance(exc, TooLargeError | RequestDataTooBig) else error()
            return json_error(found, flat if is_under(request.path, self._flat) else nested)

        return handle
