"""`manage.py new_history` beside a server on another host, which only its lease shows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from chat.management.lease_rows import LeaseRows
from chat.models import History
from chat.selectors import AUTHORITY, history_epoch
from tests.support.ports import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture(autouse=True)
def own_directory(settings: Any, tmp_path: Path) -> None:
    settings.REAKTOR = replace(settings.REAKTOR, data_dir=tmp_path)


@pytest.fixture
def kill_other_host() -> Iterator[Callable[[], None]]:
    """Of one that renews its lease until then. Its lease is named for it afterwards, too."""
    is_dead = threading.Event()

    def renew() -> None:
        rows = LeaseRows(AUTHORITY, answer_s=5.0)
        rows.take(rows.read(), "elsewhere/1", "term")
        while not is_dead.wait(0.3):
            rows.renew("elsewhere/1", "term")
        connections.close_all()

    thread = threading.Thread(target=renew)
    rows = LeaseRows(AUTHORITY, answer_s=5.0)
    thread.start()
    wait_for(lambda: rows.read().renewals > 0, 20, "the lease to be had")

    def kill() -> None:
        is_dead.set()
        # It may be in the middle of renewing.
        thread.join(20)

    yield kill
    kill()


def test_it_is_refused_while_a_server_works_elsewhere_and_not_when_that_one_is_dead(
    kill_other_host: Callable[[], None],
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("its file is on one host")
    History.objects.get_or_create(pk=1)
    before = history_epoch()
    with pytest.raises(CommandError, match=r"A server is running on this database, on elsewhere\. Stop it first"):
        call_command("new_history")
    assert history_epoch() == before
    kill_other_host()
    call_command("new_history")
    assert history_epoch() != before
