"""What is read in a group by somebody who blocks one of the others, and who is told that they do."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat import publish, selectors, services
from chat.domain.hiding import NOBODY
from chat.domain.ids import ChannelKey, UserId, UserRef
from chat.posting.batches import Post, Stored, store_batch
from reaktor.process.orders import HIDING_CHANGED, ORDERS_GROUP
from tests.support.databases import user_ref

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def eve() -> UserRef:
    return user_ref("eve")


@pytest.fixture
def group(ann: UserRef, bob: UserRef, eve: UserRef) -> ChannelKey:
    return services.group_open(user=ann, usernames=["bob", "eve"])[0].channel.key


def post(author: UserRef, key: ChannelKey, text: str = "hi") -> Stored:
    (stored,) = store_batch([Post(author, key, text, uuid.uuid4().hex)])
    assert isinstance(stored, Stored), stored
    return stored


def mine(user: UserRef) -> dict[str, Any]:
    found = selectors.my_channels(user=user, online=lambda key: 0)
    return {each["key"]: each for each in found["results"]}


def test_who_is_hidden_in_which_channel(group: ChannelKey, ann: UserRef, bob: UserRef, eve: UserRef) -> None:
    pair = services.direct_open(user=ann, username="eve")[0].channel.key
    tea = services.channel_create(user=ann, name="Tea", kind="private").channel.key
    services.user_block(user=ann, username="EVE")
    hidden = {"eve"}
    assert selectors.hidden_names(ann.id, group) == hidden
    for reader, key in ((bob, group), (eve, group), (ann, pair), (ann, tea), (ann, ChannelKey("dm-none"))):
        assert selectors.hidden_names(reader.id, key) == NOBODY, (reader.username, key)
    found = selectors.hidings_of([ann.id, bob.id, eve.id])
    assert found == {ann.id: {group: hidden}, bob.id: {}, eve.id: {}}
    services.user_unblock(user=ann, username="eve")
    assert selectors.hidden_names(ann.id, group) == NOBODY
    assert selectors.hidings_of([ann.id]) == {ann.id: {}}


def test_who_left_the_group_stays_hidden_in_it(group: ChannelKey, ann: UserRef, eve: UserRef) -> None:
    services.user_block(user=ann, username="eve")
    services.membership_leave(user=eve, key=group)
    assert selectors.hidings_of([ann.id]) == {ann.id: {group: {"eve"}}}


def test_no_question_is_asked_where_nothing_can_be_hidden(ann: UserRef, group: ChannelKey) -> None:
    tea = services.channel_create(user=ann, name="Tea").channel.key
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert selectors.hidden_names(ann.id, tea) == NOBODY
    assert len(asked) == 0


def test_the_list_of_channels_shows_that_something_was_said_and_not_what(
    group: ChannelKey, ann: UserRef, bob: UserRef, eve: UserRef
) -> None:
    pair = services.direct_open(user=ann, username="eve")[0].channel.key
    post(eve, pair, "between us")
    services.user_block(user=ann, username="eve")
    assert mine(ann)[group]["last"] is None
    stored = post(eve, group, "psst")
    shown = mine(ann)[group]
    assert shown["last"]["hidden"] is True
    assert (shown["last"]["text"], shown["last"]["number"], shown["last"]["id"]) == (None, 1, stored.message["id"])
    assert shown["unread"] == 1, "it takes a place, as a deleted one does"
    assert (mine(bob)[group]["last"]["text"], "hidden" in mine(bob)[group]["last"]) == ("psst", False)
    assert mine(ann)[pair]["last"]["text"] == "between us", "in a direct channel of two nothing is hidden"
    post(bob, group, "hello")
    assert mine(ann)[group]["last"]["text"] == "hello"


def test_mentions_by_the_blocked_are_not_counted_in_a_group_and_are_again_without_the_block(
    group: ChannelKey, ann: UserRef, bob: UserRef, eve: UserRef
) -> None:
    tea = services.channel_create(user=eve, name="Tea").channel.key
    services.membership_join(user=ann, key=tea)
    for key in (group, tea):
        post(eve, key, "@ann")
    post(bob, group, "@ann")

    def counts() -> dict[str, list[int]]:
        access = {each.channel.key: each.mentions for each in selectors.channels_access(user=ann)}
        reads = {read.channel: read.data["mentions"] for read in selectors.reads_of([ann.id])[ann.id]}
        listed = {key: each["mentions"] for key, each in mine(ann).items()}
        return {key: [access[key], reads[key], listed[key]] for key in (group, tea)}

    def tally() -> int:
        return selectors.tallies_of([ann.id])[ann.id].mentions

    before, counted = tally(), counts()
    assert counted == {group: [2] * 3, tea: [1] * 3}
    services.user_block(user=ann, username="eve")
    assert counts() == {group: [1] * 3, tea: [1] * 3}, "elsewhere what was said before stays counted"
    assert tally() < before, "so that her sessions are told"
    assert services.read_mark(user=ann, key=group, number=0)["mentions"] == 1
    post(eve, group, "@ann")
    assert counts()[group] == [1] * 3
    services.user_unblock(user=ann, username="eve")
    assert (counts()[group], tally()) == ([2] * 3, before)


def test_every_process_is_told_that_somebody_blocks_others_than_before(
    ann: UserRef, bob: UserRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str, str, Any]] = []
    monkeypatch.setattr(publish, "announce", lambda *what: said.append(what))
    for _ in range(2):
        services.user_block(user=ann, username="bob")
    assert said == [(ORDERS_GROUP, HIDING_CHANGED, {"user_id": ann.id})]
    services.user_unblock(user=ann, username="bob")
    assert len(said) == 2


def test_many_are_read_together(ann: UserRef, group: ChannelKey) -> None:
    services.user_block(user=ann, username="eve")
    others = [UserId(str(uuid.uuid4())) for _ in range(2_000)]
    found = selectors.hidings_of([*others, ann.id])
    assert (len(found), found[ann.id]) == (2_001, {group: {"eve"}})
