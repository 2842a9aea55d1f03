"""The mailer against a real SMTP server: one that takes mails, refuses them, hangs, hangs up, or is not there."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.utils import timezone

from accounts import mailer as mailer_module
from accounts import mailing
from accounts.mailer import Mailer
from accounts.models import Mail
from reaktor.config.model import Database as DatabaseConfig
from reaktor.db.database import Database
from tests.support.certificates import certificates
from tests.support.smtp import DROP, HANG, Mailbox, smtp_server
from tests.support.waiting import running, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
LONG_S = 60.0


@pytest.fixture
def mailbox(settings: Any) -> Iterator[Mailbox]:
    with smtp_server() as mailbox:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", mailbox.port, 30
        yield mailbox


@pytest.fixture
async def mailer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Mailer]:
    """One that looks for mails only when it is woken, as it is by mail_queue()."""
    database = Database(DatabaseConfig())
    made = Mailer(database, "Chat <chat@example.org>", look_s=600)
    monkeypatch.setattr(apps.get_app_config("accounts"), "wake_mailer", made.wake)
    yield made
    await asyncio.to_thread(database.close)


async def queue(to: str, **fields: Any) -> None:
    assert await asyncio.to_thread(lambda: mailing.mail_queue(to=to, subject="Hi", text="Hello.", **fields))


async def due_now() -> None:
    await asyncio.to_thread(lambda: Mail.objects.filter(dead_at=None).update(due_at=timezone.now()))


async def stored() -> list[Mail]:
    return await asyncio.to_thread(lambda: list(Mail.objects.all()))


async def test_a_mail_leaves_at_once_with_all_that_it_has_and_nothing_is_kept(
    mailbox: Mailbox, mailer: Mailer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with running(mailer.run()):
        await queue("ada@example.org", html="<p>Hello.</p>", headers={"List-Id": "chat"}, message_id="<1@example.org>")
        await until(lambda: mailer.counts["mails_sent"] == 1, LONG_S)
    (message,) = mailbox.messages
    assert (message["To"], message["From"]) == ("ada@example.org", "Chat <chat@example.org>")
    assert (message["Subject"], message["Message-ID"]) == ("Hi", "<1@example.org>")
    assert (message["List-Id"], message["Auto-Submitted"]) == ("chat", "auto-generated")
    assert [part.get_content().strip() for part in message.iter_parts()] == ["Hello.", "<p>Hello.</p>"]
    assert await stored() == []
    # Those of the mail server in the test don't count.
    said = " ".join(record.getMessage() for record in caplog.records if not record.name.startswith("mail."))
    assert "1 sent" in said
    assert "ada" not in said
    assert "Hello" not in said
    assert mailer.metrics()["counters"]["mails_sent"] == 1


async def test_several_mails_go_over_one_connection(mailbox: Mailbox, mailer: Mailer) -> None:
    for number in range(5):
        await queue(f"{number}@example.org")
    async with running(mailer.run()):
        await until(lambda: mailer.counts["mails_sent"] == 5, LONG_S)
    assert mailbox.connections == 1


async def test_what_is_put_off_by_the_server_is_sent_later_under_the_same_id(mailbox: Mailbox, mailer: Mailer) -> None:
    mailbox.answers = ["451 try again later"]
    async with running(mailer.run()):
        await queue("ada@example.org")
        await until(lambda: mailer.counts["mails_failed"] == 1, LONG_S)
        (mail,) = await stored()
        assert mail.error == "451 try again later"
        assert mail.due_at > timezone.now()
        await due_now()
        mailer.wake()
        await until(lambda: mailer.counts["mails_sent"] == 1, LONG_S)
    assert mailbox.attempts == [mail.message_id] * 2
    assert mailbox.messages[0]["Message-ID"] == mail.message_id


@pytest.mark.parametrize("at_recipient", [True, False])
async def test_what_is_refused_for_good_is_given_up_and_holds_nobody(
    mailbox: Mailbox, mailer: Mailer, at_recipient: bool
) -> None:
    refusals = mailbox.at_recipient if at_recipient else mailbox.answers
    refusals.append("550 no such user")
    await queue("nobody@example.org")
    await queue("ada@example.org")
    async with running(mailer.run()):
        await until(lambda: mailer.counts["mails_sent"] == 1, LONG_S)
    (mail,) = await stored()
    assert (mail.to, mail.error, mail.dead_at is not None) == ("nobody@example.org", "550 no such user", True)
    assert mailbox.messages[0]["To"] == "ada@example.org"


async def test_a_connection_that_breaks_in_the_middle_costs_one_attempt(mailbox: Mailbox, mailer: Mailer) -> None:
    mailbox.answers = [DROP]
    await queue("first@example.org")
    await queue("second@example.org")
    async with running(mailer.run()):
        await until(lambda: mailer.counts["mails_sent"] == 1, LONG_S)
        await due_now()
        mailer.wake()
        await until(lambda: mailer.counts["mails_sent"] == 2, LONG_S)
    assert mailer.counts["mails_failed"] == 1


async def test_a_server_that_hangs_holds_nobody_and_the_mail_is_tried_again(
    mailbox: Mailbox, mailer: Mailer, settings: Any
) -> None:
    settings.EMAIL_TIMEOUT = 0.5
    mailbox.answers = [HANG]
    async with running(mailer.run()):
        await queue("ada@example.org")
        await until(lambda: mailer.counts["mails_failed"] == 1, LONG_S)
        assert "timed out" in (await stored())[0].error
        await due_now()
        mailer.wake()
        await until(lambda: mailer.counts["mails_sent"] == 1, LONG_S)


async def test_a_process_that_ends_does_not_wait_for_a_server_that_hangs(mailbox: Mailbox, mailer: Mailer) -> None:
    """The server would hold it for the 30 s of EMAIL_TIMEOUT; another process sends the mail, under its own id."""
    mailbox.answers = [HANG]
    async with running(mailer.run()):
        await queue("ada@example.org")
        await until(lambda: mailbox.attempts, LONG_S)
    assert mailer.counts["mails_failed"] == 0
    (mail,) = await stored()
    await due_now()
    database = Database(DatabaseConfig())
    other = Mailer(database, "Chat <chat@example.org>", look_s=600)
    async with running(other.run()):
        await until(lambda: other.counts["mails_sent"] == 1, LONG_S)
    await asyncio.to_thread(database.close)
    assert mailbox.attempts == [mail.message_id] * 2


async def test_a_server_that_is_away_is_left_alone_for_a_while(
    mailer: Mailer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailer_module, "PAUSE_S", 0.05)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with smtp_server() as gone:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", gone.port
    await queue("first@example.org")
    await queue("second@example.org")
    async with running(mailer.run()):
        await until(lambda: mailer.counts["mails_failed"] == 1, LONG_S)
        # One attempt tells enough; the other mail was not tried.
        assert [mail.tries for mail in await stored()] == [1, 0]
        mailer.wake()
        await until(lambda: mailer.counts["mails_failed"] == 2, LONG_S)
    assert all("refused" in mail.error for mail in await stored())


async def test_two_processes_send_each_mail_once(mailbox: Mailbox, mailer: Mailer) -> None:
    for number in range(30):
        await queue(f"{number}@example.org")
    database = Database(DatabaseConfig())
    other = Mailer(database, "Chat <chat@example.org>")
    async with running(mailer.run()), running(other.run()):
        await until(lambda: mailer.counts["mails_sent"] + other.counts["mails_sent"] == 30, LONG_S)
    await asyncio.to_thread(database.close)
    assert len(mailbox.messages) == len({message["To"] for message in mailbox.messages}) == 30


async def test_starttls_is_used_and_the_certificate_is_looked_at(
    mailer: Mailer, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, certificate, key = certificates(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_USE_TLS, settings.EMAIL_HOST = True, "localhost"
    with smtp_server(tls=tls, require_tls=True) as mailbox:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mailbox.port
        await queue("ada@example.org")
        monkeypatch.setattr(mailer_module, "PAUSE_S", 0.05)
        async with running(mailer.run()):
            await until(lambda: mailer.counts["mails_failed"] == 1, LONG_S)
            assert "CERTIFICATE_VERIFY_FAILED" in (await stored())[0].error
            monkeypatch.setenv("SSL_CERT_FILE", str(authority))
            await due_now()
            mailer.wake()
            await until(lambda: mailer.counts["mails_sent"] == 1, LONG_S)
    assert len(mailbox.messages) == 1
