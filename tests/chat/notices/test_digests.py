"""Digests: what is unread is mailed once, in one mail a quarter of an hour at most, and a link stops it."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import EmailAddress, Mail, User
from chat import services
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.notices import DIGEST
from chat.models import Notice
from chat.notices import digests
from chat.notices.digests import digest_step, digest_waits, unsubscribe_token
from chat.notices.preferences import preferences_change, preferences_of
from tests.chat.notices.conftest import Subscribe
from tests.chat.notices.test_due import friends
from tests.chat.notices.test_outbox import direct, make_all, post
from tests.support.threads import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
__all__ = ["friends"]
HOME = "https://chat.example"


def now(minutes: float = 0) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=minutes)


@pytest.fixture(autouse=True)
def with_address(bob: UserRef) -> None:
    address = {"address": "bob@example.org", "folded": "bob@example.org"}
    EmailAddress.objects.create(user_id=bob.id, **address, confirmed_at=now())


def write(at: datetime) -> list[Mail]:
    """The mails that wait, after all that is due at `at` was written."""
    while digest_waits(at):
        assert digest_step(at, HOME)
    return list(Mail.objects.order_by("created_at"))


def test_unread_messages_stand_in_one_mail_that_leads_to_them(ann: UserRef, bob: UserRef, friends: ChannelKey) -> None:
    tea = ChannelKey(services.channel_create(user=ann, name="Tea & <b>", kind="public").channel.key)
    post(ann, friends, "are you <there>?")
    post(ann, friends, "hello")
    post(ann, tea, "@bob look")
    assert make_all() == [("bob", "direct"), ("bob", "direct"), ("bob", "mention")]
    assert write(now()) == [], "there is time to read them"
    (mail,) = write(now(16))
    assert (mail.to, mail.subject, mail.user_id) == ("bob@example.org", "3 unread messages", uuid.UUID(bob.id))
    for said in ("are you <there>?", "hello", "ann · Tea & <b>", f"{HOME}/#/c/{tea}", f"{HOME}/#/c/{friends}"):
        assert said in mail.text
    assert "are you &lt;there&gt;?" in mail.html
    assert "<there>" not in mail.html
    assert mail.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert not Notice.objects.exists()


def test_texts_stand_in_mails_as_they_were_typed(ann: UserRef, friends: ChannelKey) -> None:
    """The second line of a text could pass for one of the mail's own, and half a link led elsewhere."""
    link = "https://example.org/" + "x" * 200
    post(ann, friends, "```\n@bob  <b>\n```\nTo stop these mails: https://evil.example")
    post(ann, friends, f"see {link}")
    post(ann, friends, "\N{WOMAN}\u200d\N{ROCKET}" * 70)
    make_all()
    (mail,) = write(now(16))
    assert "\n  ```\n  @bob  <b>\n  ```\n  To stop these mails: https://evil.example\n" in mail.text
    assert "```<br>@bob  &lt;b&gt;<br>```<br>" in mail.html
    assert "\n  see …\n" in mail.text
    assert "\n  " + "\N{WOMAN}\u200d\N{ROCKET}" * 66 + "\n" in mail.text


def test_a_second_mail_comes_a_quarter_of_an_hour_later(ann: UserRef, friends: ChannelKey) -> None:
    post(ann, friends, "one")
    make_all()
    assert len(write(now(16))) == 1
    post(ann, friends, "two")
    make_all()
    assert len(write(now(30))) == 1
    assert [mail.subject for mail in write(now(32))] == ["1 unread message"] * 2


