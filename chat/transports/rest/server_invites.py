"""/api/v1/server-invites: links that let somebody register."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services as accounts
from chat import services
from chat.domain.moderation import ServerInviteData, ServerInviteLook
from chat.selectors.server_invites import server_invite_look, server_invites_list
from chat.services.invites import MAX_USES, NO_GOOD
from chat.services.server_invites import MAX_CHANNELS
from chat.transports.rest.moderation_shapes import KEY
from chat.transports.rest.views import ChatView
from reaktor.errors import NotFoundError
from reaktor.limits.rates import Limit, Unmetered
from reaktor.shapes import ListData
from reaktor.web.api import READING, READS, Input, Text, WholeInBody, answers, client_address, operation

BY_ADDRESS = Unmetered("accounts.limits counts it by where it is asked, since there is no user yet")


class ServerInviteInput(Input):
    example: ClassVar = {"uses": 5, "expires_at": "2100-01-31T12:00:00Z", "channels": ["tea"]}
    uses = WholeInBody(required=False, allow_null=True, min_value=1, max_value=MAX_USES, help_text="None: any number.")
    expires_at = serializers.DateTimeField(required=False, allow_null=True, help_text="None: never.")
    channels = serializers.ListField(
        child=Text(pattern=KEY), required=False, max_length=MAX_CHANNELS, help_text="Where the new account begins."
    )


class ServerInvitesView(ChatView):
    @operation(
        READS,
        operation_id="server_invites_list",
        responses=answers({200: ListData[ServerInviteData]}, 403),
        tags=["server invites"],
    )
    def get(self, request: Request) -> Response:
        """The server invites that still let somebody in: those one made, for staff all of them. The newest first."""
        found = server_invites_list(user=self.me(request), by_members=self.app().config.member_invites)
        return Response({"results": found, "next": None})

    @operation(
        Limit.SERVER_INVITES,
        operation_id="server_invites_create",
        body=ServerInviteInput,
        responses=answers({201: ServerInviteData}, 403, 404),
        tags=["server invites"],
    )
    def post(self, request: Request) -> Response:
        """A link that lets people register; by staff, or by members where the server lets them (MEMBER_INVITES).

        Whoever registers with it is a member of `channels` from the start: public ones, and others that one moderates.
        """
        by_members = self.app().config.member_invites
        invite = services.server_invite_create(user=self.me(request), by_members=by_members, **self.wanted)
        return Response(invite, status=201)


class ServerInviteView(ChatView):
    open_methods = ("get",)

    def get_authenticators(self) -> list[Any]:
        """Who looks at an invite has no account yet; a token that came along is not even looked at."""
        return [] if self.request is None or self.request.method in READING else super().get_authenticators()

    def get_permissions(self) -> list[Any]:
        return [AllowAny()] if self.request.method in READING else list(super().get_permissions())

    @operation(
        BY_ADDRESS,
        operation_id="server_invites_look",
        responses=answers({200: ServerInviteLook}, 404),
        tags=["server invites"],
        auth=[],
    )
    def get(self, request: Request, code: str) -> Response:
        """Whether a server invite is good, and whose it is. Needs no token."""
        accounts.app().limits.invite_look(client_address(request))
        found = server_invite_look(code=code, by_members=self.app().config.member_invites)
        if found is None:
            raise NotFoundError(NO_GOOD)
        return Response(found)

    @operation(
        Limit.SERVER_INVITES,
        operation_id="server_invites_revoke",
        responses=answers({204: None}, 403, 404),
        tags=["server invites"],
    )
    def delete(self, request: Request, code: str) -> Response:
        """The link lets nobody in any more, by who made it or staff. The accounts that were made with it stay."""
        services.server_invite_revoke(user=self.me(request), code=code)
        return Response(status=204)
