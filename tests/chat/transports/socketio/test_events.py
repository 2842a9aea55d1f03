"""How our events become those of Socket.IO clients."""

from __future__ import annotations

from chat.domain.events import Event, EventType
from chat.transports.socketio.events import SocketIOFormat


def test_only_who_asks_for_all_events_is_told_how_people_show_themselves() -> None:
    event = Event(EventType.USER_UPDATED, None, {"user": {"username": "ada"}})
    assert SocketIOFormat(lambda: "").encode(event) is None
    full = SocketIOFormat(lambda: "", is_full=True)
    assert full._said(event) == ("user : updated", {"user": {"username": "ada"}})
    frame = full.encode(event)
    assert frame is not None
    assert not frame.moves_offset
