"""Writes of pins: the messages that a channel keeps at hand. Who is in the channel is told through chat.publish.

A pin goes with its message: whoever deletes messages calls pins_drop(). Rows are locked in this order: channel, then
account, then message.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db import transaction

from chat import publish
from chat.domain.events import Event, EventType, PinChangedData, PinData
from chat.domain.ids import ChannelKey, UserId, UserRef
from chat.domain.policies import check_pin
from chat.models import AuditAction, Message, Pin
from chat.posting.permissions import Writing
from chat.posting.statements import channels_lock
from chat.selectors import ChannelAccess, channel_access, parse_message_id, pin_data
from chat.selectors.marks import PINS_PER_CHANNEL
from chat.services.audit import audit_add
from reaktor.errors import ConflictError, NotFoundError
from reaktor.why import Why


def pin_add(*, user: UserRef, key: ChannelKey, message_id: str) -> PinData:
    """Keep a message at hand; one that is pinned stays as it is. Raises NotFoundError, ForbiddenError, ArchivedError,
    ConflictError (deleted, or as many as there may be), and whatever keeps somebody from writing there.
    """
    with _pinning(user, key) as found:
        message = _message(found, message_id)
        if message.deleted_at is not None:
            raise ConflictError("That message is deleted.", why=Why.MESSAGE_DELETED)
        if not Pin.objects.filter(pk=message.pk).exists():
            if Pin.objects.filter(channel_id=found.channel.id).count() >= PINS_PER_CHANNEL:
                raise ConflictError(
                    f"A channel has at most {PINS_PER_CHANNEL} pinned messages.",
                    why=Why.TOO_MANY_PINS,
                    limit=PINS_PER_CHANNEL,
                )
            at = datetime.now(UTC)
            Pin.objects.create(message=message, channel_id=found.channel.id, pinned_by_id=user.id, created_at=at)
            _note(user, found, message, AuditAction.PIN_ADD)
        return pin_data(user=user, key=found.channel.key, message_id=message_id)


def pin_remove(*, user: UserRef, key: ChannelKey, message_id: str) -> None:
    """No longer keep it at hand; repeating it changes nothing. Raises as pin_add() does."""
    with _pinning(user, key) as found:
        message = _message(found, message_id)
        if Pin.objects.filter(pk=message.pk).delete()[0]:
            _note(user, found, message, AuditAction.PIN_REMOVE)


@contextmanager
def _pinning(user: UserRef, key: ChannelKey) -> Iterator[ChannelAccess]:
    """The channel, locked, for who may pin there: asked before the lock, and under it."""
    found = channel_access(user=user, key=key)
    check_pin(found.access, everybody_pins=found.channel.everybody_pins)
    with transaction.atomic():
        channel = channels_lock([found.channel.key])[0]
        found = channel_access(user=user, key=key)
        check_pin(found.access, everybody_pins=found.channel.everybody_pins)
        if not found.access.can_moderate:
            refused = Writing([(channel, user.id)], datetime.now(UTC)).refusal(channel, user.id)
            if refused is not None:
                raise refused
        yield found


def _message(found: ChannelAccess, message_id: str) -> Message:
    wanted = Message.objects.select_for_update(of=("self",), no_key=True).select_related("author")
    message = wanted.filter(channel_id=found.channel.id, pk=parse_message_id(message_id)).first()
    if message is None:
        raise NotFoundError("There is no such message in this channel.", why=Why.NO_SUCH_MESSAGE)
    return message


def _note(user: UserRef, found: ChannelAccess, message: Message, action: AuditAction) -> None:
    _tell(found.channel.key, message, is_pinned=action is AuditAction.PIN_ADD, by=user.username)
    if found.access.can_moderate:
        author = UserRef(UserId(str(message.author_id)), message.author.username)
        details = {"message": str(message.pk), "number": message.number}
        audit_add(user, action, author, found.channel.key, details=details)


def _tell(key: ChannelKey, message: Message, *, is_pinned: bool, by: str | None) -> None:
    data = PinChangedData(id=str(message.pk), number=message.number, is_pinned=is_pinned, by=by)
    publish.to_channel(Event(EventType.PIN_CHANGED, key, data))


def pins_drop(messages: Sequence[uuid.UUID]) -> None:
    """These messages lose their text, or go for good: their pins go, and who is there is told. One query where there
    are none.
    """
    for pin in Pin.objects.filter(pk__in=messages).select_related("message", "channel"):
        _tell(ChannelKey(pin.channel.key), pin.message, is_pinned=False, by=None)
        pin.delete()
