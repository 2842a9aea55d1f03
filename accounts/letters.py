"""What the mails about accounts say: a subject, a text and HTML from accounts/templates/accounts/mail, and a link.

The link leads to a page of the web client, behind the `#`, which no server sees and no scanner follows up: the page
sends the token when its reader presses a button.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from django.apps import apps
from django.template.loader import render_to_string

from accounts.mailing import mail_queue
from accounts.models import User

if TYPE_CHECKING:
    from accounts.apps import AccountsConfig


class Letter(StrEnum):
    """A mail by the name of its templates."""

    CONFIRM = "confirm"
    TAKEN = "taken"
    RESET = "reset"
    CHANGED = "changed"
    REMOVED = "removed"
    APPROVED = "approved"


SUBJECTS = {
    Letter.CONFIRM: "Confirm your e-mail address",
    Letter.TAKEN: "Your e-mail address was given once more",
    Letter.RESET: "A new password",
    Letter.CHANGED: "Your e-mail address was changed",
    Letter.REMOVED: "Your e-mail address was removed",
    Letter.APPROVED: "Your account was approved",
}
PAGES = {Letter.CONFIRM: "confirm-email", Letter.RESET: "reset-password"}
"""Where the link leads, before its token. Others lead to the first page."""


def letter_queue(
    letter: Letter, *, user: User | None, to: str | None, token: str = "", until: datetime | None = None
) -> bool:
    """Queue that mail; see mail_queue(), also for `to` None. `until`: when its link dies."""
    home = cast("AccountsConfig", apps.get_app_config("accounts")).page_url
    link = f"{home}/#/{PAGES[letter]}/{token}" if letter in PAGES else f"{home}/"
    words = {"username": user.username if user else "", "address": to or "", "link": link, "home": home}
    text, html = (render_to_string(f"accounts/mail/{letter.value}.{kind}", words) for kind in ("txt", "html"))
    return mail_queue(to=to, subject=SUBJECTS[letter], text=text, html=html, user=user, until=until)
