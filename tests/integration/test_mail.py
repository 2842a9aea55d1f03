"""A real server and a real mail server: addresses and passwords by the links of mails, also through a crash."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import MakeServer
from tests.support.ports import wait_for
from tests.support.server import PASSWORD, LiveServer
from tests.support.smtp import HANG, Mailbox, link_in, smtp_server

NEW = "staple in a stable"
DEADLINE_S = 60.0


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with smtp_server() as found:
        yield found


@pytest.fixture(scope="module")
def own_server(make_server: MakeServer, mailbox: Mailbox) -> LiveServer:
    return make_server(
        EMAIL_URL=mailbox.url,
        DEFAULT_FROM_EMAIL="Chat <chat@example.org>",
        PUBLIC_URL="https://chat.example",
        ALLOWED_HOSTS="127.0.0.1",
    )


def ask(server: LiveServer, method: str, path: str, body: Any = None, token: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.request(method, f"{server.url}/api/v1/{path}", json=body, headers=headers, timeout=30)


def token_of(link: str, page: str) -> str:
    """As the page of the web client takes it out of its address."""
    home, _, token = link.rpartition("/")
    assert home == f"https://chat.example/#/{page}"
    return token


def test_from_registering_to_a_new_password_by_nothing_but_mails(own_server: LiveServer, mailbox: Mailbox) -> None:
    account = {"username": "ada", "password": PASSWORD, "email": "ada@example.org"}
    made = ask(own_server, "POST", "accounts", account)
    assert made.status_code == 201
    mail = mailbox.wait_for("ada@example.org")
    assert mail["From"] == "Chat <chat@example.org>"
    assert link_in(mail) == link_in(mail, "html")
    token = token_of(link_in(mail), "confirm-email")
    # What a program that looks through mails does: it opens the link, which is the client's page without its `#`.
    assert httpx.get(f"{own_server.url}/").status_code == 200
    assert ask(own_server, "POST", "email/confirm", {"token": token}).status_code == 204
    me = ask(own_server, "GET", "me", token=made.json()["access"]).json()
    assert (me["email"], me["email_confirmed"]) == ("ada@example.org", True)

    assert ask(own_server, "POST", "password/reset", {"email": "ADA@example.org"}).status_code == 204
    token = token_of(link_in(mailbox.wait_for("ada@example.org", 2)), "reset-password")
    assert ask(own_server, "POST", "password/reset/confirm", {"token": token, "password": NEW}).status_code == 204
    assert ask(own_server, "GET", "me", token=made.json()["access"]).status_code == 401
    assert ask(own_server, "POST", "tokens", {"username": "ada", "password": PASSWORD}).status_code == 401
    assert ask(own_server, "POST", "tokens", {"username": "ada", "password": NEW}).status_code == 200
    assert "ada@example.org" not in own_server.log()


def test_a_request_does_not_wait_for_a_mail_server_that_hangs(own_server: LiveServer, mailbox: Mailbox) -> None:
    """Who waited for it was answered after the 10 s of EMAIL_TIMEOUT, when nothing hangs any more."""
    mailbox.answers = [HANG]
    account = {"username": "hal", "password": PASSWORD, "email": "hal@example.org"}
    made = ask(own_server, "POST", "accounts", account)
    assert made.status_code == 201
    wait_for(lambda: mailbox.hanging, DEADLINE_S, "the attempt that hangs")
    assert ask(own_server, "GET", "me", token=made.json()["access"]).status_code == 200
    assert not mailbox.to("hal@example.org")


@pytest.mark.long
def test_a_mail_survives_the_death_of_who_sends_it_and_keeps_its_id(make_server: MakeServer) -> None:
    with smtp_server() as mailbox:
        server = make_server(EMAIL_URL=mailbox.url)
        mailbox.answers = [HANG]
        account = {"username": "eve", "password": PASSWORD, "email": "eve@example.org"}
        assert ask(server, "POST", "accounts", account).status_code == 201
        wait_for(lambda: mailbox.attempts, DEADLINE_S, "the first attempt")
        server.kill()
        # Ten minutes later.
        server.manage(
            "shell", "-c",
            "from accounts.models import Mail; from django.utils import timezone;"
            "Mail.objects.update(due_at=timezone.now())",
        )  # fmt: skip
        server.start()
        mail = mailbox.wait_for("eve@example.org")
        assert mailbox.attempts == [mail["Message-ID"]] * 2


@pytest.mark.long
def test_mails_that_wait_while_the_mail_server_is_away_are_sent_when_it_is_back(make_server: MakeServer) -> None:
    with smtp_server() as mailbox:
        pass
    server = make_server(EMAIL_URL=mailbox.url)
    account = {"username": "bob", "password": PASSWORD, "email": "bob@example.org"}
    assert ask(server, "POST", "accounts", account).status_code == 201
    metric = 'reaktor_mails_failed_total{worker="0"} 1.0'
    wait_for(lambda: metric in httpx.get(f"{server.url}/metrics").text, DEADLINE_S, "a failed attempt")
    with smtp_server(port=mailbox.port) as back:
        server.manage(
            "shell", "-c",
            "from accounts.models import Mail; from django.utils import timezone;"
            "Mail.objects.update(due_at=timezone.now())",
        )  # fmt: skip
        back.wait_for("bob@example.org")
