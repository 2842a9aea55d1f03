"""Who may make an account: REGISTRATION, addresses given along, accounts that wait for approval."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import registration, services
from accounts.models import EmailAddress, Mail, User, WaitingAccount
from chat.models import ChannelMembership
from reaktor.config.model import Mail as MailConfig
from reaktor.errors import NotFoundError, WaitingError
from tests.support.mails import confirmed, mails_to, token_in
from tests.support.rest import Rest, error_code, logged_in, register

pytestmark = [pytest.mark.django_db, pytest.mark.database]
ADA = {"username": "ada", "password": "correct horse battery"}


@pytest.fixture
def mode(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda word: monkeypatch.setattr(apps.get_app_config("accounts"), "registration", word)


def create(**fields: str) -> tuple[int, Any]:
    return Rest().post("/api/v1/accounts", {**ADA, **fields})


@pytest.mark.parametrize(("word", "said"), [("closed", "Nobody"), ("", "Nobody"), ("invite", "You need an invite")])
def test_who_may_not_register_is_told_so_and_there_is_no_account(mode: Any, word: str, said: str) -> None:
    mode(word)
    status, body = create()
    assert (status, error_code(body)) == (403, "forbidden")
    assert body["error"]["message"].startswith(said)
    assert not User.objects.filter(username="ada").exists()


@pytest.mark.parametrize("word", ["open", "approval", "invite"])
def test_an_invite_that_is_none_is_refused_wherever_it_is_shown(mode: Any, word: str) -> None:
    mode(word)
    status, body = create(invite="nonsense")
    assert (status, body["error"]["fields"]) == (403, {"invite": "not good"})
    assert not User.objects.filter(username="ada").exists()


@pytest.mark.parametrize("word", ["invite", "approval", "closed"])
def test_the_door_of_old_clients_is_open_in_one_mode_alone(mode: Any, word: str) -> None:
    mode(word)
    status, body = Rest().post("/auth/register", {"name": "ada", "password": "secret"})
    assert (status, body) == (403, {"code": "forbidden", "error": registration.ELSEWHERE[word]})


def test_where_an_address_is_required_it_must_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps.get_app_config("accounts"), "mail", MailConfig("memorymail://", is_required=True))
    status, body = create()
    assert (status, body["error"]["fields"]) == (400, {"email": "needed"})
    assert Rest().post("/auth/register", {"name": "ada", "password": "secret"})[0] == 403
    assert create(email="ada@example.org")[0] == 201


def test_an_address_that_is_given_along_is_confirmed_by_the_link() -> None:
    status, body = create(email="Ada@example.org")
    assert (status, body["user"]["username"]) == (201, "ada")
    assert Rest().post("/api/v1/email/confirm", {"token": token_in(mails_to("Ada@example.org")[0])}) == (204, None)
    assert Rest(body["access"]).get("/api/v1/me")[1]["email_confirmed"] is True


def test_the_answer_and_the_work_are_the_same_whether_the_address_is_taken_or_not() -> None:
    confirmed(register("bob"), "bob@example.org")
    seen = []
    for name, email in (("ada1", "bob@example.org"), ("ada2", "nobody@example.org")):
        with CaptureQueriesContext(connection) as made:
            status, body = Rest().post("/api/v1/accounts", {**ADA, "username": name, "email": email})
        seen.append((status, sorted(body), [query["sql"].split()[0] for query in made]))
    assert seen[0] == seen[1]
    assert [mail.subject for mail in mails_to("bob@example.org")] == ["Your e-mail address was given once more"]


def test_an_account_that_waits_can_t_log_in_and_belongs_nowhere_until_it_is_approved(mode: Any) -> None:
    mode("approval")
    assert create(email="ada@example.org") == (202, {"state": "waiting"})
    ada = User.objects.get(username="ada")
    status, body = Rest().post("/api/v1/tokens", ADA)
    assert (status, error_code(body)) == (403, "waiting")
    assert body["error"]["message"] == "Your account waits for approval."
    assert Rest().post("/api/v1/tokens", {**ADA, "password": "wrong"})[0] == 401
    assert Rest().post("/auth/login", {"name": "ada", "password": ADA["password"]})[0] == 403
    assert not ChannelMembership.objects.filter(user=ada).exists()
    assert create()[0] == 409
    registration.account_approve(ada)
    assert Rest().post("/api/v1/tokens", ADA)[0] == 200
    assert ChannelMembership.objects.filter(user=ada).exists()
    assert [mail.subject for mail in mails_to("ada@example.org")][1:] == ["Your account was approved"]
    with pytest.raises(NotFoundError):
        registration.account_approve(ada)


def test_who_waits_may_confirm_their_address(mode: Any) -> None:
    mode("approval")
    create(email="ada@example.org")
    assert Rest().post("/api/v1/email/confirm", {"token": token_in(Mail.objects.get())}) == (204, None)


def test_a_refused_account_is_gone_and_its_name_is_free(mode: Any) -> None:
    mode("approval")
    create(email="ada@example.org")
    ada = User.objects.get(username="ada")
    registration.account_refuse(ada)
    assert not User.objects.filter(username="ada").exists()
    assert not EmailAddress.objects.exists()
    assert not Mail.objects.exists()
    assert create()[0] == 202
    with pytest.raises(NotFoundError):
        registration.account_refuse(ada)


def test_who_is_switched_on_by_hand_does_not_wait_any_more(mode: Any) -> None:
    mode("approval")
    create()
    ada = User.objects.get(username="ada")
    with pytest.raises(WaitingError):
        services.tokens.check_may_log_in(ada)
    services.user_enable(ada)
    assert not WaitingAccount.objects.exists()
    assert logged_in(User.objects.get(pk=ada.pk)).get("/api/v1/me")[0] == 200


def test_the_same_rules_of_names_and_passwords_hold_in_every_mode(mode: Any) -> None:
    mode("approval")
    assert create(username="system")[0] == 400
    assert create(password="password1")[0] == 400
    assert not WaitingAccount.objects.exists()
