"""The OpenAPI document and a page to read and try it: generated from the views once per process, served as bytes."""

from __future__ import annotations

import functools
import hashlib
import threading

import orjson
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

_making = threading.Lock()


def document() -> tuple[bytes, str]:
    """(the OpenAPI document as JSON, its ETag). Takes about a tenth of a second once; the views don't change.

    By one thread at a time: drf-spectacular fails where two make the document at once.
    """
    with _making:
        return _document()


@functools.cache
def _document() -> tuple[bytes, str]:
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]  # drf-spectacular types only its decorators
    found = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # the same
    body = orjson.dumps(found, option=orjson.OPT_NON_STR_KEYS)
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    """GET /api/v1/schema: OpenAPI 3 as JSON."""
    body, etag = document()
    if request.headers.get("If-None-Match") == etag:
        response = HttpResponse(status=304)
    else:
        response = HttpResponse(body, content_type="application/json")
    response["ETag"] = etag
    return response


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """GET /api/v1/docs: Swagger UI from our own static files; the policy of every page is enough for it."""
    return render(request, "api/docs.html")
