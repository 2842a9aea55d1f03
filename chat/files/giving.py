"""Who may read the bytes of a file, asked anew at each request; and the addresses for who can't send a token.

The right is that of the message's channel. What is in no message yet is its owner's alone. What was deleted is
nobody's, but for moderators while a report of its message is open.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, TypedDict
from urllib.parse import quote

from accounts.authentication import Claims, user_for_claims
from accounts.passes import pass_made
from chat import selectors
from chat.domain.files import THUMB, no_file
from chat.domain.hiding import is_hidden
from chat.domain.ids import ChannelKey, UserRef
from chat.models import File, Message, Report
from chat.selectors import user_ref
from reaktor.errors import BannedError, NotFoundError, ReaktorError
from reaktor.shapes import Time, Uuid
from reaktor.times import timestamp

PATH = "/api/v1/files"
COOKIE = "reaktor_files"
COOKIE_PURPOSE = "files"
SIGNED_S = 600
MAX_SIGNED = 100


class SignedData(TypedDict):
    """Where one file is to be had for ten minutes, by whoever asks with this address."""

    id: Uuid
    url: str
    thumb_url: Annotated[str | None, "Null: it has no thumbnail."]
    expires_at: Time


def file_readable(claims: Claims, file_id: str) -> File:
    """The file, if the user behind these claims may read it now. Raises NotFoundError, NotAuthenticatedError."""
    return _readable(user_ref(user_for_claims(claims)), file_id)


def files_signed(claims: Claims, user: UserRef, ids: Sequence[str]) -> list[SignedData]:
    """Addresses of those of these files that the user may read; the others are left out."""
    until = int(time.time()) + SIGNED_S
    found: list[SignedData] = []
    for file_id in dict.fromkeys(ids):
        try:
            file = _readable(user, file_id)
        except ReaktorError:
            continue
        # Of the one file: whoever is shown this address is not shown the others.
        ticket = quote(pass_made(claims, purpose_of(str(file.pk)), until), safe="")
        base = f"{PATH}/{file.pk}"
        found.append(
            {
                "id": str(file.pk),
                "url": f"{base}/{quote(file.name, safe='')}?ticket={ticket}",
                "thumb_url": f"{base}/{THUMB}?ticket={ticket}" if file.width is not None else None,
                "expires_at": timestamp(datetime.fromtimestamp(min(until, claims.expires_at), UTC)),
            }
        )
    return found


def purpose_of(file_id: str) -> str:
    """What a pass in an address is good for."""
    return f"file {file_id}"


def _readable(user: UserRef, file_id: str) -> File:
    try:
        wanted = uuid.UUID(file_id)
    except ValueError:
        raise no_file() from None
    file = File.objects.filter(pk=wanted, gone_at=None).exclude(stored_at=None).first()
    if file is None:
        raise no_file()
    if file.message_id is None:
        if str(file.owner_id) != user.id or file.deleted_at is not None:
            raise no_file()
        return file
    columns = ("channel__key", "author__username", "deleted_at")
    message = Message.objects.filter(pk=file.message_id).values(*columns).first()
    if message is None:
        raise no_file()
    key, author = ChannelKey(message["channel__key"]), message["author__username"]
    # An older release that runs beside this one deletes messages, and knows no files.
    is_deleted = file.deleted_at is not None or message["deleted_at"] is not None
    if (is_deleted or not _may_read(user, key, author)) and not _may_judge(user, key, file.message_id):
        raise no_file()
    return file


def _may_read(user: UserRef, key: ChannelKey, author: str) -> bool:
    try:
        selectors.channel_access(user=user, key=key)
    except (NotFoundError, BannedError):
        return False
    return not is_hidden(author, selectors.hidden_names(user.id, key))


def _may_judge(user: UserRef, key: ChannelKey, message_id: uuid.UUID) -> bool:
    """Whether the user has to decide about a report of its message."""
    if not Report.objects.filter(message_id=message_id, resolved_at=None).exists():
        return False
    try:
        return selectors.channel_access(user=user, key=key, to_moderate=True).access.can_moderate
    except (NotFoundError, BannedError):
        return False
