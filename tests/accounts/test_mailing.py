"""Mails that wait: written with what causes them, bounded, tried again later and later, given up, sent again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.apps import apps
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts import mailing
from accounts.expired import expired_clear
from accounts.models import Mail
from reaktor.config.model import Mail as MailConfig
from reaktor.errors import ForbiddenError, UnavailableError
from tests.support.rest import PASSWORD, logged_in, register
from tests.support.staff import at_admin, moderator, root

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def queue(to: str = "ada@example.org", **fields: object) -> bool:
    return mailing.mail_queue(to=to, subject="Hello", text="Hello.", **fields)  # type: ignore[arg-type]


def claim_one() -> mailing.Letter:
    return mailing.mails_claim(1).letters[0]


def test_a_mail_goes_with_the_transaction_that_causes_it() -> None:
    with transaction.atomic():
        queue()
        transaction.set_rollback(True)
    assert not Mail.objects.exists()
    with transaction.atomic():
        assert queue()
    assert Mail.objects.get().to == "ada@example.org"


def test_a_subject_is_one_line() -> None:
    mailing.mail_queue(to="a@example.org", subject="Hello\r\nBcc: all@example.org", text="Hello.")
    assert Mail.objects.get().subject == "Hello Bcc: all@example.org"


def test_who_claims_a_mail_has_it_until_they_are_surely_dead() -> None:
    queue()
    now = timezone.now()
    first = mailing.mails_claim(10, now).letters[0]
    assert mailing.mails_claim(10, now + mailing.CLAIM - timedelta(seconds=1)).letters == []
    second = mailing.mails_claim(10, now + mailing.CLAIM).letters[0]
    assert (first.message_id, first.tries) == (second.message_id, 1)
    assert second.tries == 2


def test_a_mail_that_fails_is_tried_later_each_time_and_given_up_after_two_days() -> None:
    queue()
    now = Mail.objects.get().due_at
    waits = []
    while True:
        letter = mailing.mails_claim(1, now).letters[0]
        if mailing.mail_failed(letter, "451 later", is_final=False, now=now):
            break
        waits.append((Mail.objects.get().due_at - now) // timedelta(minutes=1))
        now = Mail.objects.get().due_at
    assert waits[:7] == [1, 5, 15, 60, 120, 360, 360]
    assert timedelta(days=1.5) < now - Mail.objects.get().created_at < mailing.GIVE_UP
    assert Mail.objects.get().dead_at == now
    assert mailing.mails_claim(1, now + timedelta(days=9)).letters == []


def test_a_mail_whose_link_is_dead_is_not_sent_any_more() -> None:
    until = timezone.now() + timedelta(hours=1)
    queue(until=until)
    claimed = mailing.mails_claim(1, until)
    assert (claimed.letters, claimed.given_up) == ([], 1)
    assert mailing.mails_retry([Mail.objects.get().pk]) == 1
    Mail.objects.update(until=timezone.now())
    assert mailing.mails_retry([Mail.objects.get().pk]) == 0


def test_a_full_queue_refuses_and_what_was_given_up_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailing, "MAX_WAITING", 2)
    mailing.mail_check()
    assert (queue(), queue(), queue()) == (True, True, False)
    with pytest.raises(UnavailableError, match="Too many mails"):
        mailing.mail_check()
    mailing.mail_failed(claim_one(), "550 no such user", is_final=True)
    mailing.mail_check()
    assert queue()


def test_without_a_mail_server_nothing_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps.get_app_config("accounts"), "mail", MailConfig())
    with pytest.raises(ForbiddenError, match="sends no e-mail"):
        mailing.mail_check()
    assert not queue()
    assert not Mail.objects.exists()


def test_what_was_claimed_and_not_tried_is_anybody_s_at_once() -> None:
    queue()
    mailing.mail_release(claim_one())
    assert claim_one().tries == 1


def test_the_account_takes_its_mails_along_even_one_that_is_being_sent() -> None:
    ada = register("ada")
    queue(user=ada)
    letter = claim_one()
    assert logged_in(ada)("DELETE", "/api/v1/me", {"password": PASSWORD}) == (204, None)
    assert not Mail.objects.exists()
    assert not mailing.mail_failed(letter, "451 later", is_final=False)
    mailing.mail_sent(letter)


def given_up(to: str) -> Mail:
    queue(to)
    mailing.mail_failed(claim_one(), "550 no such user", is_final=True)
    return Mail.objects.get(to=to)


def test_superusers_see_what_was_given_up_and_send_it_again_or_delete_it() -> None:
    again, away = given_up("again@example.org"), given_up("away@example.org")
    assert at_admin(moderator()).get("/admin/accounts/mail/").status_code == 403
    client = at_admin(root())
    page = client.get("/admin/accounts/mail/?state=dead").content.decode()
    assert "550 no such user" in page
    assert "again@example.org" in page
    assert "Hello." not in page
    assert b"away@" not in client.get("/admin/accounts/mail/?state=waiting").content

    def act(client: Client, action: str, mail: Mail) -> None:
        body = {"action": action, "_selected_action": [str(mail.pk)]}
        assert client.post("/admin/accounts/mail/", body).status_code == 302

    act(client, "send_again", again)
    act(client, "take_away", away)
    assert [mail.to for mail in Mail.objects.all()] == ["again@example.org"]
    assert claim_one().message_id == again.message_id


def test_what_was_given_up_is_kept_for_a_month() -> None:
    mail = given_up("ada@example.org")
    assert mail.dead_at is not None
    expired_clear(mail.dead_at + timedelta(days=30))
    assert Mail.objects.exists()
    expired_clear(mail.dead_at + timedelta(days=31))
    assert not Mail.objects.exists()
