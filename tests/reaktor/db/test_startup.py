"""What comes before serving: waiting for a database, and one migration at a time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from reaktor.db.startup import StartupError, migration_lock, wait_for_database
from tests.support.databases import taken_away
from tests.support.ports import free_port

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def elsewhere(work: Callable[[], object]) -> list[str]:
    """Do it in another thread, with a connection of its own; the error it met, if any."""
    errors: list[str] = []

    def run() -> None:
        try:
            work()
        except StartupError as error:
            errors.append(str(error))
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    return errors


def far_away(path: Path) -> dict[str, str]:
    """Settings that lead this thread's connection to a database that is not there yet."""
    if connection.vendor == "sqlite":
        return {"NAME": str(path / "data" / "chat.sqlite3")}
    return {"HOST": "127.0.0.1", "PORT": str(free_port())}


def test_a_database_that_answers_is_not_waited_for() -> None:
    said: list[str] = []
    wait_for_database(0, said.append)
    assert said == []


def test_a_database_that_stays_away_is_named_with_the_reason_and_without_its_password(tmp_path: Path) -> None:
    said: list[str] = []

    def wait() -> None:
        connection.settings_dict = {**connection.settings_dict, **far_away(tmp_path), "PASSWORD": "hush"}
        wait_for_database(0.3, said.append)

    (error,) = elsewhere(wait)
    assert "does not let us in within 0.3 s" in error
    assert len(said) == 1, "it is said once, however often it is tried"
    assert said[0].startswith("Waiting for ")
    assert "hush" not in error + said[0]


def test_a_database_that_comes_meanwhile_is_used(tmp_path: Path) -> None:
    said: list[str] = []
    with contextlib.ExitStack() as away:
        settings: dict[str, str] = {}
        if connection.vendor == "sqlite":
            settings = far_away(tmp_path)
            away.callback((tmp_path / "data").mkdir)
        else:
            away.enter_context(taken_away())

        def come(line: str) -> None:
            said.append(line)
            away.close()

        def wait() -> None:
            connection.settings_dict = {**connection.settings_dict, **settings}
            wait_for_database(20, come)
            assert connection.is_usable()

        assert elsewhere(wait) == []
    assert len(said) == 1


def test_one_process_migrates_and_the_others_wait_for_it_but_not_for_ever(tmp_path: Path) -> None:
    said: list[str] = []

    def migrate() -> None:
        with migration_lock(tmp_path, 0, said.append):
            said.append("inside")

    with migration_lock(tmp_path, 0, said.append):
        (error,) = elsewhere(migrate)
        assert "Another process has been migrating" in error
    assert said == []
    assert elsewhere(migrate) == []
    assert said == ["inside"]


def test_who_waits_for_another_one_migrates_after_it(tmp_path: Path) -> None:
    said: list[str] = []
    is_held, may_go = threading.Event(), threading.Event()

    def hold() -> None:
        with migration_lock(tmp_path, 0, said.append):
            is_held.set()
            may_go.wait(10)
        connection.close()

    def say(line: str) -> None:
        said.append(line)
        may_go.set()

    holding = threading.Thread(target=hold)
    holding.start()
    assert is_held.wait(10)
    with migration_lock(tmp_path, 20, say):
        said.append("inside")
    holding.join(10)
    assert said == ["Waiting for another process that is migrating the database.", "inside"]
