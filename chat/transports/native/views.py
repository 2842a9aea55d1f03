"""GET /api/v1/asyncapi.json: the native protocol's document, for whoever writes a client."""

from __future__ import annotations

from functools import cache

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from chat.transports.native.asyncapi import document


@cache
def _body() -> bytes:
    return orjson.dumps(document())


@require_safe
def asyncapi(request: HttpRequest) -> HttpResponse:
    """Open to everybody, as the OpenAPI document is."""
    return HttpResponse(_body(), content_type="application/json")
