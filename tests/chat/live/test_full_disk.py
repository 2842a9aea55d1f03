"""Saying hello while the disk is full: what must be written is left out, what can be read is read."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
from django.db import OperationalError

from chat import services
from chat.live.actions import _load_start
from chat.selectors import user_ref
from tests.support.rest import register

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def sqlite_error(code: int) -> Exception:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = code
    return error


def failing(monkeypatch: pytest.MonkeyPatch, cause: Exception) -> None:
    def fail(**_: object) -> None:
        raise OperationalError("no") from cause

    monkeypatch.setattr(services, "memberships_ensure", fail)


@pytest.mark.parametrize("cause", [sqlite_error(sqlite3.SQLITE_FULL), psycopg.errors.DiskFull("no space left")])
def test_an_account_that_is_new_can_say_hello_and_read(monkeypatch: pytest.MonkeyPatch, cause: Exception) -> None:
    """With the disk full a newcomer was refused, because the default channels could not be written down for them."""
    ada = user_ref(register("ada"))
    failing(monkeypatch, cause)
    epoch, found = _load_start(ada, [])
    assert epoch
    assert found


def test_any_other_trouble_of_the_database_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, sqlite_error(sqlite3.SQLITE_BUSY))
    with pytest.raises(OperationalError):
        _load_start(user_ref(register("ada")), [])
