"""What comes before serving: waiting for a database, and one migration at a time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from django.db import connection

from reaktor.db.startup import StartupError, migration_lock, wait_for_database

pytestmark = [pytest.mark.django_db(transaction=True)]


def test_a_database_that_answers_is_not_waited_for() -> None:
    said: list[str] = []
    wait_for_database(0, said.append)
    assert said == []


def test_one_process_migrates_and_the_others_wait_for_it_but_not_for_ever(tmp_path: Path) -> None:
    said: list[str] = []

    def try_it() -> None:
        try:
            with migration_lock(tmp_path, 0, said.append):
                said.append("inside")
        except StartupError as error:
            said.append(str(error))
        finally:
            connection.close()

    def elsewhere() -> None:
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join(10)

    with migration_lock(tmp_path, 0, said.append):
        elsewhere()
        assert len(said) == 1
        assert "Another process has been migrating" in said[0]
    elsewhere()
    assert said[1:] == ["inside"]
