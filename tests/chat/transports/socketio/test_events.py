"""How our events become those of Socket.IO clients."""

from __future__ import annotations

from chat.domain.events import Event, EventType
from chat.domain.ids import ChannelKey
from chat.transports.socketio.events import SocketIOFormat


def test_only_who_asks_for_all_events_is_told_how_people_show_themselves() -> None:
    event = Event(EventType.USER_UPDATED, None, {"user": {"username": "ada"}})
    assert SocketIOFormat(lambda: "", lambda: "").encode(event) is None
    full = SocketIOFormat(lambda: "", lambda: "", is_full=True)
    assert full._said(event) == ("user : updated", {"user": {"username": "ada"}})
    frame = full.encode(event)
    assert frame is not None
    assert not frame.moves_offset


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
