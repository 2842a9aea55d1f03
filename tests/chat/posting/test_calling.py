"""Calls as they are stored: one row for each message, whom it tells, and what becomes of it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat import selectors, services
from chat.domain import calls
from chat.domain.errors import ConfirmationRequiredError
from chat.domain.ids import ChannelKey, UserRef
from chat.models import Call, Mention, Message
from chat.posting import calling
from chat.posting.batches import Post, Stored, store_batch
from tests.support.databases import user_ref

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def bob(tea: ChannelKey) -> UserRef:
    return follower("bob", tea)


@pytest.fixture
def eve(tea: ChannelKey) -> UserRef:
    return follower("eve", tea)


def follower(name: str, key: ChannelKey) -> UserRef:
    user = user_ref(name)
    services.membership_join(user=user, key=key)
    return user


def post(author: UserRef, key: ChannelKey, text: str = "@channel", **more: Any) -> Stored:
    (stored,) = store_batch([Post(author, key, text, uuid.uuid4().hex, **more)])
    assert isinstance(stored, Stored), stored
    return stored


def unread(user: UserRef, key: ChannelKey) -> int:
    return selectors.channel_access(user=user, key=key).mentions


def test_all_members_are_called_by_one_row(tea: ChannelKey, ann: UserRef, bob: UserRef, eve: UserRef) -> None:
    stored = post(bob, tea, "@channel, and @eve")
    assert stored.message["mentions"] == ["eve", "channel"]
    assert selectors.message_by_id(Call.objects.get().channel_id, stored.message["id"]) == stored.message
    assert (Call.objects.count(), Mention.objects.count()) == (1, 1)
    assert (unread(ann, tea), unread(bob, tea), unread(eve, tea)) == (1, 0, 1)
    late = follower("kim", tea)
    services.read_mark(user=late, key=tea, number=0, is_back=True)
    assert unread(late, tea) == 0


def test_who_is_present_is_called_by_here(tea: ChannelKey, ann: UserRef, bob: UserRef, eve: UserRef) -> None:
    stranger = user_ref("stranger")
    stored = post(ann, tea, "@here", present=frozenset([ann.id, bob.id, stranger.id]))
    assert stored.called is not None
    assert stored.called.only == {bob.id}
    assert (unread(bob, tea), unread(eve, tea)) == (1, 0)
    assert post(ann, tea, "@here", present=frozenset([stranger.id])).message["mentions"] == []
    assert post(ann, tea, "@here").called is None


def test_of_very_many_who_are_present_no_list_is_kept(
    tea: ChannelKey, ann: UserRef, bob: UserRef, eve: UserRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "PRESENT", 0)
    stored = post(ann, tea, "@here", present=frozenset([bob.id]))
    assert stored.called is not None
    assert (stored.called.only, unread(eve, tea)) == (None, 1)


def test_who_blocks_the_author_or_is_told_nothing_is_not_called(
    tea: ChannelKey, ann: UserRef, bob: UserRef, eve: UserRef
) -> None:
    services.user_block(user=bob, username="ann")
    services.level_set(user=eve, key=tea, level="nothing")
    assert post(ann, tea).called is None
    follower("kim", tea)
    stored = post(ann, tea)
    assert stored.called is not None
    assert stored.called.but == {ann.id, bob.id}
    assert (unread(bob, tea), unread(eve, tea)) == (0, 0)
    services.level_set(user=eve, key=tea, level="mentions")
    services.user_unblock(user=bob, username="ann")
    assert (unread(bob, tea), unread(eve, tea)) == (0, 1)


def test_in_a_crowd_only_moderators_call_and_confirm_it(
    tea: ChannelKey, ann: UserRef, bob: UserRef, eve: UserRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "MANY", 2)
    assert post(bob, tea, is_confirmed=True).message["mentions"] == []
    (refused,) = store_batch([Post(ann, tea, "@channel", "n", is_confirmed=False)])
    assert isinstance(refused, ConfirmationRequiredError)
    assert refused.told == 2
    (here,) = store_batch([Post(ann, tea, "@here", "h", is_confirmed=False, present=frozenset([eve.id]))])
    assert isinstance(here, ConfirmationRequiredError)
    assert here.told == 1
    assert Message.objects.count() == 1
    assert post(ann, tea, is_confirmed=True).message["mentions"] == ["channel"]
    assert post(ann, tea, is_confirmed=None).message["mentions"] == []
    with pytest.raises(ConfirmationRequiredError):
        services.message_post(user=ann, key=tea, text="@channel", nonce="x", max_chars=99, is_confirmed=False)


def test_the_same_nonce_again_is_the_same_call(tea: ChannelKey, ann: UserRef, bob: UserRef) -> None:
    once = Post(ann, tea, "@channel", "once")
    first, second = store_batch([once, once])
    (third,) = store_batch([once])
    assert [isinstance(each, Stored) and each.is_duplicate for each in (first, second, third)] == [False, True, True]
    assert unread(bob, tea) == 1


def test_what_a_thread_alone_shows_calls_nobody(tea: ChannelKey, ann: UserRef, bob: UserRef) -> None:
    root = post(ann, tea, "tea?").message["id"]
    assert post(ann, tea, thread=root).message["mentions"] == []
    assert unread(bob, tea) == 0
    shown = post(ann, tea, thread=root, also_in_channel=True)
    assert shown.message["mentions"] == ["channel"]
    assert unread(bob, tea) == 1


def test_in_direct_channels_and_groups_the_words_are_text(ann: UserRef) -> None:
    bob, eve = user_ref("bob"), user_ref("eve")
    pair = services.direct_open(user=ann, username="bob")[0].channel.key
    group = services.group_open(user=ann, usernames=["bob", "eve"])[0].channel.key
    for key in (pair, group):
        assert post(ann, key, "@channel @here", present=frozenset([bob.id, eve.id])).message["mentions"] == []
    assert not Call.objects.exists()


def test_who_is_named_by_an_edit_or_no_longer_has_it_unread_once(
    tea: ChannelKey, ann: UserRef, bob: UserRef, eve: UserRef
) -> None:
    message = post(ann, tea, "@channel @bob").message["id"]
    for text in ("@channel @eve", "@channel @eve @bob", "@channel"):
        services.message_edit(user=ann, key=tea, message_id=message, text=text, max_chars=99)
        assert (unread(bob, tea), unread(eve, tea)) == (1, 1), text


def test_an_edit_calls_nobody_and_may_take_a_call_back(tea: ChannelKey, ann: UserRef, bob: UserRef) -> None:
    def edited(message: str, text: str) -> list[str]:
        found = services.message_edit(user=ann, key=tea, message_id=message, text=text, max_chars=99)
        return found["mentions"]

    plain, called = post(ann, tea, "hi").message["id"], post(ann, tea).message["id"]
    assert edited(plain, "@channel") == []
    assert edited(called, "@channel, please") == ["channel"]
    assert unread(bob, tea) == 1
    assert edited(called, "please") == []
    assert unread(bob, tea) == 0
    assert edited(called, "@channel") == []


def test_a_deleted_message_calls_nobody(tea: ChannelKey, ann: UserRef, bob: UserRef) -> None:
    services.message_delete(user=ann, key=tea, message_id=post(ann, tea).message["id"])
    assert (unread(bob, tea), Call.objects.count()) == (0, 0)


def test_a_plain_post_asks_nothing_of_calls(tea: ChannelKey, ann: UserRef, bob: UserRef) -> None:
    for text in ("hi", "mail me at me@example.org"):
        with CaptureQueriesContext(connection) as asked:
            store_batch([Post(ann, tea, text, uuid.uuid4().hex) for _ in range(3)])
        assert not any("chat_call" in each["sql"] for each in asked.captured_queries)
