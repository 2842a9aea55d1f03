"""GET and POST /channels, POST /channels/:key/join, GET /channels/:key/messages.

Counting is the original's: ranges from the newest message, but half-open, so that pages share no message.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable

import orjson
from rest_framework.request import Request
from rest_framework.response import Response

from chat import selectors, services
from chat.domain import rules
from chat.domain.events import MemberData, MessageData
from chat.domain.files import text_with_files
from chat.domain.hiding import NOBODY, Names, messages_seen
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.sessions import Status
from chat.selectors import ChannelAccess
from chat.transports.seed.views import SeedView, missing
from chat.transports.views import ChatSide
from reaktor.errors import InvalidError, NotFoundError, RateLimitedError
from reaktor.limits.rates import Limit
from reaktor.web.api import READS, operation

JOIN_MESSAGES = 25
MAX_MESSAGES = 100
LIST_PAGES = 5
"""As many pages a list without pages counts for: it is much longer than one."""
MAX_MEMBERS = 1_000
"""Of one answer: its clients know no pages."""
JOIN_TIMEOUT_S = 5.0
DELETED = "(deleted)"
_POSITION = re.compile(r"[0-9]{1,15}")


class ChannelsView(SeedView):
    @operation(Limit.LISTS)
    def get(self, request: Request) -> Response:
        """General, Programming, Random, then the newest of the other public channels, oldest first."""
        # Whoever may ask for one page is not refused what is counted as more of them.
        with contextlib.suppress(RateLimitedError):
            for _ in range(LIST_PAGES - 1):
                self.count(request, Limit.LISTS)
        return Response(orjson.Fragment(self.app().listing.get(self._listed)))

    def _listed(self) -> bytes:
        """The same for everybody, and all clients ask for it when they come back."""
        found = selectors.public_channels(self.app().config.limits.seed_channels)
        return listed(found, self.online())

    @operation(Limit.CREATE_CHANNEL)
    def post(self, request: Request) -> Response:
        """{name} → the new public channel."""
        name = self.fields(request).get("name")
        if missing(name):
            raise InvalidError("Missing channel name!")
        me = self.me(request)
        checked = rules.check_channel_name(name)
        made = services.channel_create(user=me, name=checked, text_rules=self.app().text_rules).channel
        return Response({"name": made.name, "key": made.key, "onlineUsers": 0, "onlineCount": 0}, status=201)


class JoinView(SeedView):
    @operation(Limit.JOIN, is_reading=True)
    def post(self, request: Request, key: str) -> Response:
        """Enter with one's live Socket.IO sessions, wherever they are. An unknown key makes an unlisted channel."""
        me = self.me(request)
        channel = self._channel(request, me, key).channel
        live, status = self.live(), None
        others: list[MemberData] = []
        if live is not None:
            others = live.join_user_for_view(me.id, channel.key, channel.seq, JOIN_TIMEOUT_S, limit=MAX_MEMBERS)
            status = live.status_of(me.id)
        page = selectors.messages_page(channel.id, limit=JOIN_MESSAGES)
        messages = messages_seen(page.messages, selectors.hidden_names(me.id, channel.key))
        joined = joined_json(channel.key, strings_json(messages), members_shown(me.username, status, others))
        return Response(orjson.Fragment(joined))

    def _channel(self, request: Request, me: UserRef, key: str) -> ChannelAccess:
        """The channel to enter. Raises InvalidError for a key that is none, or that nobody may choose."""
        try:
            return selectors.channel_access(user=me, key=rules.parse_channel_key(key))
        except NotFoundError:
            chosen = rules.check_channel_key(key)
        self.check_write(request)
        # A private channel that is not theirs has a reserved key, so check_channel_key() refused it above.
        self.count(request, Limit.CREATE_CHANNEL)
        return services.channel_ensure(user=me, key=chosen, text_rules=self.app().text_rules)[0]


class MessagesView(SeedView):
    @operation(READS)
    def get(self, request: Request, key: str) -> Response:
        """?start=S&end=E: the messages at positions S (0: the newest) up to but not including E, oldest first.

        At most MAX_MESSAGES, the newest of the range. A channel that does not exist (for this user) has none.
        """
        start, end = (self._position(request, name) for name in ("start", "end"))
        me = self.me(request)
        try:
            channel = selectors.channel_access(user=me, key=rules.parse_channel_key(key)).channel
        except NotFoundError:
            rules.check_channel_key(key)
            return Response({"messages": []})
        hidden = selectors.hidden_names(me.id, channel.key)
        return Response(orjson.Fragment(messages_json(channel.id, channel.number, hidden, start=start, end=end)))

    @staticmethod
    def _position(request: Request, name: str) -> int:
        values = request.query_params.getlist(name)
        if len(values) != 1 or not _POSITION.fullmatch(values[0]):
            raise InvalidError(f"{name} must be one whole number")
        return int(values[0])


def listed(found: Iterable[tuple[ChannelKey, str]], online: Callable[[str], int]) -> bytes:
    """The answer for these (key, name), as JSON; `online`: how many are in a channel now."""
    return orjson.dumps({"channels": [{"name": name, "key": key, "onlineCount": online(key)} for key, name in found]})


def messages_json(channel_id: int, number: int, hidden: Names = NOBODY, *, start: int, end: int) -> bytes:
    """The answer with the messages at these positions, as JSON; `number`: the newest one's. To a reader from whom these
    people are hidden.
    """
    newest, oldest = number - start, number - min(end, start + MAX_MESSAGES) + 1
    messages = selectors.messages_between(channel_id, oldest, newest) if newest >= oldest else []
    return orjson.dumps({"messages": as_strings(messages_seen(messages, hidden))})


def joined_json(key: ChannelKey, messages: bytes, members: list[MemberData]) -> bytes:
    """The answer to a join, as JSON; `messages`: strings_json() of the newest JOIN_MESSAGES."""
    return orjson.dumps({"key": key, "messages": orjson.Fragment(messages), "onlineUsers": members})


def members_shown(username: str, status: Status | None, others: Iterable[MemberData]) -> list[MemberData]:
    """The first MAX_MEMBERS of the channel, the caller before all others: who joins without a live session (`status`
    None) is shown to be online, too.
    """
    caller = MemberData(username=username, status=(status or Status.ONLINE).value)
    return [caller, *(each for each in others if each["username"] != username)][:MAX_MEMBERS]


def strings_json(messages: Iterable[MessageData]) -> bytes:
    """as_strings(), as JSON."""
    return orjson.dumps(as_strings(messages))


def _text(message: MessageData) -> str:
    """Files are lines of it."""
    text = DELETED if message["text"] is None else message["text"]
    return text_with_files(text, message["files"], ChatSide.app().config.page_url) if "files" in message else text


def as_strings(messages: Iterable[MessageData]) -> list[str]:
    """Each message as the JSON string that the original kept in its lists. Hidden ones are left out: for those its
    clients have no word.
    """
    return [
        orjson.dumps(
            {
                "message": _text(message),
                "user": message["author"],
                "date": message["created_at"],
                "id": message["id"],
                "seq": message["seq"],
                "channel": message["channel"],
            }
        ).decode()
        for message in messages
        if "hidden" not in message
    ]
