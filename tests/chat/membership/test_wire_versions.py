"""Sessions as the version before and the one after say them: both run beside this one during an upgrade."""

from __future__ import annotations

from chat.membership.wire import info_from, info_to
from tests.support.membership import session_info


def test_a_session_of_the_version_before_is_read() -> None:
    info = session_info("s1", "ann")
    assert info_from(info_to(info)[:9]) == info


def test_a_session_of_the_version_after_is_read_as_far_as_it_is_known() -> None:
    info = session_info("s1", "ann")
    assert info_from([*info_to(info), "something new"]) == info
