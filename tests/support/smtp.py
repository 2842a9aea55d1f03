"""A real SMTP server in a thread of the tests, that takes mails, refuses them, hangs, or hangs up.

`answers` says what it does with the next mails, one each: "250 …" takes it, another reply refuses it, HANG answers
nothing, DROP ends the connection in the middle. Without one it takes everything.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.ports import free_port

HANG, DROP = "hang", "drop"
DEADLINE_S = 60.0


class Mailbox:
    """The mails that came, oldest first, and what is to be done with the next ones. `hanging`: how many wait now."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.attempts: list[str] = []
        self.answers: list[str] = []
        self.at_recipient: list[str] = []
        self.connections = 0
        self.hanging = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def to(self, address: str) -> list[EmailMessage]:
        return [message for message in self.messages if message["To"] == address]

    def wait_for(self, address: str, count: int = 1) -> EmailMessage:
        """The `count`-th mail to this address; waits for it. Raises AssertionError after a minute."""
        until = time.monotonic() + DEADLINE_S
        while len(found := self.to(address)) < count:
            assert time.monotonic() < until, f"{len(found)} mails to {address} came, not {count}"
            time.sleep(0.02)
        return found[count - 1]

    # -- aiosmtpd's hooks -----------------------------------------------------------------------------------------

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: Any
    ) -> Any:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.at_recipient:
            return self.at_recipient.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        parsed = email.message_from_bytes(cast(bytes, envelope.content), policy=email.policy.default)
        message = cast(EmailMessage, parsed)
        self.attempts.append(str(message["Message-ID"]))
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer == HANG:
            self.hanging += 1
            try:
                await asyncio.sleep(DEADLINE_S * 10)
            finally:
                self.hanging -= 1
        if answer == DROP:
            cast(Any, server.transport).abort()
        if answer.startswith("250"):
            self.messages.append(message)
        return answer


def link_in(message: EmailMessage, part: str = "plain") -> str:
    """The first link of a mail's text, or of its HTML."""
    body = message.get_body((part,))
    assert body is not None
    found = re.search(r'https?://[^\s"<]+', body.get_content())
    assert found is not None, body.get_content()
    return found[0]


@contextmanager
def smtp_server(
    *, tls: ssl.SSLContext | None = None, require_tls: bool = False, port: int | None = None
) -> Iterator[Mailbox]:
    """The server, on a free port of this machine. `tls`: it offers STARTTLS."""
    mailbox = Mailbox()
    mailbox.port = port or free_port()
    options = {"tls_context": tls, "require_starttls": require_tls}
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port, **options)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
