"""The e-mail address of an account: given, confirmed by a link, its owner's alone, changed, removed."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import addresses, resets
from accounts.models import EmailAddress, Mail, MailToken, User
from reaktor.config.model import Limits
from reaktor.config.model import Mail as MailConfig
from reaktor.errors import ConflictError, InvalidError, NotFoundError
from tests.support.mails import confirmed, mails_to, token_in
from tests.support.rest import PASSWORD, Rest, error_code, logged_in, register, set_limits

pytestmark = [pytest.mark.django_db, pytest.mark.database]
ADA = "ada@example.org"


def give(user: User, email: str = ADA, password: str = PASSWORD) -> tuple[int, Any]:
    return logged_in(user).post("/api/v1/me/email", {"email": email, "password": password})


def me(user: User) -> tuple[Any, ...]:
    body = logged_in(user).get("/api/v1/me")[1]
    return body["email"], body["email_confirmed"], body["email_pending"]


def confirm(token: str) -> tuple[int, Any]:
    return Rest().post("/api/v1/email/confirm", {"token": token})


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Ada@Example.ORG", "ada@example.org"),
        (" ada+chat@example.org ", "ada+chat@example.org"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@example.org", "ada@example.org"),  # full-width letters
    ],
)
def test_addresses_are_compared_without_case_and_with_their_host_as_it_is_asked_for(text: str, folded: str) -> None:
    assert addresses.address_parse(text).folded == folded


@pytest.mark.parametrize(
    "text",
    ["ada", "@example.org", "ada@", "ada@example", "a b@example.org", "ada@example.org\nBcc: x@example.org", "ä@ö.de",
     "ada@example.org, bob@example.org", "<ada@example.org>", f"{'a' * 250}@example.org", "ada@exa mple.org"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(InvalidError) as refused:
        addresses.address_parse(text)
    assert refused.value.fields == {"email": "no e-mail address"}


def test_an_address_counts_once_the_link_was_used_and_the_link_works_once() -> None:
    ada = register("ada")
    assert give(ada, "Ada@example.org") == (204, None)
    assert me(ada) == (None, False, "Ada@example.org")
    (mail,) = Mail.objects.all()
    assert "/#/confirm-email/" in mail.text
    token = token_in(mail)
    assert token not in MailToken.objects.get().hash
    assert confirm("x" + token)[0] == 404
    assert confirm(token) == (204, None)
    assert me(ada) == ("Ada@example.org", True, None)
    assert confirm(token)[0] == 404


def test_a_link_is_dead_after_an_hour_and_after_a_newer_one() -> None:
    ada = register("ada")
    give(ada)
    first = token_in(mails_to(ADA)[0])
    give(ada)
    second = token_in(mails_to(ADA)[1])
    assert confirm(first)[0] == 404
    MailToken.objects.update(expires_at=timezone.now())
    assert confirm(second)[0] == 404
    assert mails_to(ADA)[1].until - timezone.now() < timedelta(hours=1)  # type: ignore[operator]  # it has one


def test_a_link_that_was_mailed_to_another_address_confirms_nothing() -> None:
    ada = register("ada")
    give(ada)
    give(ada, "other@example.org")
    assert confirm(token_in(mails_to(ADA)[0]))[0] == 404
    assert me(ada) == (None, False, "other@example.org")


def test_only_who_knows_the_password_gives_or_removes_an_address() -> None:
    ada = confirmed(register("ada"), "old@example.org")
    assert error_code(give(ada, password="wrong")[1]) == "forbidden"
    assert logged_in(ada)("DELETE", "/api/v1/me/email", {"password": "wrong"})[0] == 403
    assert me(ada) == ("old@example.org", True, None)
    assert not Mail.objects.exists()


def test_the_old_address_is_told_when_another_one_takes_its_place_or_none() -> None:
    ada = confirmed(register("ada"), "old@example.org")
    resets.reset_ask(email="old@example.org", ip="192.0.2.9")
    give(ada)
    assert me(ada) == ("old@example.org", True, ADA)
    confirm(token_in(mails_to(ADA)[0]))
    assert me(ada) == (ADA, True, None)
    reset, changed = mails_to("old@example.org")
    assert changed.subject == "Your e-mail address was changed"
    status, _ = Rest().post("/api/v1/password/reset/confirm", {"token": token_in(reset), "password": "another 7 horse"})
    assert status == 404, "whoever reads the old mails sets no password any more"
    assert logged_in(ada)("DELETE", "/api/v1/me/email", {"password": PASSWORD}) == (204, None)
    assert me(ada) == (None, False, None)
    assert mails_to(ADA)[1].subject == "Your e-mail address was removed"


def test_where_an_address_is_required_it_can_t_be_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    ada = confirmed(register("ada"), ADA)
    monkeypatch.setattr(apps.get_app_config("accounts"), "mail", MailConfig("memorymail://", is_required=True))
    status, body = logged_in(ada)("DELETE", "/api/v1/me/email", {"password": PASSWORD})
    assert (status, error_code(body)) == (403, "forbidden")


def test_without_a_mail_server_it_is_said_instead_of_a_mail_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    ada = register("ada")
    monkeypatch.setattr(apps.get_app_config("accounts"), "mail", MailConfig())
    for status, body in (give(ada), Rest().post("/api/v1/password/reset", {"email": ADA})):
        assert (status, body["error"]["message"]) == (403, "This server sends no e-mail.")


def test_the_answer_and_the_work_are_the_same_whether_an_address_is_taken_or_not() -> None:
    confirmed(register("bob"), "bob@example.org")
    seen = []
    for name, email in (("ada", "bob@example.org"), ("eve", "nobody@example.org")):
        user = register(name)
        with CaptureQueriesContext(connection) as made:
            answer = give(user, email)
        seen.append((answer, [query["sql"].split()[0] for query in made]))
    assert seen[0] == seen[1]
    assert seen[0][0] == (204, None)
    (told,) = mails_to("bob@example.org")
    assert told.subject == "Your e-mail address was given once more"
    assert "/#/" not in told.text
    assert "ada" not in told.text


def test_two_may_give_one_address_and_the_one_who_confirms_it_has_it() -> None:
    ada, eve = register("ada"), register("eve")
    give(eve)
    give(ada)
    for_eve, for_ada = map(token_in, mails_to(ADA))
    assert confirm(for_ada) == (204, None)
    status, body = confirm(for_eve)
    assert (status, error_code(body)) == (409, "conflict")
    assert me(eve) == (None, False, ADA)
    assert me(ada) == (ADA, True, None)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_confirm_one_address_at_once_one_has_it() -> None:
    users = [register(f"user{number}") for number in range(4)]
    for user in users:
        addresses.address_change(user, email=ADA, password=PASSWORD, ip=f"192.0.2.{user.username[-1]}")
        set_limits(Limits())
    tokens = [token_in(mail) for mail in mails_to(ADA)]
    start, seen = threading.Barrier(len(tokens)), []

    def use(token: str) -> None:
        try:
            start.wait()
            addresses.address_confirm(token)
            seen.append("confirmed")
        except (ConflictError, NotFoundError) as error:
            seen.append(error.code.value)
        finally:
            connection.close()

    threads = [threading.Thread(target=use, args=[token]) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == ["confirmed", "conflict", "conflict", "conflict"]
    assert EmailAddress.objects.exclude(confirmed_at=None).count() == 1


def test_three_mails_an_hour_go_to_one_address_and_ten_are_asked_for_from_one_place() -> None:
    def ask(email: str, ip: str) -> int:
        return Rest(address=ip).post("/api/v1/password/reset", {"email": email})[0]

    assert [ask("ada@example.org", f"192.0.2.{number}") for number in range(4)] == [204, 204, 204, 429]
    assert ask("ADA@example.org", "192.0.2.9") == 429
    seen = [ask(f"{number}@example.org", "198.51.100.1") for number in range(11)]
    assert seen == [204] * 10 + [429]


def test_a_deleted_account_has_no_address_and_its_links_are_dead() -> None:
    ada = confirmed(register("ada"), ADA)
    give(ada, "new@example.org")
    token = token_in(mails_to("new@example.org")[0])
    logged_in(ada)("DELETE", "/api/v1/me", {"password": PASSWORD})
    assert not EmailAddress.objects.exists()
    assert not Mail.objects.exists()
    assert confirm(token)[0] == 404
