"""What is known of a notice when it is due: as it is then, not as it was when the message was posted."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import services as accounts
from accounts.models import User
from chat import services
from chat.domain import notices as rules
from chat.domain.following import Level
from chat.domain.ids import ChannelKey, UserRef
from chat.models import Channel, Message, Notice, PushSubscription
from chat.notices.due import CLAIM_S, Due, Ended, notices_again, page_of, push_waits, pushes_claim, pushes_settle
from chat.notices.preferences import preferences_change
from chat.services import messages
from tests.chat.notices.conftest import Subscribe
from tests.chat.notices.test_outbox import direct, make_all, post
from tests.support.databases import user_ref
from tests.support.threads import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def now() -> datetime:
    return datetime.now(UTC)


def due_one() -> Due:
    make_all()
    (found,) = pushes_claim(now(), 10)
    return found


@pytest.fixture
def friends(ann: UserRef, bob: UserRef) -> ChannelKey:
    """ann's and bob's channel, in which both have said something."""
    key = direct(ann, bob)
    post(bob, key)
    post(ann, key)
    services.read_mark(user=bob, key=key, number=2)
    make_all()
    Notice.objects.all().delete()
    return key


def test_what_a_person_is_shown(ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe) -> None:
    browser = subscribe(bob)
    User.objects.filter(pk=ann.id).update(display_name="Ann Lee")
    pk = post(ann, friends, "x" * 300)
    due = due_one()
    assert due.told == (uuid.UUID(pk), friends, "", 3, "Ann Lee", "x" * 200, None)
    assert [each.endpoint for each in due.subscriptions] == [browser.endpoint]
    assert (due.facts.level, due.facts.reason) == (Level.ALL, rules.Reason.DIRECT)
    assert rules.push(due.facts, now()).sends


def read(ann: UserRef, bob: UserRef, key: ChannelKey, pk: str) -> None:
    services.read_mark(user=bob, key=key, number=3)


def delete(ann: UserRef, bob: UserRef, key: ChannelKey, pk: str) -> None:
    messages.message_delete(user=ann, key=key, message_id=pk)


def block(ann: UserRef, bob: UserRef, key: ChannelKey, pk: str) -> None:
    services.user_block(user=bob, username="ann")


def be_quiet(ann: UserRef, bob: UserRef, key: ChannelKey, pk: str) -> None:
    services.level_set(user=bob, key=key, level="nothing")


def want_none(ann: UserRef, bob: UserRef, key: ChannelKey, pk: str) -> None:
    preferences_change(uuid.UUID(bob.id), {"push": False})


def switch_off(ann: UserRef, bob: UserRef, key: ChannelKey, pk: str) -> None:
    User.objects.filter(pk=bob.id).update(is_active=False)


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        (read, "read"),
        (delete, "deleted"),
        (block, "blocked"),
        (be_quiet, "level nothing"),
        (want_none, "not wanted"),
        (switch_off, "may not read it"),
    ],
)
def test_what_happened_meanwhile_drops_it(
    deed: Callable[..., None], why: str, ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe
) -> None:
    subscribe(bob)
    pk = post(ann, friends)
    make_all()
    deed(ann, bob, friends, pk)
    assert rules.push(due_one().facts, now()).dropped == why


def test_what_a_thread_alone_shows_is_read_there(
    ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe
) -> None:
    root = post(ann, friends)
    make_all()
    subscribe(bob)
    post(ann, friends, thread=root)
    make_all()
    assert page_of(due_one().told) == f"#/c/{friends}/t/{root}"
    Notice.objects.update(push_at=now())
    services.read_mark(user=bob, key=friends, number=9)
    assert rules.push(due_one().facts, now()).dropped == ""
    Notice.objects.update(push_at=now())
    services.thread_read(user=bob, key=friends, thread=root, number=9)
    assert rules.push(due_one().facts, now()).dropped == "read"


def test_who_left_or_is_banned_is_told_nothing_more(ann: UserRef, bob: UserRef, subscribe: Subscribe) -> None:
    secret = ChannelKey(services.channel_create(user=ann, name="Secret", kind="private").channel.key)
    services.invite_accept(user=bob, code=services.invite_create(user=ann, key=secret)["code"])
    tea = ChannelKey(services.channel_create(user=ann, name="Tea", kind="public").channel.key)
    subscribe(bob)
    post(ann, secret)
    post(ann, tea, "hi @bob")
    make_all()
    services.membership_leave(user=bob, key=secret)
    services.sanction_issue(user=ann, kind="ban", username="bob", channel=tea)
    found = pushes_claim(now(), 10)
    assert [rules.push(due.facts, now()).dropped for due in found] == ["may not read it"] * 2


def test_a_strangers_first_message_makes_no_push_until_it_is_answered(
    ann: UserRef, bob: UserRef, subscribe: Subscribe
) -> None:
    subscribe(bob)
    key = direct(ann, bob)
    post(ann, key)
    due = due_one()
    assert rules.push(due.facts, now()).dropped == "from a stranger"
    pushes_settle([Ended(due.id)], now())
    post(bob, key)
    post(ann, key)
    assert rules.push(due_one().facts, now()).sends


def test_who_has_a_channel_in_common_is_no_stranger(ann: UserRef, bob: UserRef, subscribe: Subscribe) -> None:
    """One to which everybody belongs is not meant."""
    subscribe(bob)
    tea = ChannelKey(services.channel_create(user=ann, name="Tea", kind="public").channel.key)
    services.membership_join(user=bob, key=tea)
    Channel.objects.filter(key=tea).update(is_default=True)
    post(ann, direct(ann, bob))
    due = due_one()
    assert due.facts.is_stranger
    Channel.objects.filter(key=tea).update(is_default=False)
    Notice.objects.update(push_at=now())
    assert not due_one().facts.is_stranger


@pytest.mark.parametrize("how", ["password", "ended", "everywhere", "ban"])
def test_a_subscription_ends_with_its_log_in(
    how: str, ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe
) -> None:
    user, login = User.objects.get(pk=bob.id), uuid.uuid4()
    subscribe(bob, login=login)
    post(ann, friends)
    make_all()
    if how == "ended":
        accounts.login_end(user, login=login)
    elif how == "everywhere":
        accounts.tokens_revoke_all(user)
    elif how == "ban":
        accounts.user_ban(user, until=None)
    else:
        accounts.password_set(user, "correct horse battery")
    assert due_one().subscriptions == []
    assert not PushSubscription.objects.exists()


def test_a_log_out_on_one_device_ends_that_one_alone(
    ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe
) -> None:
    user = User.objects.get(pk=bob.id)
    issued = accounts.tokens_issue(user)
    from accounts import tokens

    login = tokens.payload(issued["refresh"], tokens.REFRESH_ONLY)["login"]
    subscribe(bob, login=login)
    other = subscribe(bob)
    post(ann, friends)
    accounts.tokens_revoke(issued["refresh"])
    assert [each.endpoint for each in due_one().subscriptions] == [other.endpoint]


# -- Taken by one process for a while


def test_what_is_taken_is_nobody_elses_until_its_time_is_up(
    ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe
) -> None:
    subscribe(bob)
    post(ann, friends)
    make_all()
    at = now()
    assert len(pushes_claim(at, 10)) == 1
    assert pushes_claim(at, 10) == []
    assert not push_waits(at)
    assert len(pushes_claim(at + timedelta(seconds=CLAIM_S + 1), 10)) == 1, "whoever had it has died"


def test_two_processes_take_each_notice_once(
    ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe
) -> None:
    subscribe(bob)
    for _ in range(20):
        post(ann, friends)
    make_all()
    taken: list[int] = []

    def take() -> None:
        for _ in range(4):
            taken.extend(due.id for due in pushes_claim(now(), 5))

    at_once(*[take] * 2)
    assert sorted(taken) == sorted(Notice.objects.values_list("pk", flat=True))


def test_many_are_known_by_as_few_queries_as_one(
    ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe
) -> None:
    subscribe(bob)
    counts = []
    for posts in (1, 20):
        for _ in range(posts):
            post(ann, friends)
        make_all()
        with CaptureQueriesContext(connection) as queries:
            assert len(pushes_claim(now(), 50)) == posts
        counts.append(len(queries))
    assert counts[0] == counts[1]


# -- How they end


def test_what_is_over_goes_and_what_failed_is_kept_for_the_operator(
    ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe
) -> None:
    subscribe(bob)
    for _ in range(3):
        post(ann, friends)
    make_all()
    sent, later, failed = (due.id for due in pushes_claim(now(), 10))
    at = now() + timedelta(minutes=1)
    pushes_settle([Ended(sent), Ended(later, at, [7], 1), Ended(failed, problem="answered 400", tries=8)], now())
    rows = {row.pk: row for row in Notice.objects.all()}
    assert set(rows) == {later, failed}
    assert (rows[later].push_at, rows[later].pushes, rows[later].tries) == (at, [7], 1)
    assert (rows[failed].push_at, rows[failed].problem) == (None, "answered 400")
    assert notices_again([failed, later], now()) == 1
    assert [due.id for due in pushes_claim(now(), 10)] == [failed]


def test_when_quiet_hours_end_each_channel_has_one_message_to_tell(
    ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe
) -> None:
    subscribe(bob)
    tea = ChannelKey(services.channel_create(user=ann, name="Tea", kind="public").channel.key)
    post(ann, tea, "@bob")
    for _ in range(3):
        last = post(ann, friends)
    make_all()
    at = now() + timedelta(hours=8)
    found = pushes_claim(now(), 10)
    pushes_settle([Ended(due.id, at, is_quiet=True) for due in reversed(found)], now())
    left = Notice.objects.order_by("id").values_list("channel__key", "message_id")
    assert [(key, key == tea or str(pk) == last) for key, pk in left] == [(tea, True), (friends, True)]


def test_a_message_that_goes_takes_its_notices_along(
    ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe
) -> None:
    subscribe(bob)
    pk = post(ann, friends)
    make_all()
    Message.objects.filter(pk=pk).delete()
    assert not Notice.objects.exists()


def test_the_author_of_a_mention_need_not_be_known_to_who_is_named(
    ann: UserRef, tea: ChannelKey, subscribe: Subscribe
) -> None:
    """Nobody's membership is asked for in a channel that all may read."""
    carl = user_ref("carl")
    subscribe(carl)
    post(ann, tea, "@carl")
    due = due_one()
    assert (due.told.channel_name, rules.push(due.facts, now()).sends) == ("tea", True)
