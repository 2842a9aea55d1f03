"""Writes: a new password for who forgot theirs, by a link that is mailed to the confirmed address. Called in threads.

Whether an address belongs to an account is not told: the answer is the same, after the same work.
"""

from __future__ import annotations

from django.db import transaction

from accounts import services
from accounts.addresses import DEAD_LINK, address_parse
from accounts.letters import Letter, letter_queue
from accounts.mail_tokens import token_find, token_make, token_spend
from accounts.mailing import mail_check
from accounts.models import EmailAddress, MailToken
from reaktor.errors import NotFoundError
from reaktor.why import Why


def reset_ask(*, email: str, ip: str) -> None:
    """Mail a link to the account that has confirmed this address, if there is one.

    Raises InvalidError (no address at all), ForbiddenError (this server sends no mail), RateLimitedError,
    UnavailableError; none of them tells whether there is one.
    """
    mail_check()
    address = address_parse(email)
    services.app().limits.mail(address.folded, ip)
    with transaction.atomic():
        owned = EmailAddress.objects.filter(folded=address.folded, confirmed_at__isnull=False).select_related("user")
        owner = owned.first()
        user, to = (None, None) if owner is None else (owner.user, owner.address)
        token, ends = token_make(MailToken.RESET, user=user, folded=address.folded)
        letter_queue(Letter.RESET, user=user, to=to, token=token, until=ends)


def reset_confirm(*, token: str, password: str) -> None:
    """The account of this link has that password from now on; its tokens and live sessions end.

    A second factor stays as it is. Raises NotFoundError (a dead link), InvalidError (a weak password: the link is good
    for another one), ConflictError, UnavailableError.
    """
    found = token_find(MailToken.RESET, token)
    if found is None or found.user is None:
        raise NotFoundError(DEAD_LINK, why=Why.LINK_DEAD)
    services.check_password(password, found.user, strict=True)
    encoded = services.app().hashing.hash(password)
    with transaction.atomic():
        if not token_spend(found):
            raise NotFoundError(DEAD_LINK, why=Why.LINK_DEAD)
        services.password_store(found.user, encoded)
