"""Saying hello while the disk is full: what must be written is left out, what can be read is read."""

from __future__ import annotations

import sqlite3
import time
import uuid

import psycopg
import pytest
from django.db import OperationalError

from accounts.authentication import Claims, TokenKind
from chat import services
from chat.domain.ids import ChannelKey
from chat.live.actions import _load_start
from chat.live.standings import Look
from chat.models import ChannelMembership
from tests.support.rest import register

pytestmark = [pytest.mark.django_db, pytest.mark.database]

LOOK = Look(0.0, 0)


def newcomer() -> Claims:
    """The token of an account that belongs nowhere yet, as one that the command line made."""
    user = register("ada")
    ChannelMembership.objects.all().delete()
    expires_at = int(time.time()) + 900
    return Claims(str(user.pk), "ada", user.token_version, expires_at, TokenKind.ACCESS, uuid.uuid4())


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
    ada = newcomer()
    failing(monkeypatch, cause)
    start = _load_start(ada, [ChannelKey("general")], LOOK)
    assert start.epoch
    assert [each.channel.key for each in start.channels] == ["general"]


def test_any_other_trouble_of_the_database_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, sqlite_error(sqlite3.SQLITE_BUSY))
    with pytest.raises(OperationalError):
        _load_start(newcomer(), [], LOOK)


def test_who_belongs_somewhere_is_not_given_the_default_channels_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each hello asked for it, and for the epoch by the ORM: three quarters of what a connect cost the database."""
    ada = newcomer()
    assert {each.channel.key for each in _load_start(ada, [], LOOK).channels} == {"general", "programming", "random"}
    failing(monkeypatch, sqlite_error(sqlite3.SQLITE_BUSY))
    assert len(_load_start(ada, [], LOOK).channels) == 3
