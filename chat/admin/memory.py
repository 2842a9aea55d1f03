"""A worker's size does not depend on what the admin was asked: its pages read more than anything else does.

Each thread has a connection of its own, and SQLite keeps on each of them, for good, up to SQLITE_CACHE_KIB of what was
read last: 40 MiB more after some hundred pages of the admin.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase

Answer = Callable[[HttpRequest], HttpResponseBase]


def give_back(get_response: Answer) -> Answer:
    """Middleware: after a page of the admin its connection keeps nothing."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        match = request.resolver_match
        if match is not None and match.app_name == "admin" and connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA shrink_memory")
        return response

    return answer
