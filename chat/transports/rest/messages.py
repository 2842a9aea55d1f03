"""/api/v1/channels/{key}/messages and pins: history, posting, editing, deleting, reactions, changes since a cursor."""

from __future__ import annotations

from typing import Any

import orjson
from rest_framework.request import Request
from rest_framework.response import Response

from chat import selectors, services
from chat.domain import rules
from chat.domain.events import ChangesData, EarlierTextData, MessageData, MessagePageData, PinData
from chat.domain.hiding import NOBODY, Names, message_seen, messages_seen
from chat.domain.ids import ChannelKey, UserRef
from chat.transports.rest import shapes
from chat.transports.rest.views import ChatView
from reaktor.errors import InvalidError, NotFoundError
from reaktor.limits.rates import Limit
from reaktor.shapes import ListData
from reaktor.web.api import READS, answers, operation


def page_data(channel_id: int, hidden: Names = NOBODY, **wanted: Any) -> MessagePageData:
    """The answer for what PageQuery has checked, to a reader from whom these people are hidden."""
    page = selectors.messages_page(channel_id, **wanted)
    return {"messages": messages_seen(page.messages, hidden), "has_more": page.has_more}


def seen(me: UserRef, message: MessageData) -> MessageData:
    """A message as its reader sees it."""
    return message_seen(message, selectors.hidden_names(me.id, ChannelKey(message["channel"])))


def newest_json(channel_id: int) -> bytes:
    """The answer to who gives no mark and no limit, as JSON."""
    return orjson.dumps(page_data(channel_id, limit=shapes.PAGE_MESSAGES))


class MessagesView(ChatView):
    @operation(
        READS,
        operation_id="messages_list",
        query=shapes.PageQuery,
        responses=answers({200: MessagePageData}, 403, 404),
        tags=["messages"],
    )
    def get(self, request: Request, key: str) -> Response:
        """A page of the history by message number, oldest first; without a mark the newest."""
        marks = [mark for mark in ("around", "after", "before") if mark in self.wanted]
        for ignored in marks[1:]:
            # Unlike the native protocol, which refuses several: no OpenAPI document could say so of parameters.
            del self.wanted[ignored]
        me = self.me(request)
        found = selectors.channel_access(user=me, key=rules.parse_channel_key(key))
        hidden = selectors.hidden_names(me.id, found.channel.key)
        return Response(page_data(found.channel.id, hidden, **self.wanted))

    @operation(
        Limit.SEND,
        operation_id="messages_create",
        body=shapes.MessageInput,
        responses=answers({201: MessageData, 200: MessageData}, 403, 404, 409),
        tags=["messages"],
    )
    def post(self, request: Request, key: str) -> Response:
        """Post a message: 201, stored; 200, it was stored before under the same nonce. No live session is needed."""
        me = self.me(request)
        is_confirmed = self.wanted.pop("confirm")
        stored = services.message_post(
            user=me,
            key=rules.parse_channel_key(key),
            **self.wanted,
            is_confirmed=is_confirmed,
            max_chars=self.app().config.limits.text_chars,
            text_rules=self.app().text_rules,
        )
        return Response(seen(me, stored.message), status=200 if stored.is_duplicate else 201)


class ChangesView(ChatView):
    @operation(
        READS,
        operation_id="messages_changes",
        query=shapes.ChangesQuery,
        responses=answers({200: ChangesData}, 403, 404),
        tags=["messages"],
    )
    def get(self, request: Request, key: str) -> Response:
        """What changed since a cursor, in its present state; or a reset when that is too much to tell."""
        me = self.me(request)
        found = selectors.channel_access(user=me, key=rules.parse_channel_key(key))
        bounds = self.app().config.delivery
        changes = selectors.messages_changed(found.channel, after=self.wanted["after"], limit=bounds.sync_messages)
        if "messages" in changes:
            hidden = selectors.hidden_names(me.id, found.channel.key)
            changes = {"messages": messages_seen(changes["messages"], hidden), "seq": changes["seq"]}
        return Response(selectors.bounded_changes(changes, max_bytes=bounds.sync_channel_bytes))


