"""What one session is told of somebody who quit: the channels that they shared, and no others."""

from __future__ import annotations

from typing import Any, cast

from chat.delivery.hub import Hub
from chat.domain.ids import ChannelKey, UserId
from chat.domain.sessions import LeftReason
from chat.live.local_members import LocalMembers
from chat.membership.protocol import MemberLeft
from tests.support.delivery import FakeFormat, FakeSession

LOBBY, SECRET = ChannelKey("lobby"), ChannelKey("unlisted-key")


def test_who_quits_gives_no_key_away_that_one_does_not_have() -> None:
    hub = Hub(unsent_bytes=1_000_000, on_dirty=lambda: None)
    local_members = LocalMembers(hub, cast(Any, None), lambda coroutine, name: None)
    wire_format = FakeFormat()
    stranger, friend = FakeSession("stranger", wire_format), FakeSession("friend", wire_format)
    for session, channels in ((stranger, [LOBBY]), (friend, [LOBBY, SECRET])):
        hub.attach(session)
        for channel in channels:
            hub.enter(session, channel)
    local_members.carry_out([MemberLeft(key, UserId("ann"), "ann", LeftReason.QUIT) for key in (LOBBY, SECRET)])
    hub.flush()
    told = {
        session.user.username: [frame["data"]["channels"] for frame in session.frames if frame["event"] == "user.quit"]
        for session in (stranger, friend)
    }
    assert told == {"stranger": [[LOBBY]], "friend": [[LOBBY, SECRET]]}
    assert SECRET not in str(stranger.writes)