@pytest.mark.parametrize("how", ["read", "deleted", "off", "unconfirmed", "level", "quiet"])
def test_what_is_not_to_be_told_stands_in_no_mail(how: str, ann: UserRef, bob: UserRef, friends: ChannelKey) -> None:
    pk = post(ann, friends)
    make_all()
    if how == "read":
        services.read_mark(user=bob, key=friends, number=3)
    elif how == "deleted":
        services.message_delete(user=ann, key=friends, message_id=pk)
    elif how == "off":
        preferences_change(uuid.UUID(bob.id), {"email": False})
    elif how == "unconfirmed":
        EmailAddress.objects.update(confirmed_at=None)
    elif how == "level":
        services.level_set(user=bob, key=friends, level="nothing")
    else:
        at = now(16)
        clock = [(at + timedelta(minutes=minutes)).strftime("%H:%M") for minutes in (-60, 60)]
        quiet = {"from": clock[0], "to": clock[1], "time_zone": "UTC"}
        preferences_change(uuid.UUID(bob.id), {"quiet": quiet})
    assert write(now(16)) == []
    assert Notice.objects.exists() == (how == "quiet")
    if how == "quiet":
        assert len(write(now(16 + 61))) == 1, "it comes when they end"


def test_a_strangers_first_message_stands_in_no_mail_until_it_is_answered(ann: UserRef, bob: UserRef) -> None:
    key = direct(ann, bob)
    post(ann, key)
    make_all()
    assert write(now(16)) == []
    post(bob, key)
    post(ann, key)
    make_all()
    (mail,) = write(now(32))
    assert "unread message" in mail.subject


def test_without_preview_a_mail_says_how_many_and_no_more(ann: UserRef, bob: UserRef, friends: ChannelKey) -> None:
    preferences_change(uuid.UUID(bob.id), {"preview": False})
    post(ann, friends, "our secret")
    make_all()
    (mail,) = write(now(16))
    assert "you have 1 unread message at" in mail.text
    assert "our secret" not in mail.text + mail.html
    assert "ann" not in mail.text + mail.html


def test_who_is_pushed_is_mailed_as_well_and_one_does_not_end_the_other(
    ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe
) -> None:
    subscribe(bob)
    post(ann, friends)
    make_all()
    assert len(write(now(16))) == 1
    left = Notice.objects.get()
    assert (left.mail_at, left.push_at is not None) == (None, True)


def test_what_could_not_be_queued_stands_in_a_later_mail(
    ann: UserRef, friends: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**mail: Any) -> bool:
        return False

    post(ann, friends)
    make_all()
    with monkeypatch.context() as broken:
        broken.setattr(digests, "mail_queue", full)
        assert write(now(16)) == []
    assert len(write(now(16) + DIGEST)) == 1


def test_processes_at_once_write_one_mail(ann: UserRef, friends: ChannelKey) -> None:
    for _ in range(5):
        post(ann, friends)
    make_all()
    at = now(16)

    def work() -> None:
        while digest_step(at, HOME):
            pass

    at_once(*[work] * 3)
    assert [mail.subject for mail in Mail.objects.all()] == ["5 unread messages"]


# -- Stopping them


def test_one_click_stops_the_mails_without_logging_in(ann: UserRef, bob: UserRef, friends: ChannelKey) -> None:
    post(ann, friends)
    make_all()
    (mail,) = write(now(16))
    (address,) = re.findall(r"<(.*)>", mail.headers["List-Unsubscribe"])
    path = address.removeprefix(HOME)
    client, mine = Client(enforce_csrf_checks=True), uuid.UUID(bob.id)
    asked = client.get(path)
    assert (asked.status_code, preferences_of(mine)["email"]) == (200, True), "whoever looks links up stops nothing"
    assert b'<form method="post">' in asked.content
    body = "List-Unsubscribe=One-Click"
    for _ in range(2):
        done = client.post(path, body, content_type="application/x-www-form-urlencoded")
        assert done.status_code == 200
    assert preferences_of(mine) == {"push": True, "email": False, "preview": True, "quiet": None}


@pytest.mark.parametrize("token", ["junk", "a:b", "00" * 16 + ":xyz"])
def test_a_made_up_link_stops_nothing(token: str, bob: UserRef) -> None:
    for answer in (Client().get(f"/notices/unsubscribe/{token}"), Client().post(f"/notices/unsubscribe/{token}")):
        assert answer.status_code == 404
    assert preferences_of(uuid.UUID(bob.id))["email"]


def test_a_link_to_an_account_that_is_gone_says_that_it_is_done() -> None:
    token = unsubscribe_token(uuid.uuid4())
    assert Client().post(f"/notices/unsubscribe/{token}").status_code == 200
    assert not User.objects.filter(username="nobody").exists()
