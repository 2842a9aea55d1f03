"""Reads of what hangs on messages beside their state: the pins of a channel, and what messages said before."""

from __future__ import annotations

from chat.domain.events import EarlierTextData, PinData
from chat.domain.hiding import Names, message_seen
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.policies import check_see_earlier
from chat.models import EarlierText, Message, Pin
from chat.selectors.channels import channel_access
from chat.selectors.hiding import hidden_names
from chat.selectors.messages import messages_by_ids, parse_message_id
from reaktor.errors import NotFoundError
from reaktor.shapes import ListData
from reaktor.times import timestamp
from reaktor.why import Why

PINS_PER_CHANNEL = 50


def pins_list(*, user: UserRef, key: ChannelKey) -> ListData[PinData]:
    """The pinned messages of a channel that the user may read, the newest pin first; all of them. Raises NotFoundError,
    BannedError.
    """
    found = channel_access(user=user, key=key)
    # A release before this one deletes messages, and knows of no pins.
    pins = Pin.objects.filter(channel_id=found.channel.id, message__deleted_at=None).select_related("pinned_by")
    ordered = list(pins.order_by("-created_at", "-pk"))
    return {"results": _shown(ordered, hidden_names(user.id, found.channel.key)), "next": None}


def _shown(pins: list[Pin], hidden: Names) -> list[PinData]:
    messages = {each["id"]: each for each in messages_by_ids([pin.pk for pin in pins])} if pins else {}
    # Between the two looks a message may have been deleted for good.
    return [
        {
            "message": message_seen(messages[str(pin.pk)], hidden),
            "pinned_by": pin.pinned_by.username if pin.pinned_by else None,
            "pinned_at": timestamp(pin.created_at),
        }
        for pin in pins
        if str(pin.pk) in messages
    ]


def pin_data(*, user: UserRef, key: ChannelKey, message_id: str) -> PinData:
    """One of them. Raises NotFoundError."""
    pins = list(Pin.objects.filter(pk=parse_message_id(message_id)).select_related("pinned_by"))
    for shown in _shown(pins, hidden_names(user.id, key)):
        return shown
    raise NotFoundError("That message is not pinned.")


def earlier_texts(*, user: UserRef, key: ChannelKey, message_id: str) -> ListData[EarlierTextData]:
    """What a message said before it was edited, oldest first, to who may see it. Raises NotFoundError, BannedError,
    ForbiddenError.
    """
    found = channel_access(user=user, key=key)
    wanted = Message.objects.filter(channel_id=found.channel.id, pk=parse_message_id(message_id))
    author = wanted.values_list("author_id", flat=True).first()
    if author is None:
        raise NotFoundError("There is no such message in this channel.", why=Why.NO_SUCH_MESSAGE)
    check_see_earlier(found.access, is_own=str(author) == user.id)
    texts = EarlierText.objects.filter(message__in=wanted.filter(deleted_at=None)).order_by("pk")
    rows = texts.values_list("text", "written_at")
    return {"results": [{"text": text, "written_at": timestamp(at)} for text, at in rows], "next": None}
