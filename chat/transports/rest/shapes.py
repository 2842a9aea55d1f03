"""The shapes of input to /api/v1 (bodies and query strings), as DRF serializers, which check them, too.

The shapes of answers are chat.domain.events'.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from chat.domain import rules
from chat.domain.files import FILES_PER_MESSAGE
from chat.domain.following import Level
from chat.domain.policies import MAX_SLOW_MODE_S, ChannelKind
from reaktor.web.api import NOT_BLANK, Flag, Input, Text, Whole, WholeInBody

UUID = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\Z"
PAGE_MESSAGES = 50
MAX_PAGE_MESSAGES = 100
PAGE_CHANNELS = 100


def is_uuid(text: str) -> bool:
    return re.match(UUID, text) is not None


class ChannelQuery(serializers.Serializer[Any]):
    search = Text(required=False, may_be_blank=True, max_length=rules.NAME_CHARS)
    cursor = Text(required=False, may_be_blank=True, pattern=r"^[0-9]{0,18}\Z")


# Described by hand: drf-spectacular has no word for a parameter that may be empty and has a pattern.
CHANNEL_QUERY = [
    OpenApiParameter(
        "search",
        {"type": "string", "maxLength": rules.NAME_CHARS, "pattern": r"^[^\u0000]*$"},
        description="A part of the name, in any case. For one or two letters a page looks at 2,000 names: it may be "
        "short or empty, and `next` leads on until it is null.",
    ),
    OpenApiParameter(
        "cursor", {"type": "string", "pattern": "^[0-9]{0,18}$"}, description="`next` of the page before."
    ),
]


class OwnChannelsQuery(serializers.Serializer[Any]):
    kind = serializers.ChoiceField([kind.value for kind in ChannelKind], required=False)
    unread = serializers.BooleanField(required=False, help_text="Only where something is unread.")
    cursor = Text(required=False, pattern=r"^[0-9]{1,17}_[0-9]{1,18}\Z", help_text="`next` of the page before.")


class MembersQuery(serializers.Serializer[Any]):
    cursor = Text(required=False, pattern=r"^[01]_.{1,150}\Z", help_text="`next` of the page before.")


class ChannelInput(Input):
    example: ClassVar = {"name": "Tea", "topic": "Green, black, and how long"}
    name = Text(max_length=rules.NAME_CHARS, pattern=NOT_BLANK, help_text="Blanks around it are cut off.")
    kind = serializers.ChoiceField(["public", "unlisted", "private"], required=False)
    topic = Text(required=False, may_be_blank=True, max_length=rules.TOPIC_CHARS)


class ChannelChange(Input):
    example: ClassVar = {"topic": "Coffee is fine, too", "slow_mode_s": 5}
    name = Text(required=False, max_length=rules.NAME_CHARS, pattern=NOT_BLANK)
    topic = Text(required=False, may_be_blank=True, max_length=rules.TOPIC_CHARS)
    slow_mode_s = WholeInBody(required=False, max_value=MAX_SLOW_MODE_S, help_text="By a moderator; 0: off.")
    is_frozen = Flag(required=False, help_text="By a moderator: nobody else writes.")
    threads = Flag(required=False, help_text="By a moderator: whether there are threads.")
    everybody_pins = Flag(required=False, help_text="By a moderator: whoever may write may pin.")


_LEVELS = [level.value for level in Level]


class FollowInput(Input):
    example: ClassVar = {"level": "all"}
    level = serializers.ChoiceField(
        _LEVELS,
        required=False,
        help_text="How much one is told. Without it as before, or `all` where channels are closed, else `mentions`.",
    )


class MembershipsQuery(serializers.Serializer[Any]):
    cursor = Text(
        required=False, pattern=r"^(owner|moderator|member)_[0-9]{1,18}\Z", help_text="`next` of the page before."
    )


class LevelInput(Input):
    example: ClassVar = {"level": "nothing"}
    level = serializers.ChoiceField(_LEVELS)


class PageQuery(serializers.Serializer[Any]):
    before = Whole(required=False, help_text="Messages with a smaller number.")
    after = Whole(required=False, help_text="Messages with a greater number; counts before `before`.")
    around = Whole(required=False, help_text="This message and those on both sides; counts before the other two.")
    limit = Whole(required=False, min_value=1, max_value=MAX_PAGE_MESSAGES, default=PAGE_MESSAGES)
    flow = serializers.BooleanField(required=False, help_text="1: without what threads alone show; not with `thread`.")
    thread = Text(required=False, pattern=UUID, help_text="The replies in the thread of this message.")


class ChangesQuery(serializers.Serializer[Any]):
    after = Whole(help_text="The greatest seq seen.")


class MessageInput(Input):
    example: ClassVar = {"text": "Hello!", "nonce": "first"}
    text = Text(
        may_be_blank=True,
        help_text="Kept as sent; at most 4,000 characters unless configured. Not blank, or empty if there are files.",
    )
    nonce = Text(max_length=rules.NONCE_CHARS, help_text="The sender's own name for this sending: makes retries safe.")
    reply_to = Text(required=False, allow_null=True, pattern=UUID, help_text="The id of a message of this channel.")
    files = serializers.ListField(
        child=Text(pattern=UUID),
        required=False,
        max_length=FILES_PER_MESSAGE,
        help_text="Ids of files that one has sent before, and that are in no message.",
    )
    thread = Text(
        required=False, allow_null=True, pattern=UUID, help_text="Into the thread of this message of the channel."
    )
    also_in_channel = Flag(required=False, help_text="Only with `thread`: the channel's flow shows it, too.")
    confirm = Flag(
        default=False, help_text="It may call many by @channel or @here: without it such a message is refused."
    )


class MessageChange(Input):
    example: ClassVar = {"text": "Hello, all!"}
    text = Text(may_be_blank=True, help_text="Not blank, or empty if the message has files.")


class ReadInput(Input):
    example: ClassVar = {"number": 1}
    number = WholeInBody(help_text="Everything up to this message is read; markers only move forward.")
    back = Flag(default=False, help_text="The marker may move back: nothing above this message is read.")


class ThreadReadInput(Input):
    example: ClassVar = {"number": 1}
    number = WholeInBody(help_text="Everything in the thread up to this message is read; never back.")


class ThreadsQuery(serializers.Serializer[Any]):
    cursor = Text(required=False, pattern=r"^[0-9]{1,17}_[0-9]{1,18}\Z", help_text="`next` of the page before.")


class ExportQuery(serializers.Serializer[Any]):
    cursor = Text(required=False, pattern=r"^[0-9]{1,18}_[0-9A-Fa-f-]{36}\Z", help_text="`next` of the page before.")
