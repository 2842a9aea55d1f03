"""Mails that wait to be sent: how one is written, by whatever causes it and in its transaction.

mail_queue() writes a row of accounts.models.Mail; accounts.mailer sends it. Also what the mailer and the admin do with
such a row: mails_claim(), mail_sent(), mail_failed(), mails_retry(), mails_delete(). Called in threads.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parseaddr
from typing import TYPE_CHECKING, cast
from uuid import UUID

from django.apps import apps
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import EmailAddress, Mail, MailToken, User
from reaktor.db.ids import uuid7
from reaktor.errors import ForbiddenError, UnavailableError
from reaktor.why import Why

if TYPE_CHECKING:
    from accounts.apps import AccountsConfig

logger = logging.getLogger(__name__)

MAX_WAITING = 10_000
"""Mails that wait at most. One more is refused: what nobody can send must not fill the disk."""
CLAIM = timedelta(minutes=10)
"""So long a mail is the business of whoever took it. Then its sender is dead, and somebody else sends it."""
BACKOFF = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 120, 360))
"""After the first failure, the second …; after the last of them always as long."""
GIVE_UP = timedelta(days=2)
NO_MAIL = "This server sends no e-mail."
MAX_ERROR_CHARS = 400
MAX_SUBJECT_CHARS = 200


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it is sent. `tries` counts the one that is being made."""

    id: UUID
    to: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, str]
    message_id: str
    tries: int


@dataclass(slots=True)
class Claimed:
    """What was taken to be sent, and how many were too old for it."""

    letters: list[Letter] = field(default_factory=list)
    given_up: int = 0


def _app() -> AccountsConfig:
    return cast("AccountsConfig", apps.get_app_config("accounts"))


def is_mail_possible() -> bool:
    """Whether this server can send mails at all (EMAIL_URL)."""
    return _app().mail.is_possible


def mail_check() -> None:
    """Before work that ends in a mail, whoever it is for: that one could be queued.

    Raises ForbiddenError where the server sends none, UnavailableError when too many wait.
    """
    if not is_mail_possible():
        raise ForbiddenError(NO_MAIL, why=Why.NO_MAIL)
    if _is_full():
        raise UnavailableError("Too many mails wait to be sent; try again later.", retry_after_s=60.0)


def mail_queue(
    *,
    to: str | None,
    subject: str,
    text: str,
    html: str | None = None,
    headers: Mapping[str, str] | None = None,
    message_id: str | None = None,
    user: User | None = None,
    until: datetime | None = None,
) -> bool:
    """Have a mail sent, once the current transaction commits. False: nothing was written.

    That is so where the server sends no mail, and when MAX_WAITING wait already; mail_check() says so beforehand.
    `message_id`: with its angle brackets; None: made here. It stays the same however often the mail is sent. `user`:
    whose deletion takes the mail away. `until`: not to be sent later than that. `to` None: as much work, and no mail,
    for answers that must not tell whether there is somebody to write to.
    """
    config = _app().mail
    if not config.is_possible:
        return False
    if _is_full():
        logger.warning("mail: %d wait already; one more was refused", MAX_WAITING)
        return False
    key = uuid7()
    domain = parseaddr(config.sender)[1].rpartition("@")[2]
    Mail.objects.create(
        id=key,
        user=user,
        to=to or "",
        # A line break would begin a header of its own; Django refuses to send such a mail.
        subject=" ".join(subject.split())[:MAX_SUBJECT_CHARS],
        text=text,
        html=html or "",
        headers=dict(headers or {}),
        message_id=message_id or f"<{key}@{domain}>",
        until=until,
    )
    # The statement is made in any case.
    Mail.objects.filter(pk=key if to is None else uuid7()).delete()
    transaction.on_commit(_app().wake_mailer, robust=True)
    return True


def _is_full() -> bool:
    return Mail.objects.filter(dead_at=None).order_by()[:MAX_WAITING].count() >= MAX_WAITING


# -- For the mailer -----------------------------------------------------------------------------------------------


def is_mail_due(now: datetime | None = None) -> bool:
    """Whether mails_claim() would find something. One indexed query."""
    return Mail.objects.filter(dead_at=None, due_at__lte=now or timezone.now()).exists()


def mails_claim(limit: int, now: datetime | None = None) -> Claimed:
    """The mails that are due, the longest first. They are the caller's for CLAIM: nobody else sends them.

    Whoever dies before mail_sent() or mail_failed() leaves them to the next one. What is too old is given up instead.
    """
    now = now or timezone.now()
    claimed = Claimed()
    with transaction.atomic():
        due = Mail.objects.select_for_update(skip_locked=True).filter(dead_at=None, due_at__lte=now)
        for mail in list(due.order_by("due_at")[:limit]):
            late = mail.until is not None and mail.until <= now
            if late or mail.created_at <= now - GIVE_UP:
                mail.error = (mail.error or "It was not sent in time.")[:MAX_ERROR_CHARS]
                _bury(mail, now)
                claimed.given_up += 1
                continue
            Mail.objects.filter(pk=mail.pk).update(due_at=now + CLAIM, tries=F("tries") + 1)
            claimed.letters.append(_letter(mail))
    return claimed


def _letter(mail: Mail) -> Letter:
    return Letter(
        id=mail.pk,
        to=mail.to,
        subject=mail.subject,
        text=mail.text,
        html=mail.html,
        headers=mail.headers,
        message_id=mail.message_id,
        tries=mail.tries + 1,
    )


def mail_sent(letter: Letter) -> None:
    """The mail server has it: nothing is kept."""
    Mail.objects.filter(pk=letter.id).delete()


def mail_failed(letter: Letter, error: str, *, is_final: bool, now: datetime | None = None) -> bool:
    """It was not sent; whether it is given up. Else it is tried again, later each time."""
    now = now or timezone.now()
    with transaction.atomic():
        mail = Mail.objects.select_for_update().filter(pk=letter.id, dead_at=None).first()
        if mail is None:  # its account was deleted, or an administrator took it away
            return False
        mail.error = error[:MAX_ERROR_CHARS]
        mail.due_at = now + BACKOFF[min(letter.tries, len(BACKOFF)) - 1]
        if is_final or mail.due_at >= mail.created_at + GIVE_UP:
            _bury(mail, now)
            return True
        mail.save(update_fields=["error", "due_at"])
    return False


def mail_release(letter: Letter) -> None:
    """It was not tried: whoever looks next may have it at once."""
    Mail.objects.filter(pk=letter.id, dead_at=None).update(due_at=timezone.now(), tries=F("tries") - 1)


def _bury(mail: Mail, now: datetime) -> None:
    mail.dead_at = now
    mail.save(update_fields=["error", "dead_at"])


def mail_data_delete(user: User) -> None:
    """What there is about the account's e-mail: addresses, links, mails that wait. In the caller's transaction."""
    for model in (EmailAddress, MailToken, Mail):
        model.objects.filter(user=user).delete()


# -- For administrators -------------------------------------------------------------------------------------------


def mails_retry(ids: Iterable[UUID]) -> int:
    """Send these once more, from the beginning, though they were given up; how many there were.

    What has an end that is over stays: its link would be dead.
    """
    now = timezone.now()
    with transaction.atomic():
        found = Mail.objects.filter(pk__in=list(ids)).exclude(until__lte=now)
        count = found.update(dead_at=None, tries=0, due_at=now, created_at=now)
        transaction.on_commit(_app().wake_mailer, robust=True)
    return count


def mails_delete(ids: Iterable[UUID]) -> int:
    """They are never sent."""
    return Mail.objects.filter(pk__in=list(ids)).delete()[0]
