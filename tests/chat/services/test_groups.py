"""Direct channels and groups as they are stored: who opens them with whom, how they are called, left and hidden."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import DirectFrom, User
from chat import publish, selectors, services
from chat.domain.events import Event, EventType
from chat.domain.ids import ChannelKey, UserId, UserRef
from chat.domain.policies import DIRECT_KINDS
from chat.models import Channel, ChannelMembership
from chat.posting.batches import Post, Stored, store_batch
from chat.services import direct
from reaktor.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, RateLimitedError
from tests.support.databases import user_ref
from tests.support.threads import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def eve() -> UserRef:
    return user_ref("eve")


@pytest.fixture
def group(ann: UserRef, bob: UserRef, eve: UserRef) -> ChannelKey:
    return services.group_open(user=ann, usernames=["bob", "eve"])[0].channel.key


def seen(user: UserRef, key: ChannelKey) -> Any:
    return selectors.channel_data(selectors.channel_access(user=user, key=key), online=0)


def test_each_member_sees_the_names_of_the_others_until_one_gives_it_a_name(
    group: ChannelKey, ann: UserRef, bob: UserRef, eve: UserRef
) -> None:
    assert group.startswith("dm-")
    assert [seen(user, group)["name"] for user in (ann, bob, eve)] == ["bob, eve", "ann, eve", "ann, bob"]
    data = seen(bob, group)
    assert (data["kind"], data["role"], data["level"]) == ("group", "member", "all")
    services.channel_update(user=eve, key=group, name="Picnic")
    assert {seen(user, group)["name"] for user in (ann, bob, eve)} == {"Picnic"}
    with pytest.raises(ForbiddenError):
        services.channel_update(user=eve, key=group, topic="When")
    with pytest.raises(ForbiddenError):
        services.channel_archive(user=eve, key=group)


def test_the_same_people_have_one_group_whoever_opens_it_and_others_another_one(
    group: ChannelKey, ann: UserRef, bob: UserRef, eve: UserRef
) -> None:
    found, is_new = services.group_open(user=eve, usernames=["ann", "BOB", "ann"])
    assert (found.channel.key, is_new) == (group, False)
    user_ref("kim")
    assert services.group_open(user=eve, usernames=["ann", "bob", "kim"])[1]
    assert services.group_find(user=bob, usernames=["kim", "eve"]) is None
    one = services.group_open(user=ann, usernames=["bob"])[0].channel
    assert (one.kind, one.name) == ("direct", "bob"), "with one it is a direct channel"


def test_who_open_it_at_once_get_the_same_one(ann: UserRef, bob: UserRef, eve: UserRef) -> None:
    people = [(ann, ["bob", "eve"]), (bob, ["eve", "ann"]), (eve, ["ann", "bob"])] * 2
    found = at_once(
        *[lambda user=user, names=names: services.group_open(user=user, usernames=names) for user, names in people]
    )
    assert len({channel.channel.key for channel, _ in found}) == 1
    assert sum(is_new for _, is_new in found) == 1


def test_a_group_has_three_to_eight_people_who_want_to_hear_each_other(
    ann: UserRef, bob: UserRef, eve: UserRef
) -> None:
    for number in range(8):
        user_ref(f"guest{number}")
    with pytest.raises(InvalidError):
        services.group_open(user=ann, usernames=[f"guest{number}" for number in range(8)])
    assert services.group_open(user=ann, usernames=[f"guest{number}" for number in range(7)])[1]
    with pytest.raises(NotFoundError):
        services.group_open(user=ann, usernames=["bob", "nobody"])
    with pytest.raises(InvalidError):
        services.group_open(user=ann, usernames=["bob", "ann"])
    # Not only of who opens it: these two would have to read each other.
    services.user_block(user=eve, username="bob")
    with pytest.raises(ForbiddenError):
        services.group_open(user=ann, usernames=["bob", "eve"])


def test_anybody_leaves_a_group_and_is_out_at_once(group: ChannelKey, ann: UserRef, bob: UserRef, eve: UserRef) -> None:
    services.membership_leave(user=bob, key=group)
    with pytest.raises(NotFoundError):
        selectors.channel_access(user=bob, key=group)
    assert not isinstance(store_batch([Post(bob, group, "still here", None)])[0], Stored)
    assert seen(ann, group)["name"] == "eve"
    # Nobody is added later: the three get another group.
    found, is_new = services.group_open(user=ann, usernames=["bob", "eve"])
    assert is_new
    assert found.channel.key != group
    services.membership_leave(user=ann, key=group)
    services.membership_leave(user=eve, key=group)
    assert Channel.objects.get(key=group).archived_at is not None


def test_a_direct_channel_stays_and_is_hidden_until_something_is_said(ann: UserRef, bob: UserRef) -> None:
    key = services.direct_open(user=ann, username="bob")[0].channel.key
    with pytest.raises(ConflictError):
        services.membership_leave(user=ann, key=key)
    store_batch([Post(bob, key, "hi", None)])
    for _ in range(2):
        assert services.channel_hide(user=ann, key=key).is_hidden
    assert (seen(ann, key)["is_hidden"], seen(bob, key)["is_hidden"]) == (True, False)
    store_batch([Post(bob, key, "are you there?", None)])
    assert not seen(ann, key)["is_hidden"]
    services.channel_hide(user=ann, key=key)
    services.channel_show(user=ann, key=key)
    assert not seen(ann, key)["is_hidden"]
    tea = services.channel_create(user=ann, name="Tea").channel.key
    with pytest.raises(InvalidError):
        services.channel_hide(user=ann, key=tea)


def test_all_are_told_of_a_group_and_of_its_name(
    ann: UserRef, bob: UserRef, eve: UserRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[UserId, EventType, str]] = []

    def to_user(user_id: UserId, event: Event, **options: Any) -> None:
        told.append((user_id, event.type, event.data["name"]))

    monkeypatch.setattr(publish, "to_user", to_user)
    key = services.group_open(user=ann, usernames=["eve", "bob"])[0].channel.key
    services.group_open(user=bob, usernames=["eve", "ann"])
    names = {ann.id: "bob, eve", bob.id: "ann, eve", eve.id: "ann, bob"}
    assert {user_id: name for user_id, _, name in told} == names
    assert [kind for _, kind, _ in told] == [EventType.CHANNEL_ADDED] * 3
    told.clear()
    services.channel_update(user=bob, key=key, name="Picnic")
    assert sorted(told) == sorted((user.id, EventType.CHANNEL_UPDATED, "Picnic") for user in (ann, bob, eve))


def test_those_who_stay_are_told_how_their_group_is_called_now(
    group: ChannelKey, ann: UserRef, bob: UserRef, eve: UserRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[UserId, EventType, str | None]] = []

    def to_user(user_id: UserId, event: Event, **options: Any) -> None:
        told.append((user_id, event.type, event.data.get("name")))

    monkeypatch.setattr(publish, "to_user", to_user)
    services.membership_leave(user=bob, key=group)
    assert told[0] == (bob.id, EventType.CHANNEL_REMOVED, None)
    stayed = [(ann.id, EventType.CHANNEL_UPDATED, "eve"), (eve.id, EventType.CHANNEL_UPDATED, "ann")]
    assert sorted(told[1:]) == sorted(stayed)


def test_a_young_account_begins_few_conversations_a_day(ann: UserRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "MAX_BEGUN", 2)
    for name in ("one", "two", "three"):
        user_ref(name)
    services.direct_open(user=ann, username="one")
    services.group_open(user=ann, usernames=["one", "two"])
    with pytest.raises(RateLimitedError):
        services.direct_open(user=ann, username="three")
    assert not services.direct_open(user=ann, username="one")[1], "that there is one already begins nothing"
    User.objects.filter(pk=ann.id).update(created_at=datetime.now(UTC) - timedelta(days=8))
    assert services.direct_open(user=ann, username="three")[1]


@pytest.mark.parametrize(
    ("direct_from", "shares", "is_heard"),
    [
        (DirectFrom.EVERYBODY, False, True),
        (DirectFrom.SHARED, False, False),
        (DirectFrom.SHARED, True, True),
        (DirectFrom.NOBODY, True, False),
    ],
)
def test_people_choose_whose_first_message_reaches_them(
    ann: UserRef, bob: UserRef, eve: UserRef, tea: ChannelKey, direct_from: DirectFrom, shares: bool, is_heard: bool
) -> None:
    User.objects.filter(pk=bob.id).update(direct_from=direct_from)
    Channel.objects.create(key="general", name="General", kind="public", is_default=True)
    for user in (ann, bob):
        services.membership_join(user=user, key="general")
    if shares:
        services.membership_join(user=bob, key=tea)
    if is_heard:
        assert services.direct_open(user=ann, username="bob")[1]
        return
    with pytest.raises(ForbiddenError, match="bob"):
        services.direct_open(user=ann, username="bob")
    with pytest.raises(ForbiddenError, match="reaches: bob"):
        services.group_open(user=ann, usernames=["bob", "eve"])
    assert not Channel.objects.filter(kind__in=DIRECT_KINDS).exists()
    assert services.direct_open(user=bob, username="ann")[1], "they begin one themselves"
    assert not services.direct_open(user=ann, username="bob")[1], "and then there is one"


def test_staff_reach_everybody(bob: UserRef, staff: UserRef) -> None:
    User.objects.filter(pk=bob.id).update(direct_from=DirectFrom.NOBODY)
    assert services.direct_open(user=staff, username="bob")[1]


def test_what_is_listed_of_one_s_own_has_groups_by_their_members(group: ChannelKey, ann: UserRef) -> None:
    page = selectors.my_channels(user=ann, online=lambda key: 0, kind="group")
    assert [each["name"] for each in page["results"]] == ["bob, eve"]
    assert ChannelMembership.objects.filter(channel__key=group).count() == 3
