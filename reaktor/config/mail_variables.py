"""The variables of registration and of outgoing e-mail: who may make an account, by which server mails go. Pure."""

from __future__ import annotations

from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from reaktor.config.model import Mail
from reaktor.config.variables import Reader

REGISTRATIONS = ("open", "invite", "approval", "closed")
SCHEMES = ("smtp", "smtp+tls", "smtp+ssl", "consolemail", "memorymail")
"""`memorymail` keeps mails in the process and sends none: for tests."""


def read_registration(reader: Reader) -> dict[str, Any]:
    """The fields of Config that are no part of it, by their names."""
    reader.section = "Registration"
    mode = reader.text(
        "REGISTRATION",
        "",
        "Who may make an account. `open`: anybody who reaches the server. `invite`: whoever has a server invite. "
        "`approval`: anybody, and staff approve each account before its owner can log in. `closed`: nobody. The "
        "default in development is `open`.",
        unit=", ".join(REGISTRATIONS),
        required=True,
    )
    if mode and mode not in REGISTRATIONS:
        reader.problems.append(f"REGISTRATION={mode!r} is none of {', '.join(REGISTRATIONS)}")
    return {
        "registration": mode,
        "member_invites": reader.switch(
            "MEMBER_INVITES", False, "Whether every member may make server invites. Off: staff alone may."
        ),
    }


def read_mail(reader: Reader) -> Mail:
    reader.section = "E-mail"
    host = _host_of(reader.env.get("PUBLIC_URL", "").strip())
    url = reader.text(
        "EMAIL_URL",
        "",
        "The mail server: `smtp://user:password@mail.example:25`, `smtp+tls://…:587` (STARTTLS) or "
        "`smtp+ssl://…:465`. `consolemail://` writes mails to the output of the server: the default in development. "
        "Empty: no mail is sent, and what needs one is refused.",
        unit="URL",
        secret=True,
    )
    if url and not _is_mail_url(url):
        # It may hold a password: what is wrong with it is told without it.
        reader.problems.append(f"EMAIL_URL is no URL of a mail server: {', '.join(f'{each}://' for each in SCHEMES)}")
        url = ""
    sender = reader.text(
        "DEFAULT_FROM_EMAIL",
        f"Reaktor <reaktor@{host}>",
        "Who mails are from: `Name <address>`. The mail server must let that address send.",
        shown="reaktor@ and the host of `PUBLIC_URL`",
    )
    if "@" not in parseaddr(sender)[1] or "\n" in sender:
        reader.problems.append(f"DEFAULT_FROM_EMAIL={sender!r} is not an address such as Chat <chat@example.org>")
    is_required = reader.switch(
        "EMAIL_REQUIRED", False, "Whether a new account must give an address. Confirming it is up to its owner."
    )
    if is_required and not url:
        reader.problems.append("EMAIL_REQUIRED=on needs a mail server: set EMAIL_URL")
    return Mail(url=url, sender=sender, is_required=is_required)


def _host_of(public_url: str) -> str:
    """Where nothing is wrong with it; what is, is said by who reads PUBLIC_URL."""
    try:
        return urlsplit(public_url).hostname or "localhost"
    except ValueError:
        return "localhost"


def _is_mail_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises where it is none
    except ValueError:
        return False
    if parts.scheme not in SCHEMES:
        return False
    return bool(parts.hostname) or not parts.scheme.startswith("smtp")
