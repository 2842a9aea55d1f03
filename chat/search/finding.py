"""Searches: which messages answer one, newest first, of those that whoever asks may read now.

The index is asked in windows of time that go back until the page is full: short ones at first, longer ones while
nothing comes. It says what may be meant; the live rows say whether the message is still there, in which channel, and
what it says now. After BUDGET_S the page ends where it is, and `next` leads on from there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

from accounts.selectors import user_named
from chat import selectors
from chat.domain import search as rules
from chat.domain.hiding import is_hidden, message_seen, names_hidden
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.search import Filters, HitData, HitsData, Query
from chat.models import Message, message_search
from chat.models.message_search import LONGEST, SHORTEST, TOP, WHOLE, Found, TooSlowError, Wanted
from chat.selectors import ChannelAccess
from chat.selectors.hiding import blocked_names
from chat.selectors.rows import MessageColumns
from reaktor.errors import InvalidError, NotFoundError, UnavailableError
from reaktor.why import Why

PAGE = 25
BUDGET_S = 0.5
FEW_CHANNELS = 8
"""Of so many the index is asked for each; of more what it finds is looked through for them."""
CANDIDATES = 100
"""So many messages are read at once."""
ROUGH_CANDIDATES = 400
"""So many are asked for at once where the index finds more than answers."""
SLOW_S = 0.12
"""A window that took longer is followed by a shorter one."""
LONGER = ((0.01, 3), (0.02, 2), (0.05, 1))
"""One that took less is followed by one of so many bits more."""
FIRST_BITS = 25
"""Of the first window where nothing is known of the words: nine hours."""
MATCHES = 300
"""So many messages with the words are looked for in the first window, as the newest messages have them."""
LEAST_S = 0.05
"""What is left to a last look at the index, however late it is."""
CLOCKS_APART = timedelta(minutes=5)
_CURSOR = re.compile(rules.CURSOR)


class Asked(NamedTuple):
    """A search, with names looked up. `channels`: their ids; None: all there are (for staff). `has`: one of HAS.
    `thread`: its root's id.
    """

    query: Query
    channels: Sequence[int] | None
    author: UserRef | None
    has: str | None
    low: int
    high: int
    thread: str | None = None


class Hit(NamedTuple):
    """A message that answers, and where what was looked for stands in its text."""

    message: MessageColumns
    highlights: list[list[int]]


class Page(NamedTuple):
    """Messages newest first, and the place to go on below; None: that was all."""

    hits: list[Hit]
    below: int | None


def messages_search(
    *, user: UserRef, q: str, filters: Filters, cursor: str | None = None, clock: Callable[[], float] = time.monotonic
) -> HitsData:
    """A page of what answers the query in the channels that the user belongs to, or in the one that is named, if they
    may read it.

    Raises InvalidError (nothing to look for, no cursor of a page), NotFoundError (no such channel, author
    or thread), BannedError.
    """
    began = clock()
    asked = _asked(user, rules.parsed(q), filters, cursor)
    if asked.channels is not None and not asked.channels:
        return {"results": [], "next": None}
    page = search_page(asked, limit=PAGE, until=began + BUDGET_S, clock=clock)
    return {"results": _seen(user, page.hits), "next": None if page.below is None else f"{page.below:x}"}


def _asked(user: UserRef, query: Query, filters: Filters, cursor: str | None) -> Asked:
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        raise InvalidError("That is not a cursor of this list.", fields={"cursor": "unknown"})
    has = filters.get("has")
    if has is not None and has not in rules.HAS:
        raise InvalidError(f"has is one of {', '.join(rules.HAS)}.", fields={"has": "unknown"})
    if not query.wanted and has is None and "author" not in filters:
        raise InvalidError(
            "Give a word to look for, or an author.", fields={"q": "nothing to look for"}, why=Why.SEARCH_FORM
        )
    author = None
    if "author" in filters:
        named = user_named(filters["author"])
        if named is None:
            raise NotFoundError("There is no such user.", why=Why.NO_SUCH_USER)
        author = selectors.user_ref(named)
    root = _root(user, filters["thread"], filters.get("channel")) if "thread" in filters else None
    if root is not None:
        channels = [root.channel_id]
    elif "channel" in filters:
        channels = [selectors.channel_access(user=user, key=ChannelKey(filters["channel"])).channel.id]
    else:
        channels = selectors.channels_searched(user)
    high = TOP if cursor is None else int(cursor, 16)
    if "before" in filters:
        high = min(high, _place(filters["before"].timestamp()))
    low = _place(filters["after"].timestamp()) if "after" in filters else 0
    if root is not None:
        # Nothing of it was said before its root, but the clocks of two hosts may be apart.
        low = max(low, _place((root.created_at - CLOCKS_APART).timestamp()))
    return Asked(query, channels, author, has, low, high, None if root is None else str(root.pk))


def _root(user: UserRef, thread: str, channel: str | None) -> Message:
    """Raises NotFoundError (there is none, or none that the user may read), BannedError, InvalidError (a reply)."""
    try:
        pk = selectors.parse_message_id(thread)
        key = Message.objects.filter(pk=pk).values_list("channel__key", flat=True).first()
        if key is not None and channel in (None, key):
            return selectors.thread_root(user=user, key=key, thread=thread)[1]
    except NotFoundError:
        pass
    raise NotFoundError("There is no such thread.")


def _place(seconds: float) -> int:
    return message_search.place_at(max(int(seconds * 1000), 0))


def _seen(user: UserRef, hits: Sequence[Hit]) -> list[HitData]:
    """As the user sees them, without what they may not read or is hidden from them."""
    keys = list({ChannelKey(hit.message.channel) for hit in hits})
    rooms = {each.channel.key: each for each in selectors.channels_named(user=user, keys=keys)} if keys else {}
    blocked = blocked_names(user.id) if any(each.channel.kind.is_direct for each in rooms.values()) else []
    found: list[HitData] = []
    for message, hit in zip(selectors.message_data([hit.message for hit in hits]), hits, strict=True):
        room = rooms.get(ChannelKey(message["channel"]))
        if room is None:
            continue
        hidden = names_hidden(room.channel.kind, blocked)
        if not is_hidden(message["author"], hidden):
            shown = message_seen(message, hidden)
            found.append({"message": shown, "channel": _channel(room), "highlights": hit.highlights})
    return found


def _channel(room: ChannelAccess) -> rules.SearchChannel:
    return {"key": room.channel.key, "name": room.channel.name, "kind": room.channel.kind.value}


# -- Going back in time ---------------------------------------------------------------------------------------------


def search_page(asked: Asked, *, limit: int, until: float, clock: Callable[[], float] = time.monotonic) -> Page:
    """What answers in these channels, whoever asks: for messages_search(), and for staff. `until`: by the clock."""
    return _Walk(asked, limit, until, clock).page()


class _Walk:
    """One page: how far back it has come, and what it has found."""

    def __init__(self, asked: Asked, limit: int, until: float, clock: Callable[[], float]) -> None:
        self._asked = asked
        self._limit = limit
        self._until = until
        self._clock = clock
        self._wanted = _wanted(asked)
        self._high = asked.high
        self._bits = FIRST_BITS
        self._is_rough = rules.is_rough(asked.query)
        self._candidates = ROUGH_CANDIDATES if self._is_rough else CANDIDATES
        self._hits: list[Hit] = []

    def page(self) -> Page:
        below = self._go_back()
        # Those of one moment have ids in no order.
        self._hits.sort(key=lambda hit: (hit.message.id[:13], hit.message.number), reverse=True)
        return Page(self._hits, below)

    def _go_back(self) -> int | None:
        """Until the page is full, or the time is up; below which place there may be more. However late it is, it comes
        further than it was.
        """
        with suppress(TooSlowError):
            self._look_at_newest()
        has_gap = True
        while not self._is_full and self._high > self._asked.low:
            if self._clock() >= self._until and self._high < self._asked.high:
                return self._high
            if has_gap:
                newest = message_search.newest_below(self._high)
                if newest is None or newest < self._asked.low:
                    return None
                self._high = newest + 1
            found = self._look_at_window()
            if found is None:
                if self._high == self._asked.high:
                    raise UnavailableError("That search takes too long now.")
                return self._high
            has_gap = not found
        return self._high if self._is_full and self._high > self._asked.low else None

    @property
    def _is_full(self) -> bool:
        return len(self._hits) >= self._limit

    @property
    def _left_s(self) -> float:
        return max(self._until - self._clock(), LEAST_S)

    def _look_at_newest(self) -> None:
        newest = message_search.look_at_newest(
            self._wanted, low=self._asked.low, high=self._high, limit=self._candidates, within_s=self._left_s
        )
        self._take(newest.found, newest.down_to)
        if newest.span_ms is not None:
            wanted_ms = newest.span_ms * MATCHES // (newest.matching + 1)
            self._bits = min(max(wanted_ms.bit_length() - 1, SHORTEST), LONGEST)

    def _look_at_window(self) -> list[Found] | None:
        """None: the time was over before the shortest one was looked through."""
        began = self._clock()
        low = max(self._asked.low, message_search.window_start(self._bits, self._high))
        try:
            found = message_search.look(
                self._wanted, bits=self._bits, low=low, high=self._high, limit=self._candidates, within_s=self._left_s
            )
        except TooSlowError:
            if self._bits == SHORTEST:
                return None
            self._shorten(3)
            return []
        took_s = self._clock() - began
        self._take(found, low if len(found) < self._candidates else found[-1].place)
        if took_s > SLOW_S:
            self._shorten(1)
        elif len(found) < self._candidates:
            more = next((bits for within_s, bits in LONGER if took_s < within_s), 0)
            # What was quick to find among the newest is not in memory further back: no more than is needed.
            more = min(more, (self._candidates // (len(found) + 1)).bit_length() - 1)
            self._bits = self._bits + more if self._bits + more <= LONGEST else WHOLE
        return found

    def _shorten(self, bits: int) -> None:
        self._bits = max(min(self._bits - bits, LONGEST), SHORTEST)

    def _take(self, found: Sequence[Found], down_to: int) -> None:
        """Ask the live rows of what was found; `down_to`: nothing else was there down to this place."""
        at = 0
        while at < len(found):
            # As many as may be hits; where most of them are none, all.
            is_sparse = self._is_rough or self._asked.thread is not None
            some = found[at : at + (CANDIDATES if is_sparse else self._limit - len(self._hits))]
            at += len(some)
            ids = [each.message_id for each in some]
            if self._is_rough:
                # The texts alone: most of these messages are no hits.
                texts = selectors.texts_standing(ids)
                ids = [pk for pk in ids if pk in texts and rules.may_answer(texts[pk], self._asked.query)]
            messages = selectors.messages_standing(ids)
            for each in some:
                message = messages.get(each.message_id)
                highlights = None if message is None else self._highlights(message)
                if message is not None and highlights is not None:
                    self._hits.append(Hit(message, highlights))
                    if self._is_full:
                        self._high = each.place
                        return
        self._high = down_to

    def _highlights(self, message: MessageColumns) -> list[list[int]] | None:
        """None: as it is now, the message does not answer. Filters by what else a message has belong here."""
        author = self._asked.author
        if author is not None and message.author != author.username:
            return None
        if not self._is_in_thread(message):
            return None
        if self._asked.has == "link" and not rules.has_link(message.text):
            return None
        if self._asked.has == "file" and message.files is None:
            return None
        return rules.found_in(message.text, self._asked.query)

    def _is_in_thread(self, message: MessageColumns) -> bool:
        root = self._asked.thread
        return root is None or message.id == root or (message.thread is not None and message.thread.root == root)


def _wanted(asked: Asked) -> Wanted:
    needles, barred = rules.needles_of(asked.query)
    if asked.author is not None:
        needles.append(rules.Needle(rules.author_mark(asked.author.id)))
    if asked.has is not None:
        needles.append(rules.Needle(rules.FILE_MARK if asked.has == "file" else rules.LINK_MARK))
    few = asked.channels is not None and len(asked.channels) <= FEW_CHANNELS
    any_of = [rules.channel_mark(channel_id) for channel_id in asked.channels or ()] if few else []
    return Wanted(needles, barred, any_of, asked.channels)
