"""How our events become those of Socket.IO clients."""

from __future__ import annotations

from typing import Any

import pytest

from chat.domain.events import Event, EventType
from chat.domain.ids import ChannelKey
from chat.transports.socketio.events import SocketIOFormat
from tests.support.delivery import message


def test_only_who_asks_for_all_events_is_told_how_people_show_themselves() -> None:
    event = Event(EventType.USER_UPDATED, None, {"user": {"username": "ada"}})
    assert SocketIOFormat(lambda: "", lambda: "").encode(event) is None
    full = SocketIOFormat(lambda: "", lambda: "", is_full=True)
    assert full._said(event) == ("user : updated", {"user": {"username": "ada"}})
    frame = full.encode(event)
    assert frame is not None
    assert not frame.moves_offset


def test_clients_that_know_no_threads_are_told_of_a_reply_as_of_any_message() -> None:
    plain = {"id": "2", "text": "green", "author": "ada", "created_at": "…", "channel": "tea", "seq": 3}
    info = {"number": 1, "seq": 3, "replies": 1, "last_reply_at": "…", "participants": ["ada"]}
    reply = {**plain, "thread": "1", "also_in_channel": False, "thread_info": info}
    wire = SocketIOFormat(lambda: "", lambda: "")
    events = [Event(EventType.MESSAGE_NEW, ChannelKey("tea"), data, 3) for data in (plain, reply)]
    assert wire._said(events[0]) == wire._said(events[1])
    frame = wire.encode(events[1])
    assert frame is not None
    assert frame.moves_offset
    told = {"thread": "1", "thread_info": info, "author": "ada"}
    assert wire.encode(Event(EventType.THREAD_ACTIVITY, ChannelKey("tea"), told)) is None


def test_clients_that_know_no_files_read_a_line_for_each() -> None:
    file = {"id": "7", "name": "tea.png", "type": "image/png", "size": 2048}
    message = {
        "id": "1", "text": "look", "author": "ada", "created_at": "…", "channel": "tea", "seq": 3, "files": [file],
    }  # fmt: skip
    said = SocketIOFormat(lambda: "", lambda: "https://chat.example")._said(
        Event(EventType.MESSAGE_NEW, ChannelKey("tea"), message, 3)
    )
    assert said is not None
    assert said[1]["message"] == "look\ntea.png (2.0 KiB) https://chat.example/f/7"


MESSAGE = {**message(7, 9), "channel": "tea", "edited_at": "2026-01-01T10:00:01.000Z"}
HEAD = {"number": 7, "seq": 9, "flow": 7}
CHANNEL = {"name": "bob", "key": "dm-1", "kind": "direct"}
OTHERS: dict[EventType, tuple[Any, str | None, str]] = {
    EventType.MESSAGE_UPDATED: (MESSAGE, "message:updated", "message:updated"),
    EventType.MESSAGE_DELETED: ({**MESSAGE, "text": None}, "message:deleted", "message:deleted"),
    EventType.REACTION_CHANGED: (MESSAGE, None, "reaction:changed"),
    EventType.CHANNEL_ACTIVITY: ({"head": HEAD, "last": None}, None, "channel : activity"),
    EventType.CHANNEL_ADDED: (CHANNEL, "channel : created", "channel : added"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_new_message_moves_no_offset_whoever_is_told(kind: EventType) -> None:
    """An offset is what a client has seen of a channel: these may be ahead of messages that it was not sent yet."""
    data, *words = OTHERS[kind]
    event = Event(kind, ChannelKey("tea"), data, 9 if "text" in data else None)
    for is_full, word in zip((False, True), words, strict=True):
        wire_format = SocketIOFormat(lambda: "", lambda: "", is_full=is_full)
        said, frame = wire_format._said(event), wire_format.encode(event)
        assert (said and said[0]) == word
        assert frame is None or not frame.moves_offset
    new = SocketIOFormat(lambda: "", lambda: "").encode(Event(EventType.MESSAGE_NEW, ChannelKey("tea"), MESSAGE, 9))
    assert new is not None
    assert new.moves_offset
