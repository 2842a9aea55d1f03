"""/api/v1/me/bots: the bots of an account and their tokens. Thin: the rules are accounts.bots'."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import bot_tokens, bots
from accounts.api import USERNAME, UserView
from accounts.bots import BotData, BotMadeData, BotTokenData, BotTokenMadeData
from reaktor.limits.rates import Limit
from reaktor.shapes import ListData
from reaktor.web.api import READS, Input, Text, answers, operation


def scopes_field(**options: Any) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.ChoiceField(bot_tokens.SCOPES),
        min_length=1,
        max_length=len(bot_tokens.SCOPES),
        **options,
    )


class BotInput(Input):
    example: ClassVar = {"username": "pingbot", "display_name": "Ping", "scopes": ["read", "write"]}
    username = Text(pattern=USERNAME, help_text="A name like any other account's.")
    display_name = Text(required=False, may_be_blank=True, max_length=bots.DISPLAY_NAME_CHARS)
    scopes = scopes_field(help_text="What its token is good for. Without `write` it changes nothing.")


class BotTokenInput(Input):
    example: ClassVar = {"scopes": ["read"]}
    scopes = scopes_field(required=False, help_text="As before, where there are none.")


class BotsView(UserView):
    @operation(READS, operation_id="bots_list", responses=answers({200: ListData[BotData]}, 403), tags=["bots"])
    def get(self, request: Request) -> Response:
        """One's bots, oldest first."""
        return Response({"results": bots.bots_of(self.user(request)), "next": None})

    @operation(
        Limit.RENAME,
        operation_id="bots_create",
        body=BotInput,
        responses=answers({201: BotMadeData}, 403, 409),
        tags=["bots"],
    )
    def post(self, request: Request) -> Response:
        """Make a bot: an account that a program speaks with, and its token. At most 10 an account."""
        return Response(bots.bot_create(owner=self.user(request), **self.wanted), status=201)


class BotView(UserView):
    @operation(Limit.OPERATIONS, operation_id="bots_delete", responses=answers({204: None}, 403, 404), tags=["bots"])
    def delete(self, request: Request, bot_id: str) -> Response:
        """Delete a bot, for good, as any account."""
        bots.bot_delete(self.user(request), bot_id)
        return Response(status=204)


class BotTokenView(UserView):
    @operation(READS, operation_id="bot_tokens_get", responses=answers({200: BotTokenData}, 403, 404), tags=["bots"])
    def get(self, request: Request, bot_id: str) -> Response:
        """What the bot's token is good for, and since when. The token itself is shown when it is made, once."""
        return Response(bots.token_data(bots.bot_find(self.user(request), bot_id)))

    @operation(
        Limit.OPERATIONS,
        operation_id="bot_tokens_create",
        body=BotTokenInput,
        responses=answers({201: BotTokenMadeData}, 403, 404),
        tags=["bots"],
    )
    def post(self, request: Request, bot_id: str) -> Response:
        """Another token for the bot. The one before ends, and every live session that came with it."""
        bot = bots.bot_find(self.user(request), bot_id)
        return Response(bots.bot_token_make(bot, **self.wanted), status=201)

    @operation(
        Limit.OPERATIONS, operation_id="bot_tokens_revoke", responses=answers({204: None}, 403, 404), tags=["bots"]
    )
    def delete(self, request: Request, bot_id: str) -> Response:
        """The bot's token ends, and every live session that came with it."""
        bots.bot_token_revoke(bots.bot_find(self.user(request), bot_id))
        return Response(status=204)
