"""/api/v1/search: messages, by their words."""

from __future__ import annotations

from threading import BoundedSemaphore
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from chat.domain import search as rules
from chat.domain.search import HAS, QUERY_CHARS, HitsData, filters_of
from chat.search.finding import messages_search
from chat.transports.rest.shapes import UUID
from chat.transports.rest.views import ChatView
from reaktor.errors import UnavailableError
from reaktor.limits.rates import Limit
from reaktor.web.api import Text, answers, operation

AT_ONCE = BoundedSemaphore(4)
"""Of this process. A search may take half a second, and other requests need the threads and connections, too."""
TURN_S = 1.0
TIME_CHARS = 40


_DAY = "A time, or a day (UTC), as 2026-01-31."
SearchQuery: type[serializers.Serializer[Any]] = type(
    "SearchQuery",
    (serializers.Serializer,),
    # Two of the names are words of Python.
    {
        "q": Text(
            required=False,
            max_length=QUERY_CHARS,
            help_text='Words, "a phrase", -without, begin*. Case and accents do not matter. May be missing where there '
            "is a `from` or a `has`.",
        ),
        "in": Text(required=False, max_length=64, help_text="A channel's key. Without it: all that one belongs to."),
        "from": Text(required=False, max_length=64, help_text="The name of the author."),
        "before": Text(required=False, max_length=TIME_CHARS, help_text=_DAY),
        "after": Text(required=False, max_length=TIME_CHARS, help_text=_DAY),
        "has": serializers.ChoiceField(HAS, required=False),
        "thread": Text(
            required=False, pattern=UUID, help_text="The id of a thread's root: it, and what was answered there."
        ),
        "cursor": Text(required=False, pattern=rules.CURSOR + r"\Z", help_text="`next` of the page before."),
    },
)


class SearchView(ChatView):
    @operation(
        Limit.SEARCH,
        operation_id="messages_search",
        query=SearchQuery,
        responses=answers({200: HitsData}, 403, 404),
        tags=["messages"],
    )
    def get(self, request: Request) -> Response:
        """Messages that answer a query, newest first. A page may be short, or empty; `next` leads on until it is null.

        What was just posted is found within two seconds. Nothing is found that one may not read.
        """
        filters = filters_of(self.wanted)
        if not AT_ONCE.acquire(timeout=TURN_S):
            raise UnavailableError("Too many are searching.")
        try:
            found = messages_search(
                user=self.me(request),
                q=self.wanted.get("q") or "",
                filters=filters,
                cursor=self.wanted.get("cursor"),
            )
        finally:
            AT_ONCE.release()
        return Response(found)
