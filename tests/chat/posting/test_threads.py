"""Answers in threads: what is stored, what is refused, and what each says of its thread."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from chat import selectors, services
from chat.domain.events import MessageData
from chat.domain.ids import ChannelKey, UserRef
from chat.models import Channel, Message, Thread, ThreadFollow
from chat.posting.batches import Post, Stored, store_batch
from reaktor.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, ReaktorError
from tests.support.databases import channel_of, user_ref

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def post(author: UserRef, channel: ChannelKey, text: str = "hi", **more: Any) -> Post:
    return Post(author, channel, text, uuid.uuid4().hex, **more)


def stored(*posts: Post) -> list[MessageData]:
    results = store_batch(posts)
    assert all(isinstance(result, Stored) for result in results), results
    return [result.message for result in results if isinstance(result, Stored)]


def page(channel: ChannelKey, **wanted: Any) -> list[MessageData]:
    return selectors.messages_page(Channel.objects.get(key=channel).pk, **wanted).messages


def test_a_reply_takes_a_number_and_a_seq_and_no_place_in_the_flow(ann: UserRef, tea: ChannelKey) -> None:
    bob = user_ref("bob")
    (root,) = stored(post(ann, tea, "tea?"))
    first, plain, second, shown = stored(
        post(bob, tea, "green", thread=root["id"]),
        post(bob, tea, "plain"),
        post(ann, tea, "black", thread=root["id"].upper()),
        post(bob, tea, "both", thread=root["id"], also_in_channel=True),
    )
    placed = [(each["number"], each["seq"], each["flow"]) for each in (root, first, plain, second, shown)]
    assert placed == [(1, 1, 1), (2, 2, 1), (3, 3, 2), (4, 4, 2), (5, 5, 3)]
    assert "thread" not in root
    assert "thread_info" not in root
    assert "thread" not in plain
    assert [each["thread"] for each in (first, second, shown)] == [root["id"]] * 3
    assert [each["also_in_channel"] for each in (first, second, shown)] == [False, False, True]
    assert first["thread_info"] == {
        "number": 1,
        "seq": 2,
        "replies": 1,
        "last_reply_at": first["created_at"],
        "participants": ["bob"],
    }
    assert shown["thread_info"]["replies"] == 3
    assert shown["thread_info"]["participants"] == ["bob", "ann"]
    info = shown["thread_info"]
    told = [{**each, "thread_info": info} for each in (first, second, shown)]
    assert page(tea) == [{**root, "thread_info": info}, told[0], plain, told[1], told[2]]
    assert page(tea, flow=True) == [{**root, "thread_info": info}, plain, told[2]]
    assert page(tea, thread=root["id"]) == told
    assert page(channel_of(None, "coffee"), thread=root["id"]) == []
    channel = Channel.objects.get(key=tea)
    assert (channel.number, channel.seq, channel.aside, channel.aside_from) == (5, 5, 2, 2)
    assert selectors.message_by_id(channel.pk, root["id"])["changed_seq"] == 1


def test_what_cannot_be_answered_in_a_thread_is_refused_alone(ann: UserRef, tea: ChannelKey) -> None:
    coffee = channel_of(ann, "coffee")
    root, gone, empty, elsewhere = stored(post(ann, tea), post(ann, tea), post(ann, tea), post(ann, coffee))
    (reply, kept) = stored(post(ann, tea, thread=root["id"]), post(ann, tea, thread=gone["id"]))
    for each in (gone, empty):
        services.message_delete(user=ann, key=tea, message_id=each["id"])
    wanted = {
        reply["id"]: InvalidError,
        elsewhere["id"]: NotFoundError,
        str(uuid.uuid4()): NotFoundError,
        "nothing": NotFoundError,
        empty["id"]: ConflictError,
    }
    results = store_batch([post(ann, tea, thread=each) for each in wanted] + [post(ann, tea, thread=gone["id"])])
    assert [type(each) for each in results[:-1]] == list(wanted.values())
    assert isinstance(results[-1], Stored)  # there are replies to talk about
    assert kept["thread_info"]["replies"] == 1
    for each in page(tea, thread=gone["id"]):
        services.message_delete(user=ann, key=tea, message_id=each["id"])
    assert isinstance(store_batch([post(ann, tea, thread=gone["id"])])[0], ConflictError)
    services.channel_update(user=ann, key=tea, threads=False)
    (refused,) = store_batch([post(ann, tea, thread=root["id"])])
    assert isinstance(refused, ForbiddenError)
    assert page(tea, thread=root["id"])
    assert Channel.objects.get(key=tea).number == Message.objects.filter(channel__key=tea).count()


def test_who_posts_is_mentioned_or_began_it_follows_a_thread(ann: UserRef, tea: ChannelKey) -> None:
    bob, eve, kim, _ = (user_ref(name) for name in ("bob", "eve", "kim", "lea"))
    (root,) = stored(post(ann, tea, "@kim tea?"))
    assert not ThreadFollow.objects.exists()
    (result,) = store_batch([post(bob, tea, "@eve?", thread=root["id"])])
    assert isinstance(result, Stored)
    assert {*result.followers} == {ann.id, bob.id, eve.id, kim.id}
    ThreadFollow.objects.filter(user_id__in=[eve.id, bob.id]).update(is_on=False)
    (result,) = store_batch([post(bob, tea, "@eve!", thread=root["id"])])
    assert isinstance(result, Stored)
    assert {*result.followers} == {ann.id, bob.id, kim.id}
    assert ThreadFollow.objects.get(user_id=bob.id).replies == 2
    assert Thread.objects.get().replies == 2


def test_who_has_read_a_thread_follows_it_all_the_same_once_there_is_a_reason(ann: UserRef, tea: ChannelKey) -> None:
    bob, eve, kim = (user_ref(name) for name in ("bob", "eve", "kim"))
    (root,) = stored(post(ann, tea, "@kim tea?"))
    for user in (ann, bob, eve, kim):
        services.thread_read(user=user, key=tea, thread=root["id"], number=1)
    services.thread_unfollow(user=eve, key=tea, thread=root["id"])
    (result,) = store_batch([post(user_ref("lea"), tea, "@bob @eve?", thread=root["id"])])
    assert isinstance(result, Stored)
    told = {*result.followers}
    assert {ann.id, bob.id, kim.id} <= told, "who began it, and whom it or its root names"
    assert eve.id not in told, "a mention asks nothing of whoever has said what they want"


def test_whom_a_root_names_follows_the_thread_though_somebody_did_before_its_first_reply(
    ann: UserRef, tea: ChannelKey
) -> None:
    bob, eve, kim = (user_ref(name) for name in ("bob", "eve", "kim"))
    (root,) = stored(post(ann, tea, "@kim tea?"))
    services.thread_follow(user=bob, key=tea, thread=root["id"])
    (result,) = store_batch([post(bob, tea, thread=root["id"])])
    assert isinstance(result, Stored)
    assert {*result.followers} == {ann.id, bob.id, kim.id}
    services.message_edit(user=ann, key=tea, message_id=root["id"], text="@kim @eve tea?", max_chars=99)
    (result,) = store_batch([post(bob, tea, thread=root["id"])])
    assert isinstance(result, Stored)
    assert {*result.followers} == {ann.id, bob.id, kim.id, eve.id}


def test_who_may_not_read_any_longer_is_told_of_no_reply(ann: UserRef) -> None:
    bob, eve = user_ref("bob"), user_ref("eve")
    key = ChannelKey(services.channel_create(user=ann, name="Ours", kind="private").channel.key)
    code = services.invite_create(user=ann, key=key)["code"]
    for user in (bob, eve):
        services.invite_accept(user=user, code=code)
    (root,) = stored(post(ann, key))
    stored(post(bob, key, thread=root["id"]), post(eve, key, thread=root["id"]))
    services.membership_leave(user=bob, key=key)
    services.sanction_issue(user=ann, username="eve", kind="ban", channel=key)
    (result,) = store_batch([post(ann, key, thread=root["id"])])
    assert isinstance(result, Stored)
    assert result.followers == (ann.id,)


def test_a_reply_may_quote_as_well(ann: UserRef, tea: ChannelKey) -> None:
    root, other = stored(post(ann, tea), post(ann, tea))
    (reply,) = stored(post(ann, tea, thread=root["id"], reply_to=other["id"]))
    assert (reply["thread"], reply["reply_to"]) == (root["id"], other["id"])
    (inside,) = stored(post(ann, tea, thread=root["id"], reply_to=reply["id"]))
    assert (inside["thread"], inside["reply_to"]) == (root["id"], reply["id"])


def test_what_holds_for_posts_holds_for_replies(ann: UserRef, tea: ChannelKey) -> None:
    bob = user_ref("bob")
    (root,) = stored(post(ann, tea))

    def refused() -> str | None:
        (result,) = store_batch([post(bob, tea, thread=root["id"])])
        return result.code if isinstance(result, ReaktorError) else None

    services.channel_update(user=ann, key=tea, slow_mode_s=60)
    assert [refused(), refused()] == [None, "rate_limited"]
    services.channel_update(user=ann, key=tea, slow_mode_s=0, is_frozen=True)
    assert refused() == "forbidden"
    services.channel_update(user=ann, key=tea, is_frozen=False)
    assert refused() is None
    services.channel_archive(user=ann, key=tea)
    assert refused() == "archived"


def test_the_same_again_is_the_same_reply(ann: UserRef, tea: ChannelKey) -> None:
    (root,) = stored(post(ann, tea))
    reply = post(ann, tea, thread=root["id"])
    (first,) = stored(reply)
    again, at_once = store_batch([reply, reply])
    for result in (again, at_once):
        assert isinstance(result, Stored)
        assert result.is_duplicate
        assert result.message == first
    assert Thread.objects.get().replies == 1


def test_a_mention_in_a_thread_counts_until_the_thread_is_read(ann: UserRef, tea: ChannelKey) -> None:
    bob = user_ref("bob")
    services.membership_join(user=bob, key=tea)
    (root,) = stored(post(ann, tea))
    stored(post(ann, tea, "@bob", thread=root["id"]))
    services.read_mark(user=bob, key=tea, number=10)
    assert selectors.channel_access(user=bob, key=tea).mentions == 1
    told = services.thread_read(user=bob, key=tea, thread=root["id"], number=1)
    assert (told["mentions"], told["unread"], told["thread"]["unread"]) == (1, 0, 1)
    told = services.thread_read(user=bob, key=tea, thread=root["id"], number=2)
    assert (told["mentions"], told["thread"]) == (0, {"id": root["id"], "read_number": 2, "unread": 0})
    services.read_mark(user=bob, key=tea, number=0, is_back=True)
    assert selectors.channel_access(user=bob, key=tea).mentions == 0
