"""The queue of accounts that wait for approval: staff see how many, and decide one by one or many at once."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.test import Client

from accounts import registration
from accounts.models import User, WaitingAccount
from chat.models import AuditEntry
from tests.support.mails import mails_to
from tests.support.rest import PASSWORD, register
from tests.support.staff import at_admin, moderator, press

pytestmark = [pytest.mark.django_db, pytest.mark.database]
LIST = "/admin/accounts/waitingaccount/"


@pytest.fixture(autouse=True)
def by_approval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps.get_app_config("accounts"), "registration", "approval")


def waiting(name: str, email: str | None = None) -> WaitingAccount:
    user, _ = registration.account_create(username=name, password=PASSWORD, email=email, ip="192.0.2.1")
    return WaitingAccount.objects.get(user=user)


def test_staff_see_how_many_wait_and_who() -> None:
    client = at_admin(moderator())
    assert b"to approve" not in client.get("/admin/").content
    waiting("ada", "ada@example.org")
    waiting("bob")
    front = client.get("/admin/").content.decode()
    assert "2 accounts to approve" in front
    assert 'title="waiting">2</b>' in front
    page = client.get(LIST).content.decode()
    assert page.index(">ada<") < page.index(">bob<"), "who waits longest comes first"
    assert "ada@example.org (not confirmed)" in page
    assert " onclick=" not in page


def test_only_moderators_may_look_and_decide() -> None:
    found = waiting("ada")
    client = at_admin(register("helper", is_staff=True))
    assert client.get(LIST).status_code == 403
    assert client.post(f"{LIST}{found.pk}/do/approve/").status_code == 403
    assert Client().get(LIST).status_code == 302


def test_one_click_approves_and_one_refuses() -> None:
    ada, bob = waiting("ada", "ada@example.org"), waiting("bob")
    client = at_admin(moderator())
    assert press(client, ada, "approve", back=LIST) == ["ada is approved."]
    assert press(client, bob, "refuse", back=LIST) == ["bob is refused; the name is free."]
    assert User.objects.get(username="ada").is_active
    assert not User.objects.filter(username="bob").exists()
    assert [mail.subject for mail in mails_to("ada@example.org")][-1] == "Your account was approved"
    noted = AuditEntry.objects.order_by("id").values_list("action", "target", "actor")
    assert list(noted) == [("account.approve", "ada", "mia"), ("account.refuse", "bob", "mia")]


def test_many_are_decided_at_once() -> None:
    first, second, third = waiting("ada"), waiting("bob"), waiting("eve")
    client = at_admin(moderator())
    for action, chosen in (("approve", [first, second]), ("refuse", [third])):
        body = {"action": action, "_selected_action": [str(each.pk) for each in chosen]}
        assert client.post(LIST, body).status_code == 302
    assert set(User.objects.filter(is_active=True).values_list("username", flat=True)) >= {"ada", "bob"}
    assert not User.objects.filter(username="eve").exists()
    assert not WaitingAccount.objects.exists()


def test_the_list_costs_the_same_however_many_wait(django_assert_max_num_queries: object) -> None:
    for number in range(5):
        waiting(f"user{number}", f"user{number}@example.org" if number < 3 else None)
    client = at_admin(moderator())
    with django_assert_max_num_queries(20):  # type: ignore[operator]  # pytest-django's
        client.get(LIST)
