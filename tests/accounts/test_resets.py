"""A new password by mail: for the owner of a confirmed address, once, and nothing tells whether there is one."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import second_factor, services
from accounts.models import Mail, MailToken, User
from reaktor.errors import NotAuthenticatedError
from tests.support.mails import confirmed, mails_to, token_in
from tests.support.rest import PASSWORD, Rest, error_code, logged_in, register

pytestmark = [pytest.mark.django_db, pytest.mark.database]
ADA, NEW = "ada@example.org", "staple in a stable"


def ask(email: str = ADA) -> tuple[int, object]:
    return Rest().post("/api/v1/password/reset", {"email": email})


def use(token: str, password: str = NEW) -> tuple[int, object]:
    return Rest().post("/api/v1/password/reset/confirm", {"token": token, "password": password})


def log_in(password: str) -> User:
    return services.user_authenticate(username="ada", password=password, address="192.0.2.1")


def test_the_link_sets_a_password_once_and_ends_every_session() -> None:
    ada = confirmed(register("ada"), ADA)
    pair = services.tokens_issue(ada)
    assert ask("Ada@Example.org") == (204, None)
    (mail,) = mails_to(ADA)
    assert "/#/reset-password/" in mail.text
    assert use(token_in(mail)) == (204, None)
    assert Rest(pair["access"]).get("/api/v1/me")[0] == 401
    with pytest.raises(NotAuthenticatedError):
        services.tokens_refresh(pair["refresh"])
    with pytest.raises(NotAuthenticatedError):
        log_in(PASSWORD)
    assert log_in(NEW).pk == ada.pk
    status, body = use(token_in(mail), "yet another one 5")
    assert (status, error_code(body)) == (404, "not_found")


def test_a_weak_password_is_refused_and_the_link_is_good_for_another_one() -> None:
    confirmed(register("ada"), ADA)
    ask()
    token = token_in(mails_to(ADA)[0])
    status, body = use(token, "password1")
    assert (status, error_code(body)) == (400, "invalid")
    assert use(token) == (204, None)


def test_the_second_factor_stays() -> None:
    ada = confirmed(register("ada"), ADA)
    device = second_factor.device_begin(ada)
    device.confirmed = True
    device.save()
    ask()
    use(token_in(mails_to(ADA)[0]))
    assert second_factor.is_set_up(ada)


def test_an_address_that_is_not_confirmed_gets_no_link() -> None:
    ada = register("ada")
    logged_in(ada).post("/api/v1/me/email", {"email": ADA, "password": PASSWORD})
    assert ask() == (204, None)
    assert [mail.subject for mail in Mail.objects.all()] == ["Confirm your e-mail address"]


def test_the_answer_and_the_work_are_the_same_whether_there_is_an_account_or_not() -> None:
    confirmed(register("ada"), ADA)
    seen = []
    for email in (ADA, "nobody@example.org"):
        with CaptureQueriesContext(connection) as made:
            answer = ask(email)
        seen.append((answer, [query["sql"].split()[0] for query in made]))
    assert seen[0] == seen[1]
    assert [mail.to for mail in Mail.objects.all()] == [ADA]
    assert MailToken.objects.filter(user=None).count() == 1


def test_a_newer_link_and_a_password_that_was_changed_kill_the_older_one() -> None:
    ada = confirmed(register("ada"), ADA)
    ask()
    ask()
    first, second = map(token_in, mails_to(ADA))
    assert use(first)[0] == 404
    services.password_change(User.objects.get(pk=ada.pk), PASSWORD, "a fourth password")
    assert use(second)[0] == 404


def test_a_token_for_one_thing_is_none_for_another() -> None:
    ada = confirmed(register("ada"), "old@example.org")
    logged_in(ada).post("/api/v1/me/email", {"email": ADA, "password": PASSWORD})
    assert use(token_in(mails_to(ADA)[0]))[0] == 404
