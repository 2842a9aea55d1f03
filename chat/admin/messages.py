"""Messages are looked for and looked at, and their text is taken away; nobody edits what another one said.

The list reads a bounded number of rows: the table may hold ten million.
"""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from accounts.models import User
from accounts.selectors import user_named
from chat import services
from chat.admin.access import ModerationAdmin, acting, shown_time, without_direct
from chat.admin.lists import LOOKED_AT, looked_at
from chat.domain.search import parsed
from chat.models import Channel, Message, Pin
from chat.models.message_search import TOP
from chat.search.finding import Asked, search_page
from chat.selectors import user_ref
from reaktor.errors import InvalidError, ReaktorError

FOUND = 200
SEARCH_S = 1.0


def named_channel(key: str) -> int:
    """The id of the channel with this key, for a filter; of none where there is none."""
    return Channel.objects.filter(key=key).values_list("pk", flat=True).first() or 0


def named_account(name: str) -> uuid.UUID:
    """The id of the account with this name, for a filter; of nobody where there is none."""
    user = user_named(name)
    return user.pk if user is not None else uuid.UUID(int=0)


class Search(NamedTuple):
    """What was typed into a search box. `channel` and `author`: ids, of nothing where there is no such (None: any)."""

    channel: int | None
    author: uuid.UUID | None
    words: list[str]

    @classmethod
    def parsed(cls, term: str) -> Search:
        """`in:channel`, `by:author`, and words."""
        channel, author, words = None, None, []
        for part in term.split():
            name, _, value = part.partition(":")
            if name == "in" and value:
                channel = named_channel(value)
            elif name == "by" and value:
                author = named_account(value)
            else:
                words.append(part)
        return cls(channel, author, words)

    @property
    def condition(self) -> Q:
        """For rows with a channel and an author; the words are to be looked for in what is left."""
        found = Q() if self.channel is None else Q(channel=self.channel)
        return found if self.author is None else found & Q(author=self.author)


def found_messages(search: Search) -> list[uuid.UUID]:
    """The newest messages that answer the words, wherever they are. Raises InvalidError, UnavailableError."""
    author = None
    if search.author is not None:
        user = User.objects.filter(pk=search.author).first()
        if user is None:
            return []
        author = user_ref(user)
    query = parsed(" ".join(search.words))
    if not query.wanted:
        raise InvalidError("Give a word to look for.")
    channels = None if search.channel is None else [search.channel]
    asked = Asked(query, channels, author, has=None, low=0, high=TOP)
    page = search_page(asked, limit=FOUND, until=time.monotonic() + SEARCH_S)
    return [uuid.UUID(hit.message.id) for hit in page.hits]


class WhenFilter(admin.SimpleListFilter):
    """By time through the primary key, which begins with it: the one index that the whole table has in that order."""

    title = "time"
    parameter_name = "when"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "last hour"), ("24", "last day"), ("168", "last week")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        value = self.value()
        if value not in {"1", "24", "168"}:
            return queryset
        since = datetime.now(UTC) - timedelta(hours=int(value))
        return queryset.filter(pk__gte=uuid.UUID(int=int(since.timestamp() * 1000) << 80))


@admin.register(Message)
class MessageAdmin(ModerationAdmin):
    list_display = ("when", "channel", "author", "shown_text", "number", "edited_at", "deleted_at")
    list_filter = (WhenFilter,)
    list_select_related = ("channel", "author")
    search_fields = ("text",)
    search_help_text = (
        'in:KEY (a channel), by:NAME (an author), and words, "a phrase", -without, begin*: the newest '
        f"{FOUND} that answer. Without words, the newest {LOOKED_AT:,} of that author or channel."
    )
    ordering = ("-id",)
    sortable_by = ("when",)
    fields = (
        "id", "channel", "author", "text", "number", "seq", "changed_seq", "reply_to", "nonce",
        "created_at", "edited_at", "said_before", "is_pinned", "deleted_at",
    )  # fmt: skip
    readonly_fields = fields
    actions = ("take_away",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        return without_direct(request, super().get_queryset(request), "channel__kind")

    @admin.display(description="time", ordering="id")
    def when(self, message: Message) -> str:
        return shown_time(message.created_at)

    @admin.display(description="text")
    def shown_text(self, message: Message) -> str:
        return "(deleted)" if message.deleted_at else Truncator(message.text).chars(80)

    @admin.display(description="said before")
    def said_before(self, message: Message) -> str:
        """Each text with the time since when it stood there, oldest first."""
        texts = message.earlier_texts.order_by("pk").values_list("written_at", "text")
        lines = format_html_join(SafeString("<br>"), "{}: {}", ((shown_time(at), text) for at, text in texts))
        return lines or "-"

    @admin.display(description="pinned", boolean=True)
    def is_pinned(self, message: Message) -> bool:
        return Pin.objects.filter(pk=message.pk).exists()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Message], search_term: str
    ) -> tuple[QuerySet[Message], bool]:
        """Words are looked for in the search index; all else along the one index that has it in order."""
        search = Search.parsed(search_term)
        if search.words:
            try:
                found = found_messages(search)
            except ReaktorError as error:
                self.message_user(request, error.message, messages.WARNING, fail_silently=True)
                found = []
            return queryset.filter(search.condition, pk__in=found), False
        along, order = Q(), str(queryset.query.order_by[0])
        if search.author is not None:
            along, order = Q(author=search.author), "-created_at"
        elif search.channel is not None:
            along, order = Q(channel=search.channel), "-number"
        queryset = queryset.filter(search.condition).order_by(order)
        return looked_at(queryset, order, of=Message.objects.filter(along)), False

    @admin.action(description="Take the text away (the place is kept)", permissions=["moderate"])
    def take_away(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        who = acting(request)

        def delete(message: Message) -> None:
            services.message_delete(user=who, key=message.channel.key, message_id=str(message.pk))

        self.do_each(request, queryset.select_related("channel"), delete, "Texts taken away")
