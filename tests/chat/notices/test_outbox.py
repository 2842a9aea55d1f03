"""The outbox: which posts leave a row, and whom that row makes a notice for; once, wherever a process died."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import services
from chat.domain.ids import ChannelKey, UserRef
from chat.models import Channel, ChannelMembership, Message, Notice, OutboxEntry
from chat.notices import outbox
from chat.notices.outbox import outbox_again, outbox_step, outbox_waits
from chat.notices.preferences import preferences_change
from chat.posting.batches import Post, Stored, store_batch
from chat.services import messages
from tests.chat.notices.conftest import Subscribe
from tests.support.databases import channel_of, user_ref
from tests.support.threads import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def post(author: UserRef, key: str, text: str = "hi", nonce: str | None = None, thread: str | None = None) -> str:
    (result,) = store_batch([Post(author, ChannelKey(key), text, nonce, thread=thread)])
    assert isinstance(result, Stored), result
    return result.message["id"]


def direct(one: UserRef, other: UserRef) -> ChannelKey:
    return ChannelKey(services.direct_open(user=one, username=other.username)[0].channel.key)


def make_all() -> list[tuple[str, str]]:
    """(user, reason) of every notice, once the outbox is empty."""
    while outbox_step():
        pass
    assert not OutboxEntry.objects.exists()
    return sorted(Notice.objects.values_list("user__username", "reason"))


# -- Which posts leave a row


def test_a_post_that_can_concern_nobody_leaves_no_row(ann: UserRef, bob: UserRef, tea: ChannelKey) -> None:
    services.membership_join(user=bob, key=tea)
    post(ann, tea)
    assert not OutboxEntry.objects.exists()


@pytest.mark.parametrize("how", ["direct", "private", "mention", "all"])
def test_a_post_that_can_concern_somebody_leaves_one(how: str, ann: UserRef, bob: UserRef, tea: ChannelKey) -> None:
    key, text = tea, "hi"
    if how == "direct":
        key = direct(ann, bob)
    elif how == "private":
        key = ChannelKey(services.channel_create(user=ann, name="Secret", kind="private").channel.key)
    elif how == "mention":
        text = "hi @bob"
    else:
        services.membership_join(user=bob, key=tea, level="all")
    pk = post(ann, key, text, "once")
    assert post(ann, key, text, "once") == pk
    assert [str(each.pk) for each in OutboxEntry.objects.all()] == [pk]


def test_a_post_that_is_refused_leaves_none(ann: UserRef, bob: UserRef) -> None:
    key = direct(ann, bob)
    services.user_block(user=bob, username="ann")
    (result,) = store_batch([Post(ann, key, "hi", "1")])
    assert not isinstance(result, Stored)
    assert not OutboxEntry.objects.exists()


def test_a_call_that_reaches_somebody_leaves_one(ann: UserRef, bob: UserRef, tea: ChannelKey) -> None:
    post(ann, tea, "@channel is empty")
    assert not OutboxEntry.objects.exists()
    services.membership_join(user=bob, key=tea)
    post(ann, tea, "@channel")
    assert OutboxEntry.objects.count() == 1


# -- Whom it makes notices for


def test_a_direct_message_is_for_the_other_one(ann: UserRef, bob: UserRef, subscribe: Subscribe) -> None:
    for each in (ann, bob):
        subscribe(each)
    post(ann, direct(ann, bob))
    assert make_all() == [("bob", "direct")]


def test_who_has_no_browser_that_is_told_gets_no_notice(ann: UserRef, bob: UserRef, subscribe: Subscribe) -> None:
    key = direct(ann, bob)
    post(ann, key)
    assert make_all() == []
    subscribe(bob)
    preferences_change(bob.id, {"push": False})  # type: ignore[arg-type]  # Django reads it
    post(ann, key)
    assert make_all() == []


def test_levels_decide_and_a_mention_is_one_notice(ann: UserRef, tea: ChannelKey, subscribe: Subscribe) -> None:
    people = {level: user_ref(f"p{level}") for level in ("all", "mentions", "nothing")}
    quiet, stranger = user_ref("quiet"), user_ref("stranger")
    for level, user in people.items():
        services.membership_join(user=user, key=tea, level=level)
        subscribe(user)
    services.membership_join(user=quiet, key=tea, level="nothing")
    for user in (quiet, stranger):
        subscribe(user)
    post(ann, tea, "hello")
    assert make_all() == [("pall", "all")]
    Notice.objects.all().delete()
    post(ann, tea, "@pall @pmentions @pnothing @stranger look")
    assert make_all() == [("pall", "mention"), ("pmentions", "mention"), ("stranger", "mention")]


def test_who_follows_a_thread_is_told_as_of_a_mention(ann: UserRef, tea: ChannelKey, subscribe: Subscribe) -> None:
    people = {level: user_ref(f"p{level}") for level in ("all", "mentions", "nothing")}
    stranger, gone, silent = user_ref("stranger"), user_ref("gone"), user_ref("silent")
    for level, user in people.items():
        services.membership_join(user=user, key=tea, level=level)
    root = post(ann, tea)
    for user in (*people.values(), stranger, gone):
        services.thread_follow(user=user, key=tea, thread=root)
    services.thread_unfollow(user=gone, key=tea, thread=root)
    for user in (ann, *people.values(), stranger, gone, silent):
        subscribe(user)
    OutboxEntry.objects.all().delete()
    post(silent, tea, thread=root)
    told = [("ann", "mention"), ("pall", "mention"), ("pmentions", "mention"), ("stranger", "mention")]
    assert make_all() == told
    Notice.objects.all().delete()
    post(ann, tea, "@silent", thread=root)
    assert make_all() == [*told[1:3], ("silent", "mention"), told[3]]


def test_a_private_channel_tells_all_unless_they_chose_less(ann: UserRef, bob: UserRef, subscribe: Subscribe) -> None:
    key = ChannelKey(services.channel_create(user=ann, name="Secret", kind="private").channel.key)
    services.invite_accept(user=bob, code=services.invite_create(user=ann, key=key)["code"])
    subscribe(bob)
    post(ann, key)
    assert make_all() == [("bob", "all")]
    services.level_set(user=bob, key=key, level="mentions")
    post(ann, key)
    assert len(make_all()) == 1


def test_a_message_that_is_deleted_meanwhile_makes_none(ann: UserRef, bob: UserRef, subscribe: Subscribe) -> None:
    subscribe(bob)
    key = direct(ann, bob)
    messages.message_delete(user=ann, key=key, message_id=post(ann, key))
    Message.objects.filter(pk=post(ann, key)).delete()
    assert make_all() == []


# -- Once, whatever happens


def crowd(ann: UserRef, key: ChannelKey, subscribe: Subscribe, count: int) -> None:
    channel = Channel.objects.get(key=key)
    for number in range(count):
        user = user_ref(f"user{number}")
        ChannelMembership.objects.create(channel=channel, user_id=user.id, level="all")
        subscribe(user, name=f"crowd{number}")


def test_many_members_are_told_in_steps_of_which_each_may_be_the_last(
    ann: UserRef, tea: ChannelKey, subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MEMBERS", 3)
    crowd(ann, tea, subscribe, 8)
    post(ann, tea)
    told = []
    while outbox_step():
        told.append(Notice.objects.count())
    assert told == [3, 6, 8]
    assert Notice.objects.values("user").distinct().count() == 8


def test_a_step_that_breaks_off_leaves_nothing_and_is_taken_again(
    ann: UserRef, tea: ChannelKey, subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a worker that is killed: its transaction is not committed."""
    crowd(ann, tea, subscribe, 3)
    post(ann, tea)
    store = outbox._store

    def dies(*args: Any) -> None:
        store(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(outbox, "_store", dies)
    with pytest.raises(KeyboardInterrupt):
        outbox_step()
    assert (Notice.objects.count(), OutboxEntry.objects.count()) == (0, 1)
    monkeypatch.setattr(outbox, "_store", store)
    assert len(make_all()) == 3


def test_processes_at_once_make_one_notice_for_each(
    ann: UserRef, tea: ChannelKey, subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MEMBERS", 2)
    crowd(ann, tea, subscribe, 5)
    for _ in range(4):
        post(ann, tea)

    def work() -> None:
        while outbox_step():
            pass

    at_once(*[work] * 4)
    assert make_all() == sorted((f"user{number}", "all") for number in range(5) for _ in range(4))


def test_a_row_that_goes_wrong_waits_ever_longer_and_is_given_up(
    ann: UserRef, bob: UserRef, subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(bob)
    key = direct(ann, bob)
    post(ann, key)

    def fails(*args: Any) -> None:
        raise ValueError("the text of a message")

    monkeypatch.setattr(outbox, "_expand", fails)
    waits = []
    for _ in range(20):
        if not OutboxEntry.objects.filter(failed_at=None).exists():
            break
        began = timezone.now()
        assert outbox_step()
        due = OutboxEntry.objects.get().due_at
        if due is not None:
            waits.append(due - began)
            assert not outbox_waits(began)
            OutboxEntry.objects.update(due_at=began - timedelta(seconds=1))
    assert waits == sorted(waits)
    entry = OutboxEntry.objects.get()
    assert (entry.failed_at is not None, entry.problem, entry.tries) == (True, "ValueError", 8)
    assert not outbox_step()
    monkeypatch.undo()
    assert outbox_again([entry.pk]) == 1
    assert make_all() == [("bob", "direct")]


def test_one_row_that_goes_wrong_keeps_no_other_back(
    ann: UserRef, bob: UserRef, subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(bob)
    key = direct(ann, bob)
    bad, good = post(ann, key), post(ann, key)
    expand = outbox._expand

    def fails(entries: list[OutboxEntry]) -> None:
        if any(str(entry.pk) == bad for entry in entries):
            raise ValueError
        expand(entries)

    monkeypatch.setattr(outbox, "_expand", fails)
    while outbox_step():
        pass
    assert [str(each.message_id) for each in Notice.objects.all()] == [good]


def test_many_messages_of_one_channel_cost_few_queries(ann: UserRef, bob: UserRef, subscribe: Subscribe) -> None:
    """A busy channel of which nobody is away may not keep the others waiting."""
    subscribe(bob)
    key = direct(ann, bob)
    counts = []
    for posts in (1, 60):
        store_batch([Post(ann, key, "hi", f"{posts}-{number}") for number in range(posts)])
        with CaptureQueriesContext(connection) as queries:
            assert outbox_step()
        assert not OutboxEntry.objects.exists()
        counts.append(len(queries))
    assert Notice.objects.count() == 61
    assert counts[0] == counts[1]


def test_a_step_makes_no_more_than_so_many_notices(
    ann: UserRef, tea: ChannelKey, subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "NOTICES", 4)
    crowd(ann, tea, subscribe, 3)
    for _ in range(4):
        post(ann, tea)
    made = []
    while outbox_step():
        made.append(Notice.objects.count())
    assert made == [6, 12]


def test_who_is_named_has_one_notice_though_the_first_is_over_when_their_page_comes(
    ann: UserRef, tea: ChannelKey, subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MEMBERS", 2)
    monkeypatch.setattr(outbox, "NOTICES", 1)
    crowd(ann, tea, subscribe, 6)
    for _ in range(2):
        post(ann, tea, "@user5 look")
    told: list[tuple[str, str]] = []
    while outbox_step():
        told += Notice.objects.values_list("message_id", "user__username")
        Notice.objects.all().delete()  # as if it were sent already
    assert len(told) == len(set(told)) == 12


def test_posts_ask_for_no_more_queries_whoever_follows(ann: UserRef, tea: ChannelKey) -> None:
    """The outbox of a whole commit is one statement."""
    channel_of(ann, "coffee")
    services.membership_join(user=user_ref("carl"), key=tea, level="all")
    store_batch([Post(ann, tea, "hi", str(number)) for number in range(50)])
    assert OutboxEntry.objects.count() == 50


# -- Calls


def test_a_call_tells_all_members_but_who_is_told_nothing_or_blocks_its_author(
    ann: UserRef, bob: UserRef, tea: ChannelKey, subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MEMBERS", 2)
    eve, kim, joe = user_ref("eve"), user_ref("kim"), user_ref("joe")
    for user, level in ((bob, "mentions"), (eve, "nothing"), (kim, "all"), (joe, None)):
        services.membership_join(user=user, key=tea, level=level)
    for user in (ann, bob, eve, kim, joe):
        subscribe(user)
    post(ann, tea, "@channel look, @joe")
    assert make_all() == [("bob", "mention"), ("joe", "mention"), ("kim", "mention")]


def test_who_was_not_present_is_told_of_here_as_of_any_other_message(
    ann: UserRef, bob: UserRef, tea: ChannelKey, subscribe: Subscribe
) -> None:
    eve, kim = user_ref("eve"), user_ref("kim")
    for user, level in ((bob, "mentions"), (eve, "mentions"), (kim, "all")):
        services.membership_join(user=user, key=tea, level=level)
        subscribe(user)
    (stored,) = store_batch([Post(ann, tea, "@here?", None, present=frozenset([bob.id, ann.id]))])
    assert isinstance(stored, Stored)
    assert make_all() == [("bob", "mention"), ("kim", "all")]
