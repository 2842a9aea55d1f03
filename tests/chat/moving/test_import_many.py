"""A big server taken over, with a power cut on the way. On SQLite alone: on PostgreSQL it would be the same again."""

from __future__ import annotations

import time
from typing import Any

import pytest

from accounts.models import User
from chat.models import Channel, Message
from chat.moving.seed_import import SeedImport
from tests.chat.moving.conftest import Run
from tests.support.seed_redis import SeedRedis, is_whole, texts

pytestmark = pytest.mark.django_db(transaction=True)

USERS, MESSAGES, CHANNELS = 10_000, 100_000, 8


class PowerCut(BaseException):
    """Not an Exception, so that nobody on the way takes it for an error of a row."""


@pytest.mark.long
def test_ten_thousand_users_and_a_hundred_thousand_messages_interrupted_on_the_way(
    old: SeedRedis, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    old.years(USERS, MESSAGES, CHANNELS)
    original = SeedImport._store
    batches = 0

    def store(*arguments: Any) -> None:
        nonlocal batches
        batches += 1
        original(*arguments)
        if batches == 40:
            raise PowerCut  # before the commit

    monkeypatch.setattr(SeedImport, "_store", staticmethod(store))
    started = time.monotonic()
    with pytest.raises(PowerCut):
        run()
    said = run()
    print(f"{(USERS + MESSAGES) / (time.monotonic() - started):,.0f} rows/s")
    assert Message.objects.count() == MESSAGES
    assert User.objects.count() == USERS
    for channel in Channel.objects.filter(number__gt=0):
        assert is_whole(channel.key)
        assert texts(channel.key) == [f"message {n} of {channel.key}" for n in range(1, channel.number + 1)]
    assert "Not taken as it was" not in said
