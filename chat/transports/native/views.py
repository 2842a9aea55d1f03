"""GET /api/v1/asyncapi.json and /api/v1/asyncapi: the native protocol's document and page, for who writes a client."""

from __future__ import annotations

from functools import cache

import orjson
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from chat.transports.native.asyncapi import document
from chat.transports.native.page import page_context


@cache
def _body() -> bytes:
    return orjson.dumps(document())


@require_safe
def asyncapi(request: HttpRequest) -> HttpResponse:
    """Open to everybody, as the OpenAPI document is."""
    return HttpResponse(_body(), content_type="application/json")


@cache
def _page() -> str:
    return render_to_string("api/native.html", page_context())


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The same to read: HTML without a script. It says what this version does, so it is made once."""
    return HttpResponse(_page())
