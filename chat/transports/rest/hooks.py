"""/api/v1/channels/{key}/hooks: the webhooks of a channel; and /hooks/{token}, where others post by one.

The latter takes what Slack's takes and answers as Slack's does, `ok` as text; its errors are those of /api/v1.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import IO, Any, ClassVar, cast

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from chat import selectors, services
from chat.domain import rules
from chat.domain.moderation import HookData, HookMadeData
from chat.services.hooks import MAX_BODY_BYTES
from chat.transports.rest.views import ChatView
from reaktor.errors import TooLargeError
from reaktor.limits.rates import Limit, Unmetered
from reaktor.shapes import ListData
from reaktor.web.api import NOT_BLANK, READS, Input, Text, answers, operation

COUNTED_BY_HOOK = Unmetered("the service counts it, for the webhook that the token names")


class HookInput(Input):
    example: ClassVar = {"name": "Grafana"}
    name = Text(max_length=rules.NAME_CHARS, pattern=NOT_BLANK, help_text="Its account is named after it.")


class HooksView(ChatView):
    @operation(
        READS,
        operation_id="hooks_list",
        responses=answers({200: ListData[HookData]}, 403, 404),
        tags=["hooks"],
    )
    def get(self, request: Request, key: str) -> Response:
        """The webhooks of a channel, oldest first, for its moderators."""
        found = selectors.channel_access(user=self.me(request), key=rules.parse_channel_key(key), to_moderate=True)
        found.access.check_moderate()
        return Response({"results": selectors.hooks_list(found.channel.id), "next": None})

    @operation(
        Limit.RENAME,
        operation_id="hooks_create",
        body=HookInput,
        responses=answers({201: HookMadeData}, 403, 404, 409),
        tags=["hooks"],
    )
    def post(self, request: Request, key: str) -> Response:
        """An address by which others post into the channel, by a moderator. At most 20 a channel."""
        public_url = self.app().config.web.public_url or request.build_absolute_uri("/").rstrip("/")
        made = services.hook_create(
            user=self.me(request), key=rules.parse_channel_key(key), public_url=public_url, **self.wanted
        )
        return Response(made, status=201)


class HookView(ChatView):
    @operation(Limit.OPERATIONS, operation_id="hooks_delete", responses=answers({204: None}, 403, 404), tags=["hooks"])
    def delete(self, request: Request, key: str, hook_id: str) -> Response:
        """Nothing is posted by this address any more, by a moderator. What was posted stays."""
        services.hook_delete(user=self.me(request), key=rules.parse_channel_key(key), hook_id=hook_id)
        return Response(status=204)


class HookBody(Input):
    """For the document alone: senders write much beside it, and nothing of it is refused."""

    example: ClassVar = {"text": "Deployed <https://example.org/7|release 7>", "username": "Deployer"}
    text = Text(required=False)
    username = Text(required=False, help_text="Shown in the place of the webhook's name.")
    blocks = serializers.ListField(required=False, help_text="Slack's blocks. Where there are some, text is left out.")
    attachments = serializers.ListField(required=False, help_text="Slack's attachments.")


class WholeBody(BaseParser):
    """{"body": its bytes}, whatever it is called: senders name JSON a form, and forms JSON. Raises TooLargeError."""

    media_type = "*/*"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, bytes]:
        body: bytes = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise TooLargeError(f"A webhook takes at most {MAX_BODY_BYTES} bytes.")
        return {"body": body}


class HookPostView(ChatView):
    """For who knows the address: that is all it takes."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    parser_classes = (WholeBody,)

    @operation(
        COUNTED_BY_HOOK,
        operation_id="hooks_post",
        request={"application/json": HookBody},
        examples=[OpenApiExample("Example", value=HookBody.example, request_only=True)],
        responses={**answers({}, 403, 404), (200, "text/plain"): OpenApiTypes.STR},
        tags=["hooks"],
    )
    def post(self, request: Request, token: str) -> HttpResponse:
        """Post into the webhook's channel: Slack's body, as JSON or as the form field `payload`.

        `text`, `username`, `blocks` and `attachments` are read; blocks and attachments become text. What is longer than
        a message is cut. Answered with `ok`.
        """
        app, given = self.app(), cast("dict[str, bytes]", request.data)
        services.hook_post(
            token=token,
            body=given.get("body", b""),
            count=partial(app.rates.check, Limit.HOOKS),
            max_chars=app.config.limits.text_chars,
            text_rules=app.text_rules,
        )
        return HttpResponse("ok", content_type="text/plain; charset=utf-8")