class MessageView(ChatView):
    @operation(
        Limit.CHANGES,
        operation_id="messages_edit",
        body=shapes.MessageChange,
        responses=answers({200: MessageData}, 403, 404, 409),
        tags=["messages"],
    )
    def patch(self, request: Request, key: str, message_id: str) -> Response:
        """Another text for one's own message."""
        me = self.me(request)
        message = services.message_edit(
            user=me,
            key=rules.parse_channel_key(key),
            message_id=message_id,
            text=self.wanted["text"],
            max_chars=self.app().config.limits.text_chars,
            window_s=self.app().config.limits.edit_window_s,
            text_rules=self.app().text_rules,
        )
        return Response(seen(me, message))

    @operation(
        Limit.OPERATIONS,
        operation_id="messages_delete",
        responses=answers({200: MessageData}, 403, 404),
        tags=["messages"],
    )
    def delete(self, request: Request, key: str, message_id: str) -> Response:
        """The text goes, the place stays: the answer is what is left. By its author or a moderator."""
        me = self.me(request)
        message = services.message_delete(user=me, key=rules.parse_channel_key(key), message_id=message_id)
        return Response(seen(me, message))


class EditsView(ChatView):
    @operation(
        READS,
        operation_id="messages_edits",
        responses=answers({200: ListData[EarlierTextData]}, 403, 404),
        tags=["messages"],
    )
    def get(self, request: Request, key: str, message_id: str) -> Response:
        """What a message said before it was edited, oldest first. For its author and for moderators."""
        me, channel = self.me(request), rules.parse_channel_key(key)
        return Response(selectors.earlier_texts(user=me, key=channel, message_id=message_id))


class PinsView(ChatView):
    @operation(
        READS, operation_id="pins_list", responses=answers({200: ListData[PinData]}, 403, 404), tags=["messages"]
    )
    def get(self, request: Request, key: str) -> Response:
        """The pinned messages of a channel, the newest pin first; all of them."""
        return Response(selectors.pins_list(user=self.me(request), key=rules.parse_channel_key(key)))


class PinView(ChatView):
    @operation(
        Limit.CHANGES,
        operation_id="pins_add",
        responses=answers({200: PinData}, 403, 404, 409),
        tags=["messages"],
    )
    def put(self, request: Request, key: str, message_id: str) -> Response:
        """Keep a message at hand: by a moderator, or by whoever may write, as the channel has it. At most 50."""
        me, channel = self.me(request), rules.parse_channel_key(key)
        return Response(services.pin_add(user=me, key=channel, message_id=message_id))

    @operation(
        Limit.CHANGES,
        operation_id="pins_remove",
        responses=answers({204: None}, 403, 404),
        tags=["messages"],
    )
    def delete(self, request: Request, key: str, message_id: str) -> Response:
        """No longer keep it at hand; repeating it changes nothing."""
        me, channel = self.me(request), rules.parse_channel_key(key)
        services.pin_remove(user=me, key=channel, message_id=message_id)
        return Response(status=204)


def emoji_named(emoji: str) -> str:
    """The emoji of a path. One that cannot be leads nowhere, as any impossible name in a path: NotFoundError."""
    try:
        return rules.check_emoji(emoji)
    except InvalidError as error:
        raise NotFoundError(error.message) from error


class ReactionView(ChatView):
    @operation(
        Limit.CHANGES,
        operation_id="reactions_add",
        responses=answers({200: MessageData}, 403, 404, 409),
        tags=["messages"],
    )
    def put(self, request: Request, key: str, message_id: str, emoji: str) -> Response:
        """One's emoji on a message; the same again changes nothing."""
        wanted, me = emoji_named(emoji), self.me(request)
        message = services.reaction_add(user=me, key=rules.parse_channel_key(key), message_id=message_id, emoji=wanted)
        return Response(seen(me, message))

    @operation(
        Limit.CHANGES,
        operation_id="reactions_remove",
        responses=answers({200: MessageData}, 403, 404, 409),
        tags=["messages"],
    )
    def delete(self, request: Request, key: str, message_id: str, emoji: str) -> Response:
        """Take one's emoji back."""
        wanted, me = emoji_named(emoji), self.me(request)
        message = services.reaction_remove(
            user=me, key=rules.parse_channel_key(key), message_id=message_id, emoji=wanted
        )
        return Response(seen(me, message))
