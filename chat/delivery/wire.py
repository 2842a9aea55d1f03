"""How events travel between the processes: bodies for the bus, and the names of groups and kinds.

Pure. Bodies are made by chat.publish (after a commit) and chat.live.broadcast (the live process), and read by
chat.live.broadcast of every other process; chat.live.runtime reads what retention says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chat.domain.events import (
    Activity,
    ActivityData,
    Event,
    EventType,
    HeadData,
    MessageData,
    ThreadActivityData,
    last_data,
    mark_data,
)
from chat.domain.ids import ChannelKey, SessionId, UserId
from chat.domain.reading import Head, Marker

EVERYBODY_GROUP = "events.everybody"
"""Every worker reads it: events for all live sessions, and for one user's wherever they are."""
DURABLE_KIND = "events.durable"
EPHEMERAL_KIND = "events.ephemeral"
ACTIVITY_KIND = "events.activity"
THREAD_KIND = "events.thread"
"""A reply, for the followers of its thread."""
CALL_KIND = "events.call"
"""A message calls those who follow its channel."""
GAP_KIND = "events.gap"
"""The bus did not take something that the sender had to say."""
TRIMMED_KIND = "channel.trimmed"
"""Retention deleted messages of a channel; body {"channel": key}."""
_KNOWN = frozenset(EventType)


@dataclass(frozen=True, slots=True)
class Audience:
    """Who gets an ephemeral event: a channel's members, one user's sessions, or (both None) everybody."""

    channel: ChannelKey | None = None
    user_id: UserId | None = None
    exclude: SessionId | None = None


def message_new(message: MessageData) -> Event:
    """The event of a message that was just stored."""
    return Event(EventType.MESSAGE_NEW, ChannelKey(message["channel"]), message, message["seq"])


def mention(message: MessageData) -> Event:
    """What a mentioned user is told, wherever they are."""
    data = {"id": message["id"], "number": message["number"], "author": message["author"], "text": message["text"]}
    if "thread" in message and not message.get("also_in_channel"):
        data["thread"] = message["thread"]
    return Event(EventType.MENTION, ChannelKey(message["channel"]), data)


def call_body(event: Event, only: Collection[UserId] | None, but: Collection[UserId]) -> dict[str, Any]:
    """The event that each is told who follows its channel: `only` these (None: all of them), without those in `but`."""
    return {"event": event_body(event), "only": None if only is None else list(only), "but": list(but)}


def call_from_body(body: Mapping[str, Any]) -> tuple[Event, frozenset[UserId] | None, frozenset[UserId]]:
    """Raises ValueError, KeyError or TypeError on junk."""
    only = body["only"]
    return event_from_body(body["event"]), None if only is None else frozenset(only), frozenset(body["but"])


def read_updated(message: MessageData, marker: Marker) -> Event:
    """What a user is told whose marker stands there since this message of theirs, the newest one."""
    head = Head(message["number"], message["number"] - message["flow"])
    return Event(EventType.READ_UPDATED, ChannelKey(message["channel"]), mark_data(marker, head))


def thread_activity(message: MessageData) -> Event | None:
    """What the followers of its thread are told of a reply; None: it is none."""
    if "thread" not in message or "thread_info" not in message:
        return None
    data = ThreadActivityData(thread=message["thread"], thread_info=message["thread_info"], author=message["author"])
    return Event(EventType.THREAD_ACTIVITY, ChannelKey(message["channel"]), data)


def thread_activity_body(event: Event, users: Sequence[UserId]) -> dict[str, Any]:
    return {"event": event_body(event), "users": list(users)}


def thread_activity_from_body(body: Mapping[str, Any]) -> tuple[Event, list[UserId]]:
    return event_from_body(body["event"]), [UserId(user_id) for user_id in body["users"]]


def activity_of(message: MessageData, *, is_new: bool) -> Activity:
    """That of the message which was the newest of its channel, when it was posted or as it is now."""
    head = HeadData(number=message["number"], seq=message["changed_seq"], flow=message["flow"])
    return Activity(ChannelKey(message["channel"]), head, last_data(message), is_new)


def newest_activity(events: Iterable[Event]) -> Activity | None:
    """Of durable events of one channel: that of the newest message among them. None: followers are told nothing."""
    shown = [each for each in events if each.type is not EventType.REACTION_CHANGED]
    if not shown:
        return None
    newest = max(shown, key=lambda each: int(each.data["number"]))
    return activity_of(newest.data, is_new=newest.type is EventType.MESSAGE_NEW)


def channel_activity(activity: Activity, *, shows_last: bool) -> Event:
    """What a follower is told."""
    data = ActivityData(head=activity.head, last=activity.last if shows_last else None)
    return Event(EventType.CHANNEL_ACTIVITY, activity.channel, data)


def activities_body(activities: Iterable[Activity]) -> dict[str, Any]:
    return {"activities": [[*each] for each in activities]}


def activities_from_body(body: Mapping[str, Any]) -> list[Activity]:
    return [Activity(ChannelKey(key), head, last, is_new) for key, head, last, is_new in body["activities"]]


def event_body(event: Event) -> list[Any]:
    return [event.type.value, event.channel, event.seq, event.data]


def event_from_body(body: Sequence[Any]) -> Event:
    """Raises ValueError, TypeError or IndexError on junk."""
    kind, channel, seq, data = body
    if seq is not None and isinstance(data, dict) and "number" in data:
        # Releases before 0.5 do not say it.
        data.setdefault("flow", data["number"])
    return Event(EventType(kind), ChannelKey(channel) if channel is not None else None, data, seq)


def durable_body(events: Sequence[Event], at: float) -> dict[str, Any]:
    """The durable events of one channel from one commit. `at`: when it was, in Unix seconds, for measuring alone."""
    return {"events": [event_body(event) for event in events], "at": at}


def committed_at(body: Mapping[str, Any], now: float) -> float:
    """When the events were committed, as their sender's clock had it; `now` where it does not say."""
    at = body.get("at")
    return at if isinstance(at, float) else now


def durable_from_body(body: Mapping[str, Any]) -> list[Event]:
    return [event_from_body(each) for each in body["events"]]


def ephemeral_body(event: Event, audience: Audience) -> dict[str, Any]:
    return {
        "event": event_body(event),
        "channel": audience.channel,
        "user": audience.user_id,
        "exclude": audience.exclude,
    }


def ephemeral_from_body(body: Mapping[str, Any]) -> tuple[Event, Audience] | None:
    """None: an event that this release does not know, from a host that has a later one."""
    if body["event"][0] not in _KNOWN:
        return None
    return event_from_body(body["event"]), Audience(body["channel"], body["user"], body["exclude"])
