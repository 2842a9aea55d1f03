"""The shapes of answers and the checks of input, as DRF serializers. Answers are described by them, not made by them.

Source of the shapes: chat.domain.events; a test compares the two.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from chat.domain import rules
from chat.domain.policies import MAX_SLOW_MODE_S, ChannelKind, Role
from chat.domain.sessions import Status, Transport
from reaktor.web.api import NOT_BLANK, Text, Whole, WholeInBody

UUID = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\Z"
PAGE_MESSAGES = 50
MAX_PAGE_MESSAGES = 100
PAGE_CHANNELS = 100


class ChannelShape(serializers.Serializer[Any]):
    """A channel, and what the asking user is to it."""

    key = serializers.CharField()
    name = serializers.CharField()
    topic = serializers.CharField()
    kind = serializers.ChoiceField([kind.value for kind in ChannelKind])
    seq = serializers.IntegerField(help_text="Position of the newest durable event.")
    number = serializers.IntegerField(help_text="Number of the newest message.")
    online = serializers.IntegerField(help_text="How many users are in it now.")
    role = serializers.ChoiceField([role.value for role in Role], allow_null=True)
    read_number = serializers.IntegerField()
    unread = serializers.IntegerField()
    mentions = serializers.IntegerField(help_text="Unread messages that name the user.")
    slow_mode_s = serializers.IntegerField(help_text="Seconds between two messages of one member; 0: off.")
    frozen_at = serializers.DateTimeField(allow_null=True, help_text="Since when only moderators write.")
    archived_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class ChannelListShape(serializers.Serializer[Any]):
    results = ChannelShape(many=True)
    next = serializers.CharField(allow_null=True, help_text="The cursor of the next page.")


class MemberShape(serializers.Serializer[Any]):
    username = serializers.CharField()
    status = serializers.ChoiceField([status.value for status in Status])


class MemberListShape(serializers.Serializer[Any]):
    results = MemberShape(many=True)
    next = serializers.CharField(allow_null=True)


class MessageShape(serializers.Serializer[Any]):
    """A message in its present state. A deleted one keeps its place: its text is null."""

    id = serializers.UUIDField()
    channel = serializers.CharField()
    number = serializers.IntegerField(help_text="Dense over the channel's messages, from 1.")
    seq = serializers.IntegerField()
    changed_seq = serializers.IntegerField()
    author = serializers.CharField()
    text = serializers.CharField(allow_null=True)
    reply_to = serializers.UUIDField(allow_null=True)
    nonce = serializers.CharField(allow_null=True)
    reactions = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))
    mentions = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    edited_at = serializers.DateTimeField(allow_null=True)
    deleted_at = serializers.DateTimeField(allow_null=True)


class MessagePageShape(serializers.Serializer[Any]):
    messages = MessageShape(many=True, help_text="Oldest first.")
    has_more = serializers.BooleanField()


class ChangesShape(serializers.Serializer[Any]):
    """Either the messages that changed, ordered by changed_seq, or `reset`: read the channel anew."""

    messages = MessageShape(many=True, required=False)
    seq = serializers.IntegerField(help_text="The cursor to go on from.")
    reset = serializers.BooleanField(required=False)


class ReadShape(serializers.Serializer[Any]):
    read_number = serializers.IntegerField()
    unread = serializers.IntegerField()


class SessionShape(serializers.Serializer[Any]):
    """A live session of one's own. The id names it here and opens nothing."""

    id = serializers.CharField()
    transport = serializers.ChoiceField([transport.value for transport in Transport])
    address = serializers.CharField(help_text="From where, as the server sees it.")
    since = serializers.DateTimeField()
    status = serializers.ChoiceField([status.value for status in Status])
    is_current = serializers.BooleanField(help_text="It came with the log-in that asks.")


class SessionListShape(serializers.Serializer[Any]):
    results = SessionShape(many=True)
    next = serializers.CharField(allow_null=True)


class ExportShape(serializers.Serializer[Any]):
    """What is stored about an account. All but `account`, `sessions` and `messages` is on the first page alone."""

    account = serializers.DictField()
    sessions = SessionShape(many=True)
    memberships = serializers.ListField(child=serializers.DictField())
    reactions = serializers.ListField(child=serializers.DictField())
    blocks = serializers.ListField(child=serializers.DictField())
    sanctions = serializers.ListField(child=serializers.DictField(), help_text="On this account.")
    reports = serializers.ListField(child=serializers.DictField(), help_text="By this account.")
    messages = serializers.ListField(child=serializers.DictField(), help_text="One's own, oldest first.")
    next = serializers.CharField(allow_null=True, help_text="The cursor of the next page.")


# -- Input --------------------------------------------------------------------------------------------------------


class ChannelQuery(serializers.Serializer[Any]):
    search = Text(required=False, may_be_blank=True, max_length=rules.NAME_CHARS)
    cursor = Text(required=False, may_be_blank=True, pattern=r"^[0-9]{0,18}\Z")


# Described by hand: drf-spectacular has no word for a parameter that may be empty and has a pattern.
CHANNEL_QUERY = [
    OpenApiParameter(
        "search",
        {"type": "string", "maxLength": rules.NAME_CHARS, "pattern": r"^[^\u0000]*$"},
        description="A part of the name, in any case.",
    ),
    OpenApiParameter(
        "cursor", {"type": "string", "pattern": "^[0-9]{0,18}$"}, description="`next` of the page before."
    ),
]


class ChannelInput(serializers.Serializer[Any]):
    name = Text(max_length=rules.NAME_CHARS, pattern=NOT_BLANK, help_text="Blanks around it are cut off.")
    kind = serializers.ChoiceField(["public", "unlisted", "private"], required=False)
    topic = Text(required=False, may_be_blank=True, max_length=rules.TOPIC_CHARS)


class ChannelChange(serializers.Serializer[Any]):
    name = Text(required=False, max_length=rules.NAME_CHARS, pattern=NOT_BLANK)
    topic = Text(required=False, may_be_blank=True, max_length=rules.TOPIC_CHARS)
    slow_mode_s = WholeInBody(required=False, max_value=MAX_SLOW_MODE_S, help_text="By a moderator; 0: off.")
    is_frozen = serializers.BooleanField(required=False, help_text="By a moderator: nobody else writes.")


class PageQuery(serializers.Serializer[Any]):
    before = Whole(required=False, help_text="Messages with a smaller number.")
    after = Whole(required=False, help_text="Messages with a greater number; counts before `before`.")
    around = Whole(required=False, help_text="This message and those on both sides; counts before the other two.")
    limit = Whole(required=False, min_value=1, max_value=MAX_PAGE_MESSAGES, default=PAGE_MESSAGES)


class ChangesQuery(serializers.Serializer[Any]):
    after = Whole(help_text="The greatest seq seen.")


class MessageInput(serializers.Serializer[Any]):
    text = Text(pattern=NOT_BLANK, help_text="Kept as sent; not blank; at most 4,000 characters unless configured.")
    nonce = Text(max_length=rules.NONCE_CHARS, help_text="The sender's own name for this sending: makes retries safe.")
    reply_to = Text(required=False, allow_null=True, pattern=UUID, help_text="The id of a message of this channel.")


class MessageChange(serializers.Serializer[Any]):
    text = Text(pattern=NOT_BLANK)


class ReadInput(serializers.Serializer[Any]):
    number = WholeInBody(help_text="Everything up to this message is read; markers only move forward.")


class ExportQuery(serializers.Serializer[Any]):
    cursor = Text(required=False, pattern=r"^[0-9]{1,18}_[0-9A-Fa-f-]{36}\Z", help_text="`next` of the page before.")
