"""/api/v1/users: the directory of people, and each of them."""

from __future__ import annotations

from functools import partial
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.directory import LEAST_CHARS, PAGE, PersonData, directory_page, people_named, person_named
from chat import selectors
from chat.transports.rest.belonging import name_in_path
from chat.transports.rest.views import ChatView
from reaktor.errors import InvalidError
from reaktor.limits.rates import Limit, Unmetered
from reaktor.shapes import ListData
from reaktor.web.api import READS, Text, answers, operation

SEARCHES = Unmetered("the view counts searches; what is asked by name is a read")
SEARCH_CHARS = 64


class PeopleQuery(serializers.Serializer[Any]):
    search = Text(
        required=False,
        max_length=SEARCH_CHARS,
        help_text=f"The beginning of a user name or display name, at least {LEAST_CHARS} characters. Case and accents "
        "do not matter.",
    )
    names = Text(
        required=False,
        max_length=40 * PAGE,
        help_text=f"Instead of a search: up to {PAGE} user names, with commas between them.",
    )
    cursor = Text(
        required=False, pattern=r"^[A-Za-z0-9_-]{1,400}\.[0-9a-f]{32}\Z", help_text="`next` of the page before."
    )


class PeopleView(ChatView):
    @operation(
        SEARCHES,
        operation_id="users_list",
        query=PeopleQuery,
        responses=answers({200: ListData[PersonData]}, 403),
        tags=["people"],
    )
    def get(self, request: Request) -> Response:
        """People, by the beginning of a name, or by their names. Searches are counted.

        Where DIRECTORY is `shared` a search finds who belongs to a channel that one belongs to, too, other than the
        three of the beginning; a page may then be short or empty, and `next` leads on until it is null.
        """
        search, names = self.wanted.get("search"), self.wanted.get("names")
        if (search is None) == (names is None):
            raise InvalidError("Give either `search` or `names`.", fields={"search": "one of the two"})
        if names is not None:
            wanted = names.split(",")
            if len(wanted) > PAGE:
                raise InvalidError(f"At most {PAGE} names at once.", fields={"names": f"at most {PAGE}"})
            return Response({"results": people_named(wanted), "next": None})
        self.count(request, Limit.DIRECTORY)
        shown = None if self.app().config.directory == "all" else partial(selectors.sharing, self.me(request).id)
        return Response(directory_page(search or "", cursor=self.wanted.get("cursor"), shown=shown))


class PersonView(ChatView):
    @operation(READS, operation_id="users_get", responses=answers({200: PersonData}, 403, 404), tags=["people"])
    def get(self, request: Request, username: str) -> Response:
        """Somebody, as everybody sees them."""
        return Response(person_named(name_in_path(username)))
