"""Many messages changed at once: what purges and the end of an account have in common. In short transactions of theirs.

Each message gets a seq of its own and an event, as if it had been changed alone; the rows are written together.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import attrgetter

from chat import publish
from chat.domain.events import Event, EventType
from chat.domain.ids import ChannelKey
from chat.models import Channel, Mention, Message, Reaction
from chat.selectors import message_by_id

BATCH = 100
"""Messages in one transaction: a few hundredths of a second in which nobody else writes to their channels."""


def texts_remove(messages: Sequence[uuid.UUID]) -> None:
    """Make them deleted ones, with what hangs on them."""
    Reaction.objects.filter(message_id__in=messages).delete()
    Mention.objects.filter(message_id__in=messages).delete()
    Message.objects.filter(pk__in=messages).update(text="", deleted_at=datetime.now(UTC))


def messages_change(messages: Sequence[Message], kind: EventType, change: Callable[[Sequence[uuid.UUID]], None]) -> int:
    """Let `change` change them, give each the next seq of its channel, and say what it looks like then; how many.

    Inside a transaction. What somebody else deleted before the channels were locked is left alone.
    """
    wanted = {message.channel_id for message in messages}
    channels = {each.pk: each for each in Channel.objects.select_for_update().filter(pk__in=wanted).order_by("id")}
    found = Message.objects.filter(pk__in=[message.pk for message in messages], deleted_at=None)
    left = sorted(found.only("id", "channel_id", "number"), key=attrgetter("channel_id", "number"))
    change([message.pk for message in left])
    for message in left:
        channel = channels[message.channel_id]
        channel.seq += 1
        Message.objects.filter(pk=message.pk).update(changed_seq=channel.seq)
        data = message_by_id(channel.pk, str(message.pk))
        publish.durable(Event(kind, ChannelKey(channel.key), data, channel.seq))
    for channel in channels.values():
        channel.save(update_fields=["seq"])
    return len(left)
