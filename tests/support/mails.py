"""The mails that wait in the test database, and the tokens in their links."""

from __future__ import annotations

from accounts.addresses import address_parse
from accounts.models import EmailAddress, Mail, User


def mails_to(address: str) -> list[Mail]:
    return list(Mail.objects.filter(to=address).order_by("id"))


def token_in(mail: Mail) -> str:
    """Behind the last slash of the link, which text and HTML both have."""
    (link,) = [line for line in mail.text.splitlines() if "/#/" in line]
    assert f'href="{link}"' in mail.html
    return link.rpartition("/")[2]


def confirmed(user: User, address: str) -> User:
    """The user, with a confirmed address."""
    parsed = address_parse(address)
    EmailAddress.objects.create(user=user, address=parsed.text, folded=parsed.folded, confirmed_at=user.created_at)
    return user
