"""/api/v1/channels: find, make, change, read up to, and who is there."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from chat import selectors, services
from chat.domain import rules
from chat.domain.events import ChannelData, MemberData, OwnChannelData, ReadData
from chat.transports.rest import shapes
from chat.transports.rest.views import ChatView
from reaktor.limits.rates import Limit
from reaktor.shapes import ListData
from reaktor.web.api import READS, answers, operation

LIVE_TIMEOUT_S = 5.0


class ChannelsView(ChatView):
    @operation(
        Limit.LISTS,
        operation_id="channels_list",
        query=shapes.ChannelQuery,
        parameters=shapes.CHANNEL_QUERY,
        responses=answers({200: ListData[ChannelData]}, 403),
        tags=["channels"],
    )
    def get(self, request: Request) -> Response:
        """Public channels, oldest first."""
        page = selectors.channel_list(
            user=self.me(request), online=self.online(), **self.wanted, limit=shapes.PAGE_CHANNELS
        )
        return Response(page)

    @operation(
        Limit.CREATE_CHANNEL,
        operation_id="channels_create",
        body=shapes.ChannelInput,
        responses=answers({201: ChannelData}, 403),
        tags=["channels"],
    )
    def post(self, request: Request) -> Response:
        """A new channel with a random key; who makes it owns it."""
        me = self.me(request)
        made = services.channel_create(user=me, **self.wanted, text_rules=self.app().text_rules)
        return Response(self.shown(made), status=201)


class OwnChannelsView(ChatView):
    @operation(
        Limit.LISTS,
        operation_id="channels_list_own",
        query=shapes.OwnChannelsQuery,
        responses=answers({200: ListData[OwnChannelData]}, 403),
        tags=["channels"],
    )
    def get(self, request: Request) -> Response:
        """The channels that you belong to, those first in which something was said last."""
        page = selectors.my_channels(user=self.me(request), online=self.online(), **self.wanted)
        return Response(page)


class ChannelView(ChatView):
    @operation(READS, operation_id="channels_get", responses=answers({200: ChannelData}, 403, 404), tags=["channels"])
    def get(self, request: Request, key: str) -> Response:
        """One channel: a public one by token, an unlisted one by knowing its key, others by membership."""
        found = selectors.channel_access(user=self.me(request), key=rules.parse_channel_key(key))
        return Response(self.shown(found))

    @operation(
        Limit.CHANGES,
        operation_id="channels_update",
        body=shapes.ChannelChange,
        responses=answers({200: ChannelData}, 403, 404),
        tags=["channels"],
    )
    def patch(self, request: Request, key: str) -> Response:
        """Another name or topic, by an owner; slow mode, frozen or not, and who pins, by a moderator."""
        me = self.me(request)
        changed = services.channel_update(
            user=me, key=rules.parse_channel_key(key), **self.wanted, text_rules=self.app().text_rules
        )
        return Response(self.shown(changed))


class ChannelArchiveView(ChatView):
    @operation(
        Limit.CHANGES,
        operation_id="channels_archive",
        responses=answers({200: ChannelData}, 403, 404),
        tags=["channels"],
    )
    def post(self, request: Request, key: str) -> Response:
        """Nobody may write in it any more, by an owner; reading stays. Repeating it changes nothing."""
        changed = services.channel_archive(user=self.me(request), key=rules.parse_channel_key(key))
        return Response(self.shown(changed))


class MembersView(ChatView):
    @operation(
        READS,
        operation_id="channels_members",
        query=shapes.MembersQuery,
        responses=answers({200: ListData[MemberData]}, 403, 404),
        tags=["channels"],
    )
    def get(self, request: Request, key: str) -> Response:
        """Who is in the channel now, online first, then by name."""
        found = selectors.channel_access(user=self.me(request), key=rules.parse_channel_key(key))
        live = self.live()
        if live is None:
            return Response({"results": [], "next": None})
        return Response(live.members_for_view(found.channel.key, LIVE_TIMEOUT_S, cursor=self.wanted.get("cursor")))


class ReadView(ChatView):
    @operation(
        Limit.OPERATIONS,
        operation_id="channels_read",
        body=shapes.ReadInput,
        responses=answers({200: ReadData}, 403, 404),
        tags=["channels"],
    )
    def put(self, request: Request, key: str) -> Response:
        """Everything up to a message is read; with `back`, nothing above it is."""
        wanted = {"number": self.wanted["number"], "is_back": self.wanted["back"]}
        mark = services.read_mark(user=self.me(request), key=rules.parse_channel_key(key), **wanted)
        return Response(mark)
