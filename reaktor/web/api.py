"""The parts that views of the documented REST interface are made of: a lean base view, strict input, described errors.

Input is validated by DRF serializers without coercion (a number is no string), output is plain values: the shapes named
in extend_schema() describe it for the OpenAPI document (reaktor.web.openapi).
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar, NamedTuple, TypedDict, TypeVar

from django.core.validators import RegexValidator
from django.http import HttpRequest
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.fields import SkipField, empty
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from reaktor.errors import ErrorDetail
from reaktor.limits.rates import Allowance, Limit, Rates, Unmetered
from reaktor.numbers import MAX_INTEGER
from reaktor.web import openapi  # noqa: F401  registers itself

READS = Unmetered("reads change nothing, and the threads of REST bound how many run at once")
READING = frozenset({"GET", "HEAD"})
_DIGITS = re.compile(r"[0-9]{1,18}")
M = TypeVar("M", bound=Callable[..., Any])


class Input(serializers.Serializer[Any]):
    """What a request may bring: its fields check it. `example`: one that does, for the document; a test sends it."""

    example: ClassVar[dict[str, Any]]


class JsonAlways(BaseContentNegotiation):
    """There is one format, whatever the Accept header says: a client that wants another one still reads the error."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        media_type = (request.content_type or "").split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type in {media_type, "*/*"}), None)

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class Operation(NamedTuple):
    """What a method of a view is asked: how often by one user, and the serializers that check its input.

    `is_reading`: it changes nothing, though it is no GET.
    """

    allowance: Allowance
    body: type[Input] | None
    query: type[serializers.Serializer[Any]] | None
    is_reading: bool


def operation(
    allowance: Allowance,
    *,
    body: type[Input] | None = None,
    query: type[serializers.Serializer[Any]] | None = None,
    is_reading: bool = False,
    **described: Any,
) -> Callable[[M], M]:
    """A decorator for a method of a view: the one place that says how often it may be asked, and with which input.

    The method finds the checked input in self.wanted. `described` is extend_schema()'s, for the OpenAPI document; a
    view that is not in it (`schema = None`) has none. `is_reading`: as Operation has it.
    """

    def declare(method: M) -> M:
        if described:
            parameters = [] if query is None else [query]
            summary = _first_part(method.__doc__ or "")
            examples = [] if body is None else [OpenApiExample("Example", value=body.example, request_only=True)]
            asked = {
                "request": body,
                "parameters": parameters,
                "summary": summary,
                "examples": examples,
                **described,
            }
            method = extend_schema(**asked)(method)
        method.operation = Operation(allowance, body, query, is_reading)  # type: ignore[attr-defined]  # it may
        return method

    return declare


def _first_part(text: str) -> str:
    """The first sentence of a docstring, or what stands before its first colon or semicolon: a line in a list."""
    return re.split(r"[.:;](?:\s|$)", " ".join(text.split()), maxsplit=1)[0]


class ApiView(APIView):
    """A view of the REST interface. OPTIONS is for preflights alone (reaktor.web.cors), so it is no method here.

    Each method is an @operation (a test looks). Before it runs its input was checked, then its rate: what breaks a rule
    of form does not count. A subclass whose methods have a Limit says where its process has the rates.
    """

    content_negotiation_class = JsonAlways
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    wanted: dict[str, Any]

    @staticmethod
    @abstractmethod
    def rates() -> Rates:
        """The rates of this process."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After the token, before the method. Raises DRF's MethodNotAllowed and ValidationError, RateLimitedError,
        ForbiddenError (a token that is good for reading alone, and a method that is not).
        """
        name = (request.method or "").lower()
        method = getattr(self, name, None) if name in self.http_method_names else None
        if method is None:
            raise MethodNotAllowed(request.method or "")
        super().initial(request, *args, **kwargs)
        asked: Operation = method.operation
        if not asked.is_reading and request.method not in READING:
            self.check_write(request)
        self.wanted = {}
        if asked.query is not None:
            self.wanted |= validated(asked.query, request.query_params.dict())
        if asked.body is not None:
            self.wanted |= validated(asked.body, request.data)
        if not isinstance(asked.allowance, Unmetered):
            self.count(request, asked.allowance)

    @staticmethod
    def check_write(request: Request) -> None:
        """Raises ForbiddenError for a token that is good for reading alone."""
        claims: Any = request.auth
        if claims is not None:
            claims.check_write()

    def count(self, request: Request, limit: Limit) -> None:
        """Count one of the user behind the token, in all processes. Raises RateLimitedError."""
        self.rates().check(limit, str(request.user.pk))


def validated(kind: type[serializers.Serializer[Any]], source: Any) -> dict[str, Any]:
    """The checked input of a mapping (the parsers give nothing else); fields that have no name here are ignored.

    Runs the declared fields themselves: a serializer copies all of them for every request, which costs more than
    checking does. Raises DRF's ValidationError, which the one handler answers as `invalid`.
    """
    found: dict[str, Any] = {}
    problems: dict[str, Any] = {}
    for name, field in kind._declared_fields.items():
        try:
            found[name] = field.run_validation(source.get(name, empty))
        except serializers.ValidationError as error:
            problems[name] = error.detail
        except SkipField:
            continue
    if problems:
        raise serializers.ValidationError(problems)
    return found


def client_address(request: HttpRequest | Request) -> str:
    """Whom limits count: the peer, as the server resolved it (behind trusted proxies, whom they name)."""
    return str(request.META.get("REMOTE_ADDR") or "")


STORABLE = r"^[^\x00]*\Z"
"""Any text but NUL, which no database keeps."""
NOT_BLANK = r"^[^\x00]*[^\s\x00][^\x00]*\Z"


class Text(serializers.CharField):
    """A string as sent: no number becomes one, nothing is trimmed. `pattern` is checked, and stands in the document."""

    def __init__(self, *, pattern: str = STORABLE, may_be_blank: bool = False, **options: Any) -> None:
        # Not DRF's allow_blank: drf-spectacular takes that and a pattern for two kinds of text.
        self.may_be_blank = may_be_blank
        if not may_be_blank:
            options.setdefault("min_length", 1)
        super().__init__(**{"trim_whitespace": False, **options})
        self.validators.append(RegexValidator(pattern, "This has characters that are not allowed here."))

    def run_validation(self, data: Any = empty) -> Any:
        return "" if data == "" and self.may_be_blank else super().run_validation(data)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    """A whole number: a JSON integer in a body; digits alone in a query string."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"min_value": 0, "max_value": MAX_INTEGER, **options})

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str) and _DIGITS.fullmatch(data):
            return int(data)
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class WholeInBody(Whole):
    """The same where strings are no numbers."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """true or false, in a body; not what could be meant by it, as in a query string."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


# -- Describing answers -------------------------------------------------------------------------------------------


class Error(TypedDict):
    """Every error of this interface."""

    error: ErrorDetail


EVERYWHERE = (400, 401, 405, 413, 415, 429, 500, 503)
"""What any operation may answer: bad input or method, no token, too large, too often, out of order, too busy."""


def answers(good: dict[int, Any], *errors: int) -> dict[int, Any]:
    """extend_schema(responses=…): the good answers, the errors named, and those that may come from anywhere."""
    found: dict[int, Any] = {
        status: answer or OpenApiResponse(description=HTTPStatus(status).phrase) for status, answer in good.items()
    }
    for status in sorted({*errors, *EVERYWHERE}):
        found[status] = OpenApiResponse(Error, description=HTTPStatus(status).phrase)
    return found
