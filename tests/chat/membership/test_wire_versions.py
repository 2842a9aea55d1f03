"""Sessions as the version before and the one after say them: both run beside this one during an upgrade."""

from __future__ import annotations

import pytest

from chat.domain.ids import SessionId, WorkerId
from chat.domain.sessions import Ending, Naming
from chat.membership.protocol import Disconnect
from chat.membership.wire import command_from, info_from, info_to
from tests.support.membership import session_info


@pytest.mark.parametrize("known", [9, 10, 11])
def test_a_session_of_the_version_before_is_read(known: int) -> None:
    info = session_info("s1", "ann")
    assert info_from(info_to(info)[:known]) == info


def test_a_place_that_0_3_0_kept_is_read() -> None:
    """After the step from there, by stop and start, nobody was in their channels any more."""
    info = session_info("s1", "ann", WorkerId(0, 0, 1, 7))
    said = info_to(info)
    said[3] = [1, 7]
    assert info_from(said) == info


def test_what_this_version_says_of_a_session_comes_whole() -> None:
    info = session_info("s1", "ann", login="log-in", naming=Naming.PERHAPS, marks="4e1c")
    assert info_from(info_to(info)) == info


def test_a_client_that_closed_its_transport_is_lost_as_this_version_sees_it() -> None:
    """The version before had a word of its own for it."""
    assert command_from(["disconnect", "s1", "closed", {}]) == Disconnect(SessionId("s1"), Ending.LOST)


def test_a_session_of_the_version_after_is_read_as_far_as_it_is_known() -> None:
    info = session_info("s1", "ann")
    assert info_from([*info_to(info), "something new"]) == info
