"""Writes: the e-mail address of an account. Called in threads.

Anybody may give any address: it counts only once its owner has pressed the button behind the link that was mailed
there. Who has confirmed an address has it alone. What is answered is the same whether that is so or not, after the
same work; the mail alone is another one, and goes to whoever owns the address.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import services
from accounts.letters import Letter, letter_queue
from accounts.mail_models import MAX_ADDRESS_CHARS
from accounts.mail_tokens import token_find, token_make, token_spend
from accounts.mailing import mail_check
from accounts.models import EmailAddress, MailToken, User
from accounts.selectors import address_data
from reaktor.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from reaktor.hosts import normal_host
from reaktor.why import Why

DEAD_LINK = "This link is not good any more. Ask for a new mail."


class Address(NamedTuple):
    """An address as it was written, with its host as mail servers name it; and as addresses are compared."""

    text: str
    folded: str


def address_parse(text: str) -> Address:
    """Raises InvalidError for what is no address that a mail can be sent to."""
    local, _, host = unicodedata.normalize("NFKC", text.strip()).rpartition("@")
    try:
        written = f"{local}@{normal_host(host)}"
        validate_email(written)
        if len(written) > MAX_ADDRESS_CHARS or not written.isascii():
            raise ValueError(written)
    except (ValueError, ValidationError):
        raise InvalidError(
            "That is no e-mail address.", fields={"email": "no e-mail address"}, why=Why.EMAIL_FORM
        ) from None
    return Address(written, written.casefold())


def address_of(user: User, *, or_pending: bool = False) -> str | None:
    """The confirmed address of an account; `or_pending`: else the one that waits to be confirmed."""
    data = address_data(user)
    return data["email"] or (data["email_pending"] if or_pending else None)


def address_change(user: User, *, email: str, password: str, ip: str) -> None:
    """Another address for the account, once it is confirmed; a mail is sent there.

    Raises InvalidError, ForbiddenError (wrong password; this server sends no mail), RateLimitedError, UnavailableError.
    """
    mail_check()
    address = address_parse(email)
    services.password_confirm(user, password)
    services.app().limits.mail(address.folded, ip)
    with transaction.atomic():
        _locked(user)
        address_give(user, address)


def address_give(user: User, address: Address) -> None:
    """Note an address that waits to be confirmed, and mail to its owner: a link, or that it has been given once more.

    Inside a transaction. As many statements in either case.
    """
    fields = {"address": address.text, "folded": address.folded, "since": timezone.now()}
    EmailAddress.objects.update_or_create(user=user, confirmed_at=None, defaults=fields)
    owned = EmailAddress.objects.filter(folded=address.folded, confirmed_at__isnull=False).select_related("user")
    owner = owned.first()
    # Nobody hears of the token where it is another account's, but it is made all the same.
    token, ends = token_make(MailToken.CONFIRM, user=user, folded=address.folded)
    if owner is None:
        letter_queue(Letter.CONFIRM, user=user, to=address.text, token=token, until=ends)
    else:
        letter_queue(Letter.TAKEN, user=owner.user, to=owner.address)


def address_confirm(token: str) -> None:
    """The address that this token was mailed to is its account's, and no other one's. The one before is told.

    Raises NotFoundError (a dead link), ConflictError (another account has confirmed it meanwhile).
    """
    found = token_find(MailToken.CONFIRM, token)
    if found is None or found.user is None:
        raise NotFoundError(DEAD_LINK, why=Why.LINK_DEAD)
    user = found.user
    try:
        with transaction.atomic():
            _locked(user)
            mine = EmailAddress.objects.filter(user=user)
            pending = mine.filter(confirmed_at=None, folded=found.folded).first()
            if pending is None or not token_spend(found):
                raise NotFoundError(DEAD_LINK, why=Why.LINK_DEAD)
            before = mine.exclude(confirmed_at=None).first()
            if before is not None:
                before.delete()
                # Whoever reads mails there sets no password any more.
                MailToken.objects.filter(user=user, purpose=MailToken.RESET).delete()
            pending.confirmed_at = timezone.now()
            pending.save(update_fields=["confirmed_at"])
            if before is not None and before.folded != pending.folded:
                letter_queue(Letter.CHANGED, user=user, to=before.address)
    except IntegrityError:
        raise ConflictError("Another account has this address.", why=Why.EMAIL_TAKEN) from None


def address_remove(user: User, *, password: str) -> None:
    """The account has no address any more; the one that it had is told. Raises ForbiddenError, RateLimitedError."""
    services.password_confirm(user, password)
    if services.app().mail.is_required:
        raise ForbiddenError("This server asks for an address: give another one instead.", why=Why.EMAIL_NEEDED)
    with transaction.atomic():
        _locked(user)
        before = address_of(user)
        EmailAddress.objects.filter(user=user).delete()
        MailToken.objects.filter(user=user).delete()
        if before is not None:
            letter_queue(Letter.REMOVED, user=user, to=before)


def _locked(user: User) -> None:
    """Two changes of one account's address come one after the other."""
    User.objects.select_for_update().filter(pk=user.pk).values_list("pk").first()
