"""No door where a password is typed tells who has an account: the same answer, after the same work.

Work is counted in hashes and statements. Registering tells whether a name is taken, and is slowed down for it
(test_limits); addresses: test_addresses, test_registration, test_resets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import bots, deletion, services
from accounts.models import User, WaitingAccount
from reaktor.config.model import Limits
from tests.support.factors import make_app_password, set_up
from tests.support.rest import PASSWORD, Rest, logged_in, register, set_limits

pytestmark = [pytest.mark.django_db, pytest.mark.database]

WRONG = "wrong horse 7"
APP_LIKE = "abcd-efgh-ijkl-mnop-qrst-uvwx-yz23-4567"
"""What looks like an app password, of which there is none."""


def tokens(name: str, password: str) -> Any:
    return Rest().post("/api/v1/tokens", {"username": name, "password": password})


def tokens_with_code(name: str, password: str) -> Any:
    return Rest().post("/api/v1/tokens", {"username": name, "password": password, "code": "123456"})


def seed(name: str, password: str) -> Any:
    return Rest().post("/auth/login", {"name": name, "password": password})


def admin(name: str, password: str) -> Any:
    page = Client().post("/admin/login/", {"username": name, "password": password, "code": "123456"})
    # What was typed stands in the form again, and each form has another token.
    return page.status_code, re.sub(r'(csrfmiddlewaretoken|username)" value="[^"]*"', "", page.content.decode())


DOORS: tuple[Callable[[str, str], Any], ...] = (tokens, tokens_with_code, seed, admin)


def people() -> list[str]:
    """One of each kind, and names of nobody."""
    register("ada")
    factor = register("factor")
    rest = logged_in(factor)
    set_up(rest, factor)
    make_app_password(rest)
    register("staffer", is_staff=True)
    register("banned", banned_until=datetime.now(UTC) + timedelta(days=1), ban_reason="spam")
    register("off", is_active=False)
    WaitingAccount.objects.create(user=register("waiting", is_active=False))
    bots.bot_create(owner=None, username="pingbot")
    deletion.account_end(register("gone"))
    services.user_rename(register("former"), username="latter")
    User.objects.filter(username="off").update(password="broken$hash")
    return [
        "ada",
        "factor",
        "staffer",
        "banned",
        "off",
        "waiting",
        "pingbot",
        "gone",
        "former",
        "nobody",
        "Ёжик",
        "ADA",
    ]


@pytest.fixture(autouse=True)
def quick(settings: Any) -> None:
    """How many hashes are made is what counts here."""
    settings.PASSWORD_HASHERS = ["tests.support.hashers.QuickArgon2Hasher"]


@pytest.mark.parametrize("password", [WRONG, APP_LIKE], ids=["wrong", "like an app password"])
def test_whoever_is_asked_for_a_wrong_password_gets_one_answer_after_the_same_work(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_limits(Limits(enabled=False))
    names = people()
    hashed: list[str] = []
    real = services.app().hashing.verify
    monkeypatch.setattr(services.app().hashing, "verify", lambda *given: hashed.append("once") or real(*given))
    for door in DOORS:
        seen = {}
        for name in names:
            hashed.clear()
            with CaptureQueriesContext(connection) as asked:
                answer = door(name, password)
            # The admin gives SQLite's memory back now and then, whoever was there.
            statements = [query["sql"].split()[0] for query in asked if not query["sql"].startswith("PRAGMA")]
            seen[name] = (answer, len(hashed), statements)
        differing = [name for name, found in seen.items() if found != seen["nobody"]]
        assert differing == [], (door.__name__, [(seen[name][1:], seen["nobody"][1:]) for name in differing])
        assert seen["nobody"][1] == 1


def test_who_knows_the_password_is_told_more_and_nobody_else() -> None:
    """Else the test above would hold for doors that are shut."""
    people()
    assert tokens("ada", PASSWORD)[0] == 200
    assert tokens("banned", PASSWORD)[0] == 403
    assert tokens("factor", PASSWORD)[1]["error"]["code"] == "second_factor_required"
    assert seed("ada", PASSWORD)[0] == 200
    assert Client().post("/admin/login/?next=/admin/", {"username": "staffer", "password": PASSWORD}).status_code == 302
