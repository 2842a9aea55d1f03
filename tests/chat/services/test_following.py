"""Following as it is stored: levels, who is told of what they belong to, and what a process reads of it."""

from __future__ import annotations

from typing import Any

import pytest

from chat import publish, selectors, services
from chat.domain.events import Event, EventType
from chat.domain.following import Follow
from chat.domain.ids import ChannelKey, UserId, UserRef
from chat.posting.batches import Post, Stored, store_batch
from reaktor.errors import ReaktorError
from tests.support.databases import channel_of, user_ref

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[UserId, EventType, Any]]:
    """Whom services told what, of what belongs to them."""
    found: list[tuple[UserId, EventType, Any]] = []

    def to_user(user_id: UserId, event: Event, **options: Any) -> None:
        if event.type is not EventType.SANCTION:
            found.append((user_id, event.type, event.data))

    monkeypatch.setattr(publish, "to_user", to_user)
    return found


def follows(user: UserRef) -> list[Follow]:
    return selectors.follows_of([user.id])[user.id]


def test_each_kind_of_channel_has_its_level_until_one_is_chosen(ann: UserRef, bob: UserRef) -> None:
    tea = channel_of(ann, "tea")
    secret = services.channel_create(user=ann, name="Secret", kind="private").channel.key
    direct = services.direct_open(user=ann, username=bob.username)[0].channel.key
    levels = {key: selectors.channel_access(user=ann, key=key).level for key in (tea, secret, direct)}
    assert levels == {tea: "mentions", secret: "all", direct: "all"}
    assert set(follows(ann)) == {Follow(tea, 0, False), Follow(secret, 0, True), Follow(direct, 0, True)}
    for key in (tea, secret, direct):
        services.level_set(user=ann, key=key, level="mentions")
    # In a direct channel all is meant for them.
    assert {follow.channel for follow in follows(ann) if follow.shows_last} == {direct}
    services.level_set(user=ann, key=tea, level="all")
    services.level_set(user=ann, key=direct, level="nothing")
    assert set(follows(ann)) == {Follow(tea, 0, True), Follow(secret, 0, False)}
    assert selectors.channel_access(user=bob, key=tea).level is None


def test_a_level_is_chosen_by_members_and_kept_by_who_joins_again(ann: UserRef, bob: UserRef, told: list[Any]) -> None:
    tea = channel_of(ann, "tea")
    with pytest.raises(ReaktorError, match="Follow the channel first"):
        services.level_set(user=bob, key=tea, level="all")
    services.membership_join(user=bob, key=tea, level="all")
    services.membership_join(user=bob, key=tea)
    services.membership_join(user=bob, key=tea, level="all")
    assert selectors.channel_access(user=bob, key=tea).level == "all"
    assert [(user_id, kind) for user_id, kind, _ in told] == [(bob.id, EventType.CHANNEL_ADDED)]
    assert told[0][2]["level"] == "all"
    services.membership_join(user=bob, key=tea, level="nothing")
    assert told[1:] == [(bob.id, EventType.LEVEL_CHANGED, {"level": "nothing"})]


def test_whoever_is_let_in_or_loses_a_channel_is_told(
    ann: UserRef, bob: UserRef, staff: UserRef, told: list[Any]
) -> None:
    def kinds() -> list[tuple[str, str]]:
        found = [(user_id, kind.value) for user_id, kind, _ in told]
        told.clear()
        return found

    tea = channel_of(ann, "tea")
    secret = services.channel_create(user=ann, name="Secret", kind="private").channel.key
    assert kinds() == [(ann.id, "channel.added")], "her other sessions do not know of it yet"
    services.invite_accept(user=bob, code=services.invite_create(user=ann, key=secret)["code"])
    assert kinds() == [(bob.id, "channel.added")]
    services.sanction_issue(user=ann, kind="kick", username=bob.username, channel=secret)
    assert kinds() == [(bob.id, "channel.removed")]
    services.role_set(user=ann, key=tea, username=bob.username, role="moderator")
    assert kinds() == [(bob.id, "channel.added")]
    services.role_set(user=ann, key=tea, username=bob.username, role="member")
    assert kinds() == [(bob.id, "channel.updated")], "only the role is another one"
    services.sanction_issue(user=ann, kind="ban", username=bob.username, channel=tea)
    services.sanction_issue(user=staff, kind="mute", username=bob.username, channel=tea)
    assert (kinds(), follows(bob)) == ([(bob.id, "channel.removed")], [])
    services.sanction_lift_all(user=ann, username=bob.username, channel=tea)
    assert kinds() == [(bob.id, "channel.added")]
    assert [follow.channel for follow in follows(bob)] == [tea]
    services.membership_leave(user=bob, key=tea)
    services.membership_leave(user=bob, key=tea)
    assert kinds() == [(bob.id, "channel.removed")]
    services.direct_open(user=ann, username=bob.username)
    services.direct_open(user=ann, username=bob.username)
    assert kinds() == [(ann.id, "channel.added"), (bob.id, "channel.added")]


def test_how_far_channels_have_come_is_read_with_what_was_said_last(ann: UserRef) -> None:
    tea, coffee, empty = (channel_of(ann, key) for key in ("tea", "coffee", "empty"))
    for key in (tea, tea, coffee):
        store_batch([Post(ann, key, f"{key} " * 60, None)])
    last = selectors.messages_page(selectors.channel_access(user=ann, key=coffee).channel.id).messages[-1]
    services.message_delete(user=ann, key=coffee, message_id=last["id"])
    keys = [tea, coffee, empty, ChannelKey("nowhere")]
    assert selectors.channel_numbers(keys) == {tea: 2, coffee: 1, empty: 0}
    found = {each.channel: each for each in selectors.activities_of(keys)}
    assert set(found) == {tea, coffee}, "where nothing was said there is nothing to tell"
    assert found[tea].head == {"number": 2, "seq": 2, "flow": 2}
    assert (found[tea].last["author"], found[tea].last["text"]) == (ann.username, ("tea " * 60)[:200])
    assert (found[coffee].head["seq"], found[coffee].last["text"]) == (2, None)


def test_who_belongs_to_a_channel_is_listed_in_pages(ann: UserRef, bob: UserRef) -> None:
    tea = channel_of(ann, "tea")
    members = [user_ref(f"guest{number}") for number in range(5)]
    for user in (bob, *members):
        services.membership_join(user=user, key=tea)
    services.role_set(user=ann, key=tea, username=bob.username, role="moderator")
    channel_id = selectors.channel_access(user=ann, key=tea).channel.id
    names, cursor = [], None
    while True:
        page = selectors.memberships_list(channel_id, cursor=cursor, limit=3)
        names += [(each["username"], each["role"]) for each in page["results"]]
        if (cursor := page["next"]) is None:
            break
    expected = [("ann", "owner"), ("bob", "moderator"), *((f"guest{number}", "member") for number in (4, 3, 2, 1, 0))]
    assert names == expected


def test_what_is_said_where_nobody_belongs_is_told_to_nobody(ann: UserRef, bob: UserRef) -> None:
    """A bus message for each post would have cost a lone one a tenth more."""
    services.channel_ensure(user=ann, key="lone")
    lone, tea = ChannelKey("lone"), channel_of(ann, "tea")
    stored = store_batch([Post(bob, lone, "hi", None), Post(bob, tea, "hi", None)])
    assert [isinstance(each, Stored) and each.is_followed for each in stored] == [False, True]
    services.membership_join(user=bob, key=lone)
    [again] = store_batch([Post(ann, lone, "hi", None)])
    assert isinstance(again, Stored)
    assert again.is_followed
