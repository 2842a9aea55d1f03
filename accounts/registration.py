"""Writes: who may make an account (REGISTRATION), and what becomes of one that waits for approval. Called in threads.

Invites are another app's: the signal invite_used asks it, in the transaction that stores the account.
"""

from __future__ import annotations

from django.db import transaction

from accounts import addresses, services
from accounts.letters import Letter, letter_queue
from accounts.mailing import is_mail_possible, mail_check
from accounts.models import User, WaitingAccount
from accounts.signals import invite_used
from reaktor.errors import ForbiddenError, InvalidError, NotFoundError
from reaktor.why import Why

CLOSED = "Nobody can register on this server."
BY_INVITE = "You need an invite to register on this server."
NO_GOOD_INVITE = "That invite is not good (any more)."
ELSEWHERE = {
    "invite": BY_INVITE,
    "approval": "Accounts on this server have to be approved: register on its page.",
    "closed": CLOSED,
}
"""What clients are told that know neither invites nor waiting."""
NEEDS_EMAIL = "Accounts on this server need an e-mail address: register on its page."


def account_create(
    *, username: str, password: str, email: str | None = None, invite: str | None = None, ip: str
) -> tuple[User, bool]:
    """(a new account, whether it waits for approval). An invite is approval enough.

    Raises ForbiddenError (REGISTRATION does not let them in; the invite is no good; no mail can be sent), InvalidError,
    NameTakenError, RateLimitedError, UnavailableError. Whether somebody has the address already is not told: the
    answer is the same, after the same work.
    """
    mode = _mode()
    if mode == "closed":
        raise ForbiddenError(CLOSED, why=Why.REGISTRATION_CLOSED)
    if mode == "invite" and not invite:
        raise ForbiddenError(BY_INVITE, fields={"invite": "needed"}, why=Why.INVITE_NEEDED)
    address = _address(email)
    limits = services.app().limits
    if invite:
        limits.invite_look(ip)
    if address is not None:
        limits.mail(address.folded, ip)
    is_waiting = mode == "approval" and not invite

    def beside(user: User) -> None:
        if is_waiting:
            WaitingAccount.objects.create(user=user)
        if invite:
            _use(invite, user)
        if address is not None:
            addresses.address_give(user, address)

    user = services.user_register(
        username=username, password=password, strict=True, address=ip, is_active=not is_waiting, beside=beside
    )
    return user, is_waiting


def open_check() -> None:
    """For the registration that asks for a name and a password alone. Raises ForbiddenError in every mode but open."""
    mode = _mode()
    if mode != "open":
        raise ForbiddenError(ELSEWHERE[mode])
    if services.app().mail.is_required:
        raise ForbiddenError(NEEDS_EMAIL)


def _mode() -> str:
    """Nobody has said: then nobody may."""
    return services.app().registration or "closed"


def _address(email: str | None) -> addresses.Address | None:
    if email:
        mail_check()
        return addresses.address_parse(email)
    if services.app().mail.is_required:
        raise InvalidError("An e-mail address is needed.", fields={"email": "needed"}, why=Why.EMAIL_NEEDED)
    return None


def _use(invite: str, user: User) -> None:
    try:
        heard = invite_used.send(User, user=user, code=invite)
    except NotFoundError:
        heard = []
    if not heard:
        raise ForbiddenError(NO_GOOD_INVITE, fields={"invite": "not good"}, why=Why.INVITE_DEAD)


# -- Accounts that wait -------------------------------------------------------------------------------------------


def account_approve(user: User) -> None:
    """Its owner can log in, and is told where they gave an address. Raises NotFoundError where it waits no longer."""
    with transaction.atomic():
        _locked(user)
        services.user_enable(user)
        to = addresses.address_of(user, or_pending=True)
        if to is not None and is_mail_possible():
            letter_queue(Letter.APPROVED, user=user, to=to)


def account_refuse(user: User) -> None:
    """The account is gone, and anybody may have its name. Raises NotFoundError where it waits no longer."""
    with transaction.atomic():
        _locked(user)
        user.delete()


def _locked(user: User) -> None:
    """Of two who decide at once, one does."""
    if WaitingAccount.objects.select_for_update().filter(pk=user.pk).first() is None:
        raise NotFoundError("That account does not wait any more.")
