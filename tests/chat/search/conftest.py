"""Somebody else, and short words for what these tests do."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from chat.domain.ids import ChannelKey, UserRef
from chat.domain.search import Filters
from chat.posting.batches import Post, Stored, store_batch
from chat.search.finding import messages_search
from tests.support.databases import user_ref


@pytest.fixture
def bob() -> UserRef:
    return user_ref("bob")


def post(author: UserRef, key: ChannelKey, *texts: str, **more: Any) -> list[str]:
    """The ids of the stored messages."""
    stored = store_batch([Post(author, key, text, uuid.uuid4().hex, **more) for text in texts])
    assert all(isinstance(each, Stored) for each in stored), stored
    return [each.message["id"] for each in stored if isinstance(each, Stored)]


def found(user: UserRef, q: str, **filters: object) -> list[str]:
    """The texts that a search brings, over all of its pages, newest first."""
    texts: list[str] = []
    cursor: str | None = None
    while True:
        wanted: Filters = {**filters}  # type: ignore[typeddict-item]
        page = messages_search(user=user, q=q, filters=wanted, cursor=cursor)
        texts += [hit["message"]["text"] or "" for hit in page["results"]]
        cursor = page["next"]
        if cursor is None:
            return texts
