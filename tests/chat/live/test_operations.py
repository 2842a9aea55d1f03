"""How often an operation may be asked: counted once for each time it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from channels.layers import InMemoryChannelLayer
from django.db import InterfaceError

from chat.live.operations import check_rate
from reaktor.config.model import Config, Limits, Rate
from reaktor.errors import RateLimitedError, UnavailableError
from tests.support.delivery import FakeFormat, FakeSession
from tests.support.runtime import running_runtime

pytestmark = pytest.mark.django_db(transaction=True)


async def test_what_was_counted_is_not_counted_again_over_a_lost_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count ran as a read of the database, and a read that loses its connection is made twice."""
    counted: list[str] = []

    def count(allowance: object, key: str) -> None:
        counted.append(key)
        raise InterfaceError("the connection is closed")

    async with running_runtime(Config(tmp_path), InMemoryChannelLayer()) as runtime:
        monkeypatch.setattr(runtime.rates, "check_here", lambda allowance, key: True)
        monkeypatch.setattr(runtime.rates, "check_elsewhere", count)
        with pytest.raises(UnavailableError):
            await check_rate(runtime, FakeSession("ann", FakeFormat()), "channel.create")
    assert counted == ["ann"]


async def test_all_sessions_of_a_user_have_one_share_of_the_lists(tmp_path: Path) -> None:
    """Two sockets of one user had a hundred lists a second made for them, and others' posts took ten times as long."""
    config = Config(tmp_path, limits=Limits(lists=Rate(3, 60)))
    async with running_runtime(config, InMemoryChannelLayer()) as runtime:
        one, other, bobs = (FakeSession(name, FakeFormat()) for name in ("ann", "ann", "bob"))
        for session in (one, other, one, bobs):
            await check_rate(runtime, session, "channel.list")
        for session in (one, other):
            with pytest.raises(RateLimitedError):
                await check_rate(runtime, session, "channel.list")
