"""Many messages changed at once: what purges and the end of an account have in common. In short transactions of theirs.

Each message gets a seq of its own and an event, as if it had been changed alone; a batch costs a fixed number of
statements, whatever its size.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter

from django.db.models import Case, Value, When

from chat import publish
from chat.domain.events import Event, EventType
from chat.domain.ids import ChannelKey
from chat.models import Call, Channel, EarlierText, Mention, Message, Reaction, SearchChange
from chat.posting.statements import changed_seqs_store
from chat.selectors import messages_by_ids
from chat.services.files import files_forget
from chat.services.pins import pins_drop
from chat.services.threads import GoneReply, replies_gone

BATCH = 100
"""Messages in one transaction: some hundredths of a second in which nobody else writes to their channels."""


_NAMELESS = Case(When(via__isnull=False, then=Value("")), default=None)
"""A webhook's message stays one, without the name that came with it."""


def texts_remove(messages: Sequence[uuid.UUID]) -> None:
    """Make them deleted ones, with what hangs on them."""
    marks_remove(messages)
    now = datetime.now(UTC)
    Message.objects.filter(pk__in=messages).update(text="", via=_NAMELESS, files=None, calls=None, deleted_at=now)


def marks_remove(messages: Sequence[uuid.UUID]) -> None:
    """Everything that hangs on messages which lose their text."""
    for kind in (Reaction, Mention, Call, EarlierText):
        kind._default_manager.filter(message_id__in=messages).delete()
    files_forget(messages)
    pins_drop(messages)


def messages_change(messages: Sequence[Message], kind: EventType, change: Callable[[Sequence[uuid.UUID]], None]) -> int:
    """Let `change` change them, give each the next seq of its channel, and say what it looks like then; how many.

    Inside a transaction. What somebody else deleted before the channels were locked is left alone.
    """
    wanted = {message.channel_id for message in messages}
    locked = Channel.objects.select_for_update(no_key=True).filter(pk__in=wanted).order_by("id")
    heads = dict(locked.values_list("id", "seq"))
    found = Message.objects.filter(pk__in=[message.pk for message in messages], deleted_at=None)
    rows = list(
        found.order_by("channel_id", "number").values_list("id", "channel_id", "thread_id", "author_id", "number")
    )
    if not rows:
        return 0
    left = [(pk, channel_id) for pk, channel_id, *_ in rows]
    change([pk for pk, _ in left])
    seqs: list[tuple[uuid.UUID, int]] = []
    for pk, channel_id in left:
        heads[channel_id] += 1
        seqs.append((pk, heads[channel_id]))
    changed_seqs_store(seqs)
    changed_in = {channel_id for _, channel_id in left}
    for channel_id in changed_in:
        Channel.objects.filter(pk=channel_id).update(seq=heads[channel_id])
        if kind is EventType.MESSAGE_DELETED:
            gone = [
                GoneReply(thread, author, number)
                for _, of, thread, author, number in rows
                if of == channel_id and thread is not None
            ]
            replies_gone(gone, heads[channel_id])
    if kind is not EventType.REACTION_CHANGED:
        SearchChange.objects.bulk_create(SearchChange(channel_id=channel_id) for channel_id in changed_in)
    for key, changed in groupby(messages_by_ids([pk for pk, _ in left]), itemgetter("channel")):
        publish.durable(*(Event(kind, ChannelKey(key), data, data["changed_seq"]) for data in changed))
    return len(left)
