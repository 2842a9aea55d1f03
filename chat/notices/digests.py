"""Digests: what is unread of direct messages and mentions, by mail to a confirmed address; one in a quarter of an hour.

A step writes one person's mail and notes what stands in it, in one transaction, so a message stands in one mail.
accounts.mailing sends it. Whoever has the link of a mail can stop them, without logging in (RFC 8058).
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypedDict

from django.core import signing
from django.db import transaction
from django.template.loader import render_to_string

from accounts.mailing import is_mail_possible, mail_queue
from accounts.models import EmailAddress, User
from chat.domain import notices as rules
from chat.models import Notice, NoticePreferences
from chat.notices.due import Due, page_of, read_due, title_of
from reaktor.errors import NotFoundError

MAX_LINES = 20
MAX_LOOKED_AT = 500
SALT = "chat.notices.unsubscribe"


class Line(TypedDict):
    title: str
    text: str
    link: str


def addresses_of(user_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """The confirmed addresses of those who want mails; none where the server sends none. Two queries."""
    if not is_mail_possible():
        return {}
    confirmed = EmailAddress.objects.filter(user_id__in=user_ids, confirmed_at__isnull=False)
    found = dict(confirmed.values_list("user_id", "address"))
    unwanted = NoticePreferences.objects.filter(pk__in=found, email=False)
    for user_id in unwanted.values_list("pk", flat=True):
        del found[user_id]
    return found


def digest_waits(now: datetime) -> bool:
    """Whether there may be a mail to write. One look at an index."""
    return Notice.objects.filter(mail_at__lte=now).exists()


def digest_step(now: datetime, home: str) -> bool:
    """Write the next mail that is due, or see that there is none for its person yet; False: nobody is due.

    `home`: where the web client is.
    """
    with transaction.atomic():
        due = Notice.objects.filter(mail_at__lte=now).order_by("mail_at", "id")
        user_id = due.values_list("user_id", flat=True).first()
        if user_id is None:
            return False
        NoticePreferences.objects.get_or_create(pk=user_id)
        # The one lock: of two processes at once the second waits, and finds that there is nothing left to write.
        wanted = NoticePreferences.objects.select_for_update().get(pk=user_id)
        mine = Notice.objects.filter(user_id=user_id, mail_at__isnull=False).order_by("id")
        found = read_due(list(mine.values_list("pk", flat=True)[:MAX_LOOKED_AT]), now)
        address = addresses_of([user_id]).get(user_id)
        said = _sort_out(found, now, wanted.mailed_at, wants=address is not None)
        if said and address is not None:
            if _write(User.objects.get(pk=user_id), address, said, home, has_preview=wanted.preview):
                _forget([each.id for each in said])
                wanted.mailed_at = now
                wanted.save(update_fields=["mailed_at"])
            else:
                # Too many mails wait to be sent: these messages stand in a later one.
                Notice.objects.filter(pk__in=[each.id for each in said]).update(mail_at=now + rules.DIGEST)
    return True


def _sort_out(found: Sequence[Due], now: datetime, mailed_at: datetime | None, *, wants: bool) -> list[Due]:
    """Those that are to be written now. What waits, or is dropped, is noted."""
    said: list[Due] = []
    over: list[int] = []
    for each in found:
        verdict = rules.digest(replace(each.facts, wants=wants), now, mailed_at)
        if verdict.until is not None:
            Notice.objects.filter(pk=each.id).update(mail_at=verdict.until)
            continue
        if verdict.sends:
            said.append(each)
        else:
            over.append(each.id)
    _forget(over)
    return said


def _forget(ids: Sequence[int]) -> None:
    """These stand in no mail any more; what is not to be pushed either goes."""
    ended = Notice.objects.filter(pk__in=ids)
    ended.filter(push_at=None, failed_at=None).delete()
    ended.update(mail_at=None)


def _write(user: User, address: str, said: Sequence[Due], home: str, *, has_preview: bool) -> bool:
    """Whether it is queued."""
    stop = f"{home}/notices/unsubscribe/{unsubscribe_token(user.pk)}"
    lines = [
        Line(title=title_of(each.told), text=each.told.text, link=f"{home}/{page_of(each.told)}")
        for each in said[:MAX_LINES]
    ]
    words: dict[str, Any] = {
        "username": user.display_name or user.username,
        "home": home,
        "stop": stop,
        "count": len(said),
        "lines": lines if has_preview else [],
        "more": max(len(said) - MAX_LINES, 0),
    }
    return mail_queue(
        to=address,
        subject="1 unread message" if len(said) == 1 else f"{len(said)} unread messages",
        text=render_to_string("chat/mail/digest.txt", {**words, "lines": _indented(words["lines"])}),
        html=render_to_string("chat/mail/digest.html", words),
        headers={"List-Unsubscribe": f"<{stop}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
        user=user,
    )


def _indented(lines: Iterable[Line]) -> list[Line]:
    """For a mail that is mere text: no line of what somebody wrote is taken for one of the mail's own."""
    return [{**line, "text": "\n".join(f"  {each}" for each in line["text"].splitlines())} for line in lines]


def unsubscribe_token(user_id: uuid.UUID) -> str:
    """What stops the mails to that account, and does nothing else. It stays good, as the mail does."""
    return signing.Signer(salt=SALT).sign(user_id.hex)


def unsubscribe_check(token: str) -> uuid.UUID:
    """Whose mails this token stops. Raises NotFoundError for one that is none of ours."""
    try:
        return uuid.UUID(signing.Signer(salt=SALT).unsign(token))
    except (signing.BadSignature, ValueError):
        raise NotFoundError("This link stops no mails.") from None


def unsubscribe(token: str) -> None:
    """No more digests for whoever this token is about. May be repeated. Raises NotFoundError."""
    user_id = unsubscribe_check(token)
    if not User.objects.filter(pk=user_id).exists():
        return
    NoticePreferences.objects.update_or_create(pk=user_id, defaults={"email": False})
