"""Writes of channels: made, found or made, renamed, frozen, slowed, archived.

Who may is the access that chat.selectors reads; live sessions are told through chat.publish after the commit.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import IntegrityError, transaction

from chat import publish
from chat.domain import rules
from chat.domain.events import ChannelData, Event, EventType
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.policies import MAX_SLOW_MODE_S, Access, ChannelKind, Role
from chat.domain.reading import START, UNREAD
from chat.models import AuditAction, Channel, ChannelMembership, random_channel_key
from chat.posting.textrules import CurrentTextRules
from chat.selectors import ChannelAccess, channel_access, channel_data, counted_data, user_ref
from chat.services.audit import audit_add
from chat.services.locking import channel_locked
from chat.services.memberships import tell_membership
from chat.services.words import words_check
from reaktor.errors import ConflictError, InvalidError
from reaktor.scripts import folded
from reaktor.times import timestamp

MADE_BY_HAND = (ChannelKind.PUBLIC.value, ChannelKind.UNLISTED.value, ChannelKind.PRIVATE.value)


def channel_create(
    *,
    user: UserRef,
    name: str,
    kind: str = "public",
    topic: str = "",
    key: str | None = None,
    text_rules: CurrentTextRules | None = None,
) -> ChannelAccess:
    """A new channel, its creator the owner. `key` None: a random one; a private channel's always is.

    Raises InvalidError, ConflictError (the key is taken), ForbiddenError (a word that is not allowed).
    """
    if kind not in MADE_BY_HAND:
        raise InvalidError("A channel is public, unlisted or private.", fields={"kind": ", ".join(MADE_BY_HAND)})
    if kind == ChannelKind.PRIVATE:
        chosen = rules.reserved_channel_key(ChannelKind.PRIVATE, random_channel_key())
    else:
        chosen = rules.check_channel_key(key) if key is not None else ChannelKey(random_channel_key())
    fields = {"name": rules.check_channel_name(name), "topic": rules.check_topic(topic), "kind": kind}
    words_check(user, [fields["name"], fields["topic"], key or ""], text_rules)
    try:
        with transaction.atomic():
            channel = Channel.objects.create(key=chosen, created_by_id=user.id, **fields)
            ChannelMembership.objects.create(channel=channel, user_id=user.id, role=Role.OWNER.value)
    except IntegrityError:
        raise ConflictError("There is a channel with that key.") from None
    found = channel_access(user=user, key=chosen)
    if found.channel.kind is ChannelKind.PUBLIC:
        publish.to_everybody(Event(EventType.CHANNEL_CREATED, chosen, _public_data(found)))
    tell_membership(user, chosen, EventType.CHANNEL_ADDED)
    return found


def channel_ensure(
    *, user: UserRef, key: str, text_rules: CurrentTextRules | None = None
) -> tuple[ChannelAccess, bool]:
    """The channel with this key, made unlisted when there is none (the seed contract's join); and whether it was made.

    Raises InvalidError for keys that nobody may choose.
    """
    chosen = rules.check_channel_key(key)
    if not Channel.objects.filter(key=chosen).exists():
        words_check(user, [chosen], text_rules)
    with transaction.atomic():
        _, is_new = Channel.objects.get_or_create(
            key=chosen, defaults={"name": chosen, "kind": ChannelKind.UNLISTED.value, "created_by_id": user.id}
        )
    return channel_access(user=user, key=chosen), is_new


def channel_update(
    *,
    user: UserRef,
    key: str,
    name: str | None = None,
    topic: str | None = None,
    slow_mode_s: int | None = None,
    is_frozen: bool | None = None,
    threads: bool | None = None,
    everybody_pins: bool | None = None,
    text_rules: CurrentTextRules | None = None,
) -> ChannelAccess:
    """Another name or topic, by an owner; slow mode, freezing and thawing, threads or none, and who pins, by a
    moderator. What is so already is no change: nobody is told, nothing is noted. Raises InvalidError, ForbiddenError.
    """
    is_managing = name is not None or topic is not None
    wanted: dict[str, Any] = {}
    if name is not None:
        wanted["name"] = rules.check_channel_name(name)
    if topic is not None:
        wanted["topic"] = rules.check_topic(topic)
    words_check(user, [wanted[field] for field in ("name", "topic") if field in wanted], text_rules)
    if slow_mode_s is not None:
        if not 0 <= slow_mode_s <= MAX_SLOW_MODE_S:
            raise InvalidError("Slow mode is at most 6 hours.", fields={"slow_mode_s": f"0 to {MAX_SLOW_MODE_S}"})
        wanted["slow_mode_s"] = slow_mode_s
    if threads is not None:
        wanted["has_threads"] = threads
    if everybody_pins is not None:
        wanted["everybody_pins"] = everybody_pins
    # Under the lock that posts take: once this returns, none is stored under the rules of before.
    others = (topic, slow_mode_s, is_frozen, threads, everybody_pins)
    is_rename = name is not None and all(other is None for other in others)
    check = Access.check_rename if is_rename else Access.check_manage if is_managing else Access.check_moderate
    with channel_locked(user=user, key=key, check=check) as found:
        channel = Channel.objects.get(pk=found.channel.id)
        changes = {field: value for field, value in wanted.items() if value != getattr(channel, field)}
        if is_frozen is not None and is_frozen != (channel.frozen_at is not None):
            changes["frozen_at"] = datetime.now(UTC) if is_frozen else None
        if changes:
            columns = {**changes, "name_folded": folded(changes["name"])} if "name" in changes else changes
            Channel.objects.filter(pk=found.channel.id).update(**columns)
            audit_add(user, AuditAction.CHANNEL_UPDATE, channel=found.channel.key, details=_shown(changes))
            found = channel_access(user=user, key=found.channel.key, to_moderate=True)
            _tell_about(found, EventType.CHANNEL_UPDATED)
    return found


def _shown(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: timestamp(value) if isinstance(value, datetime) else value for name, value in changes.items()}


def channel_archive(*, user: UserRef, key: str) -> ChannelAccess:
    """Nobody may write in it any more; reading stays. Repeating it changes nothing."""
    with channel_locked(user=user, key=key, check=Access.check_manage) as found:
        if Channel.objects.filter(pk=found.channel.id, archived_at=None).update(archived_at=datetime.now(UTC)):
            audit_add(user, AuditAction.CHANNEL_ARCHIVE, channel=found.channel.key)
            found = channel_access(user=user, key=found.channel.key, to_moderate=True)
            _tell_about(found, EventType.CHANNEL_ARCHIVED)
    return found


def _public_data(found: ChannelAccess) -> ChannelData:
    """The channel as a stranger sees it: events go to everybody, so they say nothing of one user."""
    data = channel_data(found, online=0)
    return {**data, "role": None, **counted_data(UNREAD, START, 0)}


def _tell_about(found: ChannelAccess, kind: EventType) -> None:
    event = Event(kind, found.channel.key, _public_data(found))
    if found.channel.kind is ChannelKind.PUBLIC:
        publish.to_everybody(event)
    elif found.channel.kind.is_direct:
        for membership in ChannelMembership.objects.filter(channel_id=found.channel.id).select_related("user"):
            tell_membership(user_ref(membership.user), found.channel.key, kind)
    else:
        publish.to_channel(event)
