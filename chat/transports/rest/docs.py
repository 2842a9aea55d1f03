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

ONE_OF = frozenset({"names", "q"})
"""Parameters of a query that are needed unless another one is given."""
_making = threading.Lock()
EXAMPLES = {
    "key": "tea",
    "username": "bob",
    "message_id": "01af2b6c-7d10-7c3e-8a55-3f1d2e4b5a69",
    "emoji": "👍",
    "session_id": "5f0c6a9e1b7d4c2a8e3f9b06",
    "code": "Jx2yQ7rT0aVn5KcWb9LmEg",
    "sanction_id": "17",
    "report_id": "42",
    "app_password_id": "01af2b6c-7d10-7c3e-8a55-3f1d2e4b5a70",
    "bot_id": "01af2b6c-7d10-7c3e-8a55-3f1d2e4b5a70",
    "hook_id": "8",
    "file_id": "01af2b6c-7d10-7c3e-8a55-3f1d2e4b5a71",
    "name": "tea.png",
    "token": "rkh_Jx2yQ7rT0aVn5KcWb9LmEgJx2yQ7rT0aVn5KcWb9LmE",
    "after": 0,
    "names": "bob",
    "q": "tea",
}
"""What stands for the parts of paths and for what a query must have. A test sends them, as its server calls them."""


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
    for operations in found["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter.get("required") or parameter["name"] in ONE_OF:
                    parameter["example"] = EXAMPLES[parameter["name"]]
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
