"""/api/v1 memberships, roles, invites, direct channels and personal blocks: who belongs where, and with whom."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from chat import selectors, services
from chat.domain import rules
from chat.domain.events import ChannelData
from chat.domain.moderation import BlockedData, InviteData, MembershipData, RoleData
from chat.transports.rest import moderation_shapes, shapes
from chat.transports.rest.views import ChatView
from reaktor.errors import InvalidError, NotFoundError
from reaktor.limits.rates import Limit
from reaktor.shapes import ListData
from reaktor.web.api import READS, answers, operation


class MembershipView(ChatView):
    @operation(
        READS,
        operation_id="memberships_list",
        query=shapes.MembershipsQuery,
        responses=answers({200: ListData[MembershipData]}, 403, 404),
        tags=["memberships"],
    )
    def get(self, request: Request, key: str) -> Response:
        """Who belongs to the channel, there or not: owners, then moderators, then the others, each the newest first."""
        found = selectors.channel_access(user=self.me(request), key=rules.parse_channel_key(key))
        return Response(selectors.memberships_list(found.channel.id, **self.wanted))

    @operation(
        Limit.MEMBERSHIPS,
        operation_id="memberships_join",
        body=shapes.FollowInput,
        responses=answers({200: ChannelData}, 403, 404),
        tags=["memberships"],
    )
    def put(self, request: Request, key: str) -> Response:
        """Belong to a channel for good: it is in one's list, with what is unread, and one is told what is said there.
        Repeating it changes nothing.
        """
        joined = services.membership_join(user=self.me(request), key=rules.parse_channel_key(key), **self.wanted)
        return Response(self.shown(joined))

    @operation(
        Limit.MEMBERSHIPS,
        operation_id="memberships_change",
        body=shapes.LevelInput,
        responses=answers({200: ChannelData}, 403, 404),
        tags=["memberships"],
    )
    def patch(self, request: Request, key: str) -> Response:
        """How much one is told of a channel that one belongs to."""
        changed = services.level_set(user=self.me(request), key=rules.parse_channel_key(key), **self.wanted)
        return Response(self.shown(changed))

    @operation(
        Limit.MEMBERSHIPS,
        operation_id="memberships_leave",
        responses=answers({204: None}, 403, 404, 409),
        tags=["memberships"],
    )
    def delete(self, request: Request, key: str) -> Response:
        """Belong to it no longer; out of a private one at once, with every session."""
        services.membership_leave(user=self.me(request), key=rules.parse_channel_key(key))
        return Response(status=204)


class HiddenView(ChatView):
    @operation(
        Limit.MEMBERSHIPS,
        operation_id="channels_hide",
        responses=answers({200: ChannelData}, 403, 404),
        tags=["memberships"],
    )
    def put(self, request: Request, key: str) -> Response:
        """Not see a direct channel or a group until something is said there."""
        return Response(self.shown(services.channel_hide(user=self.me(request), key=rules.parse_channel_key(key))))

    @operation(
        Limit.MEMBERSHIPS,
        operation_id="channels_show",
        responses=answers({200: ChannelData}, 403, 404),
        tags=["memberships"],
    )
    def delete(self, request: Request, key: str) -> Response:
        """See it again."""
        return Response(self.shown(services.channel_show(user=self.me(request), key=rules.parse_channel_key(key))))


def name_in_path(username: str) -> str:
    """The user's name in a path. One that can't be stored leads nowhere, as any impossible name: NotFoundError."""
    if rules.has_unstorable(username):
        raise NotFoundError("There is no such user.")
    return username


class RoleView(ChatView):
    @operation(
        Limit.MODERATION,
        operation_id="roles_set",
        body=moderation_shapes.RoleInput,
        responses=answers({200: RoleData}, 403, 404, 409),
        tags=["memberships"],
    )
    def put(self, request: Request, key: str, username: str) -> Response:
        """Make somebody an owner, moderator or member, by an owner. `member` lets somebody into a private channel."""
        channel = rules.parse_channel_key(key)
        name = name_in_path(username)
        role = services.role_set(user=self.me(request), key=channel, username=name, role=self.wanted["role"])
        return Response({"role": role.value})

    @operation(
        Limit.MODERATION,
        operation_id="roles_remove",
        responses=answers({200: RoleData}, 403, 404, 409),
        tags=["memberships"],
    )
    def delete(self, request: Request, key: str, username: str) -> Response:
        """Make somebody a mere member again, by an owner; or oneself."""
        channel, name = rules.parse_channel_key(key), name_in_path(username)
        role = services.role_remove(user=self.me(request), key=channel, username=name)
        return Response({"role": role.value})


class InvitesView(ChatView):
    @operation(
        READS,
        operation_id="invites_list",
        responses=answers({200: ListData[InviteData]}, 403, 404),
        tags=["memberships"],
    )
    def get(self, request: Request, key: str) -> Response:
        """The invites that still let somebody in, for moderators."""
        me = self.me(request)
        found = selectors.channel_access(user=me, key=rules.parse_channel_key(key), to_moderate=True)
        found.access.check_moderate()
        return Response({"results": selectors.invites_list(found.channel.id), "next": None})

    @operation(
        Limit.MEMBERSHIPS,
        operation_id="invites_create",
        body=moderation_shapes.InviteInput,
        responses=answers({201: InviteData}, 403, 404),
        tags=["memberships"],
    )
    def post(self, request: Request, key: str) -> Response:
        """A link into a private or unlisted channel, by a moderator."""
        invite = services.invite_create(user=self.me(request), key=rules.parse_channel_key(key), **self.wanted)
        return Response(invite, status=201)


class InviteView(ChatView):
    @operation(
        Limit.MEMBERSHIPS, operation_id="invites_revoke", responses=answers({204: None}, 403, 404), tags=["memberships"]
    )
    def delete(self, request: Request, code: str) -> Response:
        """The link lets nobody in any more, by a moderator or who made it."""
        services.invite_revoke(user=self.me(request), code=code)
        return Response(status=204)


class InviteAcceptView(ChatView):
    @operation(
        Limit.MEMBERSHIPS,
        operation_id="invites_accept",
        responses=answers({200: ChannelData}, 403, 404),
        tags=["memberships"],
    )
    def post(self, request: Request, code: str) -> Response:
        """Become a member of the invite's channel. Who is one already uses nothing up."""
        return Response(self.shown(services.invite_accept(user=self.me(request), code=code)))


