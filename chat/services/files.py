"""Writes: files are out of reach, in the transaction that deletes what they belong to. chat.files removes them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from chat.domain.ids import UserId
from chat.models import File


def files_forget(messages: Sequence[uuid.UUID]) -> None:
    """Those of these messages, which are deleted in this transaction."""
    File.objects.filter(message_id__in=messages, deleted_at=None).update(deleted_at=datetime.now(UTC))


def files_forget_unsent(user_id: UserId) -> None:
    """Those of this account that are in no message."""
    File.objects.filter(owner_id=uuid.UUID(user_id), message=None, deleted_at=None).update(deleted_at=datetime.now(UTC))
