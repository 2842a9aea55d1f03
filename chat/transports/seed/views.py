"""What the seed contract's views share: lenient input, flat errors, the header with a colon.

Source: the seed contract, "REST". Its clients show the sentence of an error, so the sentences are the original's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any

from django.http import Http404
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import Claims, token_from_header, user_for_claims, verify_token
from accounts.models import User
from chat.transports.views import ChatSide
from reaktor.errors import InvalidError, NotAuthenticatedError
from reaktor.web.api import ApiView
from reaktor.web.rest import OrjsonParser, error_response, flat, parse_body, read_body


class SeedParser(OrjsonParser):
    """JSON when the body says that it is; any other type, or no object, reads as one without fields, as it did."""

    media_type = "*/*"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        if not (media_type or "").lower().startswith("application/json"):
            read_body(stream)
            return {}
        self.check_charset(media_type or "")
        body = read_body(stream)
        value = parse_body(body) if body else {}
        return value if isinstance(value, dict) else {}


class SeedAuthentication(BaseAuthentication):
    """`Authorization: Bearer: <jwt>`, `Bearer <jwt>` or the bare token."""

    @staticmethod
    def claims_in(header: str) -> Claims:
        """Of the header's value. CPU only. Raises NotAuthenticatedError."""
        token = token_from_header(header)
        if not token:
            raise NotAuthenticatedError("Token is missing")
        try:
            return verify_token(token)
        except NotAuthenticatedError:
            raise NotAuthenticatedError("Token is not valid") from None

    def authenticate(self, request: Request) -> tuple[User, Claims]:
        claims = self.claims_in(request.META.get("HTTP_AUTHORIZATION", ""))
        try:
            return user_for_claims(claims), claims
        except NotAuthenticatedError:
            raise NotAuthenticatedError("Token is not valid") from None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class SeedView(ChatSide, ApiView):
    """A view of the seed contract: not in the OpenAPI document, errors flat, other methods a plain 404."""

    schema = None
    parser_classes: Sequence[type[BaseParser]] = (SeedParser,)
    authentication_classes: Sequence[type[BaseAuthentication]] = (SeedAuthentication,)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, exceptions.MethodNotAllowed):
            exc = Http404()
        response = error_response(exc, flat)
        response.exception = True
        return response

    def fields(self, request: Request) -> dict[str, Any]:
        """The body's fields; {} for a body that is no JSON object."""
        data = request.data
        return data if isinstance(data, dict) else {}


def missing(value: object) -> bool:
    """What the original took for a missing parameter: everything that is false in JavaScript."""
    return value is None or value is False or value == "" or (isinstance(value, (int, float)) and value == 0)


def required(fields: Mapping[str, Any], *names: str) -> list[Any]:
    """The values of these fields. Raises InvalidError when one is missing or empty."""
    values = [fields.get(name) for name in names]
    if any(missing(value) for value in values):
        raise InvalidError("Missing parameter!")
    return values