class DirectView(ChatView):
    @operation(
        Limit.MEMBERSHIPS,
        operation_id="direct_open",
        body=moderation_shapes.DirectInput,
        responses=answers({200: ChannelData, 201: ChannelData}, 403, 404),
        tags=["memberships"],
    )
    def post(self, request: Request) -> Response:
        """The direct channel with somebody, or the group of several: 201, made; 200, there was one."""
        me = self.me(request)
        if len(self.wanted) != 1:
            raise InvalidError("Name either one username or usernames.", fields={"username": "one of the two"})
        names = self.wanted.get("usernames") or [self.wanted["username"]]
        if (known := services.group_find(user=me, usernames=names)) is not None:
            return Response(self.shown(known))
        self.count(request, Limit.CREATE_CHANNEL)
        found, is_new = services.group_open(user=me, usernames=names)
        return Response(self.shown(found), status=201 if is_new else 200)


class BlocksView(ChatView):
    @operation(
        READS,
        operation_id="blocks_list",
        responses=answers({200: ListData[BlockedData]}, 403),
        tags=["me"],
    )
    def get(self, request: Request) -> Response:
        """Whom one does not want to hear, by name."""
        return Response({"results": selectors.blocked_users(self.me(request).id), "next": None})


class BlockView(ChatView):
    @operation(Limit.MEMBERSHIPS, operation_id="blocks_add", responses=answers({204: None}, 403, 404, 409), tags=["me"])
    def put(self, request: Request, username: str) -> Response:
        """Not hear somebody: no direct channel with them, no mention by them, nothing of theirs in a group."""
        services.user_block(user=self.me(request), username=username)
        return Response(status=204)

    @operation(Limit.MEMBERSHIPS, operation_id="blocks_remove", responses=answers({204: None}, 403, 404), tags=["me"])
    def delete(self, request: Request, username: str) -> Response:
        """Hear them again."""
        services.user_unblock(user=self.me(request), username=username)
        return Response(status=204)
