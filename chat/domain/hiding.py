"""Whose words are hidden from whom: in a group, what somebody writes from those who block them. Every such decision.

A hidden message keeps its place, so that cursors, counts and pages stay dense; its reader is shown that there is one,
and nothing of it. Everybody else sees it as it is. Names stand for people as in messages, folded. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from accounts.names import folded
from chat.domain.events import DURABLE, Activity, Event, EventType, LastData, MessageData, ThreadInfoData
from chat.domain.policies import ChannelKind

Names = frozenset[str]
"""Whose words are hidden from one reader in one channel."""
NOBODY: Names = frozenset()
HIDING_KINDS = tuple(kind for kind in ChannelKind if kind is ChannelKind.GROUP)
"""Where a block hides: in a direct channel it ends what is said, and elsewhere it is about mentions alone."""


def names_hidden(kind: ChannelKind, blocked: Iterable[str]) -> Names:
    """Who is hidden in a channel of this kind from a reader who blocks these people."""
    return frozenset(map(folded, blocked)) if kind in HIDING_KINDS else NOBODY


def is_hidden(author: str, names: Names) -> bool:
    return folded(author) in names


def message_seen(message: MessageData, names: Names) -> MessageData:
    """The message as the reader sees it; the same object where nothing of it is hidden.

    Of a hidden one its place is left, its author, and whether it was deleted. Of others the hidden people's reactions
    are taken away. Who is hidden is not shown as taking part in a thread; that somebody answered is counted, as it is
    everywhere.
    """
    info = message.get("thread_info")
    if info is not None and (shown := info_seen(info, names)) is not info:
        message = {**message, "thread_info": shown}
    if is_hidden(message["author"], names):
        told = cast(MessageData, {name: value for name, value in message.items() if name not in {"via", "files"}})
        return {
            **told,
            "text": None,
            "reply_to": None,
            "nonce": None,
            "reactions": {},
            "mentions": [],
            "edited_at": None,
            "hidden": True,
        }
    reactions = message["reactions"]
    if not any(is_hidden(name, names) for given in reactions.values() for name in given):
        return message
    left = {emoji: [name for name in given if not is_hidden(name, names)] for emoji, given in reactions.items()}
    return {**message, "reactions": {emoji: given for emoji, given in left.items() if given}}


def info_seen(info: ThreadInfoData, names: Names) -> ThreadInfoData:
    """What a thread is to the reader; the same object where nobody in it is hidden."""
    people = [name for name in info["participants"] if not is_hidden(name, names)]
    return info if people == info["participants"] else {**info, "participants": people}


def messages_seen(messages: Iterable[MessageData], names: Names) -> list[MessageData]:
    """All of them, each as the reader sees it."""
    return [message_seen(each, names) for each in messages] if names else list(messages)


def last_seen(last: LastData, names: Names) -> LastData:
    """A channel's newest message as the reader's list of channels shows it."""
    if not is_hidden(last["author"], names):
        return last
    told = cast(LastData, {name: value for name, value in last.items() if name != "files"})
    return {**told, "text": None, "hidden": True}


def activity_seen(activity: Activity, names: Names) -> Activity:
    """How far the channel has come everybody is told, since each message counts as a place."""
    return activity._replace(last=last_seen(activity.last, names))


def event_seen(event: Event, names: Names) -> Event | None:
    """An event of a channel as the reader is told of it; None: not at all. Who is there stays to be seen."""
    if event.type in DURABLE:
        message = message_seen(event.data, names)
        return event if message is event.data else event._replace(data=message)
    if event.type is EventType.THREAD_ACTIVITY:
        return event._replace(data={**event.data, "thread_info": info_seen(event.data["thread_info"], names)})
    if event.type is EventType.TYPING and is_hidden(event.data["username"], names):
        return None
    return event
