"""Edits, deletions, reactions, read marks and channels: who may, what is told, and that events add up to the state."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat import selectors, services
from chat.delivery import wire
from chat.delivery.wire import Audience
from chat.domain.errors import ArchivedError
from chat.domain.events import Event, EventType, MessageData, ReadData
from chat.domain.ids import ChannelKey, SessionId, UserRef
from chat.models import AuditEntry, Channel, ChannelMembership, Mention, WordRule
from chat.posting.batches import Post, Stored, store_batch
from chat.posting.textrules import CurrentTextRules
from reaktor.config.model import Limits
from reaktor.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, ReaktorError
from reaktor.process import node
from reaktor.process.bus import Bus
from tests.support.databases import channel_of, user_ref

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
_serial = itertools.count(1)


class Told:
    """What left this process after its commits, in order; stands where a runtime does."""

    def __init__(self) -> None:
        self.durable: list[Event] = []
        self.ephemeral: list[tuple[Event, Audience]] = []

    def publish_durable(self, events: list[Event]) -> None:
        self.durable += events

    def publish_ephemeral(self, event: Event, audience: Audience) -> None:
        self.ephemeral.append((event, audience))

    @property
    def kinds(self) -> list[EventType]:
        return [event.type for event in self.durable] + [event.type for event, _ in self.ephemeral]


class Loop(asyncio.SelectorEventLoop):
    """Calls at once what is meant for the loop's thread: here there is none."""

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        callback(*args)


@pytest.fixture
def told() -> Iterator[Told]:
    found = Told()
    loop = Loop()
    node.install(node.Node(loop, Bus(InMemoryChannelLayer()), found))
    yield found
    node.clear()
    loop.close()


@pytest.fixture
def bob() -> UserRef:
    return user_ref("bob")


def posted(author: UserRef, channel: ChannelKey, text: str = "hi") -> MessageData:
    (result,) = store_batch([Post(author, channel, text, uuid.uuid4().hex)])
    assert isinstance(result, Stored)
    return result.message


def read_of(mark: ReadData) -> tuple[int, int]:
    return mark["read_number"], mark["unread"]


def edit(user: UserRef, key: str, message: MessageData, text: str) -> MessageData:
    return services.message_edit(user=user, key=key, message_id=message["id"], text=text, max_chars=4_000)


def state(channel: ChannelKey) -> dict[str, MessageData]:
    found = selectors.messages_between(Channel.objects.get(key=channel).id, 1, 10_000)
    return {message["id"]: message for message in found}


def test_an_edit_takes_the_next_seq_and_is_told_as_it_is_stored(told: Told, ann: UserRef, tea: ChannelKey) -> None:
    message = posted(ann, tea)
    changed = edit(ann, tea, message, "hello")
    assert (changed["text"], changed["seq"], changed["changed_seq"]) == ("hello", 1, 2)
    assert changed["edited_at"]
    assert told.durable == [Event(EventType.MESSAGE_UPDATED, tea, changed, 2)]
    assert state(tea) == {message["id"]: changed}


def test_what_changes_nothing_takes_no_seq_and_is_told_to_nobody(told: Told, ann: UserRef, tea: ChannelKey) -> None:
    message = posted(ann, tea)
    assert edit(ann, tea, message, "hi") == message
    services.reaction_remove(user=ann, key=tea, message_id=message["id"], emoji="👍")
    services.reaction_add(user=ann, key=tea, message_id=message["id"], emoji="👍")
    services.reaction_add(user=ann, key=tea, message_id=message["id"], emoji="👍")
    services.message_delete(user=ann, key=tea, message_id=message["id"])
    services.message_delete(user=ann, key=tea, message_id=message["id"])
    assert [event.seq for event in told.durable] == [2, 3]
    assert Channel.objects.get(key=tea).seq == 3


def test_only_its_author_edits_and_only_its_author_or_a_moderator_deletes(
    told: Told, ann: UserRef, bob: UserRef, tea: ChannelKey
) -> None:
    staff, moderator = user_ref("staff", is_staff=True), user_ref("moderator")
    ChannelMembership.objects.create(channel=Channel.objects.get(key=tea), user_id=moderator.id, role="moderator")
    messages = [posted(bob, tea) for _ in range(4)]
    for user in (ann, staff, moderator):
        with pytest.raises(ForbiddenError):
            edit(user, tea, messages[0], "not mine")
    stranger = user_ref("stranger")
    with pytest.raises(ForbiddenError):
        services.message_delete(user=stranger, key=tea, message_id=messages[0]["id"])
    for user, message in zip((ann, staff, moderator, bob), messages, strict=True):
        assert services.message_delete(user=user, key=tea, message_id=message["id"])["text"] is None
    assert told.kinds == [EventType.MESSAGE_DELETED] * 4


def test_a_deleted_message_keeps_its_place_and_nothing_else(ann: UserRef, bob: UserRef, tea: ChannelKey) -> None:
    message = posted(ann, tea, "@bob hi")
    services.reaction_add(user=bob, key=tea, message_id=message["id"], emoji="👍")
    deleted = services.message_delete(user=ann, key=tea, message_id=message["id"])
    assert (deleted["text"], deleted["reactions"], deleted["mentions"], deleted["number"]) == (None, {}, [], 1)
    assert not Mention.objects.exists()
    for change in (
        lambda: edit(ann, tea, message, "back"),
        lambda: services.reaction_add(user=bob, key=tea, message_id=message["id"], emoji="👍"),
    ):
        with pytest.raises(ConflictError):
            change()


def test_an_edit_names_other_people(ann: UserRef, bob: UserRef, tea: ChannelKey) -> None:
    message = posted(ann, tea, "@bob hi")
    user_ref("eve")
    changed = edit(ann, tea, message, "@Eve and @nobody")
    assert changed["mentions"] == ["eve"]


@pytest.mark.parametrize("wrong", ["nonsense", "", "271d893b-d816-4ddd-b9b2-6676f193f35a"])
def test_a_message_that_is_not_in_the_channel_is_not_found(ann: UserRef, tea: ChannelKey, wrong: str) -> None:
    with pytest.raises(NotFoundError):
        services.message_edit(user=ann, key=tea, message_id=wrong, text="x", max_chars=10)
    elsewhere = posted(ann, channel_of(ann, "coffee"))
    with pytest.raises(NotFoundError):
        services.message_delete(user=ann, key=tea, message_id=elsewhere["id"])


def test_a_private_channel_does_not_exist_for_strangers(told: Told, ann: UserRef, bob: UserRef) -> None:
    secret = channel_of(ann, "prv-secret", kind="private")
    message = posted(ann, secret)
    for attempt in (
        lambda: edit(bob, secret, message, "x"),
        lambda: services.message_delete(user=bob, key=secret, message_id=message["id"]),
        lambda: services.reaction_add(user=bob, key=secret, message_id=message["id"], emoji="👍"),
        lambda: services.read_mark(user=bob, key=secret, number=1),
        lambda: services.channel_update(user=bob, key=secret, name="mine"),
        lambda: services.channel_archive(user=bob, key=secret),
        lambda: selectors.channel_access(user=bob, key=secret),
    ):
        with pytest.raises(NotFoundError):
            attempt()
    assert told.kinds == []


def test_an_archived_channel_takes_no_change_but_can_be_read(told: Told, ann: UserRef, tea: ChannelKey) -> None:
    message = posted(ann, tea)
    services.channel_archive(user=ann, key=tea)
    assert services.channel_archive(user=ann, key=tea).channel.archived_at is not None
    assert told.kinds == [EventType.CHANNEL_ARCHIVED]
    for attempt in (
        lambda: edit(ann, tea, message, "x"),
        lambda: services.reaction_add(user=ann, key=tea, message_id=message["id"], emoji="👍"),
    ):
        with pytest.raises(ArchivedError):
            attempt()
    assert read_of(services.read_mark(user=ann, key=tea, number=1)) == (1, 0)
    assert list(state(tea).values()) == [message]


def test_public_channels_are_told_to_everybody_and_unlisted_ones_to_their_members(told: Told, ann: UserRef) -> None:
    services.channel_create(user=ann, name="Open", key="open")
    services.channel_create(user=ann, name="Hidden", key="hidden", kind="unlisted")
    services.channel_update(user=ann, key="hidden", topic="psst")
    assert [(event.type, audience.channel) for event, audience in told.ephemeral] == [
        (EventType.CHANNEL_CREATED, None),
        (EventType.CHANNEL_ADDED, None),
        (EventType.CHANNEL_ADDED, None),
        (EventType.CHANNEL_UPDATED, "hidden"),
    ]
    assert [audience.user_id for _, audience in told.ephemeral[1:3]] == [ann.id] * 2
    assert told.ephemeral[0][0].data["role"] is None, "what everybody is told says nothing of one user"


def test_a_channel_that_is_so_already_is_not_changed(told: Told, ann: UserRef, tea: ChannelKey) -> None:
    """The same topic a hundred times was a hundred events to everybody, and as many rows in the audit log."""
    services.channel_update(user=ann, key=tea, name="Tea", topic="green", is_frozen=True)
    told.ephemeral.clear()
    services.channel_update(user=ann, key=tea, name=" Tea ", topic="green", slow_mode_s=0, is_frozen=True)
    assert (told.ephemeral, AuditEntry.objects.count()) == ([], 1)
    found = services.channel_update(user=ann, key=tea, name="Tea", topic="black")
    assert found.channel.topic == "black"
    assert [event.data["topic"] for event, _ in told.ephemeral] == ["black"]
    assert AuditEntry.objects.latest("id").details == {"topic": "black"}


def test_a_key_that_is_taken_is_a_conflict_and_one_nobody_may_choose_is_invalid(ann: UserRef, bob: UserRef) -> None:
    services.channel_create(user=ann, name="Tea", key="tea")
    with pytest.raises(ConflictError):
        services.channel_create(user=bob, name="Mine", key="tea")
    for key in ("dm-tea", "prv-tea", "a b", ""):
        with pytest.raises(InvalidError):
            services.channel_create(user=bob, name="Mine", key=key)
    for kind in ("direct", "nonsense"):
        with pytest.raises(InvalidError):
            services.channel_create(user=bob, name="Mine", kind=kind)
    assert services.channel_ensure(user=bob, key="tea")[1] is False
    assert services.channel_ensure(user=bob, key="new")[1] is True


def test_only_owners_and_staff_manage_a_channel(ann: UserRef, bob: UserRef, tea: ChannelKey) -> None:
    with pytest.raises(ForbiddenError):
        services.channel_update(user=bob, key=tea, name="Mine")
    with pytest.raises(ForbiddenError):
        services.channel_archive(user=bob, key=tea)
    staff = user_ref("staff", is_staff=True)
    assert services.channel_update(user=staff, key=tea, name="Renamed").channel.name == "Renamed"


def test_a_read_marker_moves_forward_only_and_tells_the_other_sessions(
    told: Told, ann: UserRef, bob: UserRef, tea: ChannelKey
) -> None:
    for _ in range(5):
        posted(bob, tea, "@ann")
    mine = SessionId("mine")
    assert read_of(services.read_mark(user=ann, key=tea, number=3, session_id=mine)) == (3, 2)
    assert read_of(services.read_mark(user=ann, key=tea, number=1)) == (3, 2)
    assert read_of(services.read_mark(user=ann, key=tea, number=99)) == (5, 0)
    assert [(event.data["read_number"], audience) for event, audience in told.ephemeral] == [
        (3, Audience(user_id=ann.id, exclude=mine)),
        (5, Audience(user_id=ann.id)),
    ]
    assert read_of(services.read_mark(user=bob, key=tea, number=3)) == (0, 0), "no durable member"
    assert selectors.channel_access(user=ann, key=tea).mentions == 0


def test_reactions_of_one_message_are_bounded(ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gave the last reaction that there was room for, and gave it again, was refused what was so already."""
    monkeypatch.setattr(services.messages, "REACTIONS_PER_MESSAGE", 3)
    message = posted(ann, tea)
    for emoji in "abcc":
        services.reaction_add(user=ann, key=tea, message_id=message["id"], emoji=emoji)
    with pytest.raises(ConflictError):
        services.reaction_add(user=ann, key=tea, message_id=message["id"], emoji="d")


def test_many_may_give_a_message_the_same_emoji_and_few_different_ones_fit(
    ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.messages, "EMOJI_PER_MESSAGE", 2)
    message = posted(ann, tea)
    for user, emoji in ((ann, "a"), (ann, "b"), (user_ref("bob"), "b"), (user_ref("carl"), "b")):
        services.reaction_add(user=user, key=tea, message_id=message["id"], emoji=emoji)
    with pytest.raises(ConflictError):
        services.reaction_add(user=ann, key=tea, message_id=message["id"], emoji="c")
    left = services.reaction_remove(user=ann, key=tea, message_id=message["id"], emoji="a")
    assert left["reactions"] == {"b": ["ann", "bob", "carl"]}


class Random_:  # noqa: N801  a random user of the services
    """Does random things to one channel and remembers every event of it."""

    def __init__(self, seed: int, told: Told) -> None:
        self.random, self.told = Random(seed), told
        serial = next(_serial)
        self.users = [user_ref(f"user{letter}{serial}") for letter in "ab"]
        self.key = channel_of(self.users[0], f"law-{serial}")
        self.ids: list[str] = []

    def act(self) -> None:
        user, kind = self.random.choice(self.users), self.random.choice(["post", "edit", "delete", "add", "remove"])
        if kind == "post" or not self.ids:
            message = posted(user, self.key, f"@{self.random.choice(self.users).username} hi")
            self.told.publish_durable([wire.message_new(message)])
            self.ids.append(message["id"])
            return
        target: dict[str, Any] = {"user": user, "key": self.key, "message_id": self.random.choice(self.ids)}
        emoji = self.random.choice(["👍", "👎"])
        try:
            if kind == "edit":
                services.message_edit(**target, text=f"text {self.random.random()}", max_chars=100)
            elif kind == "delete":
                services.message_delete(**target)
            elif kind == "add":
                services.reaction_add(**target, emoji=emoji)
            else:
                services.reaction_remove(**target, emoji=emoji)
        except ReaktorError:
            return


@given(st.integers(0, 2**32), st.integers(3, 25))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_state_at_the_start_and_the_events_are_the_state_fetched_afterwards(told: Told, seed, length) -> None:
    told.durable.clear()
    actor = Random_(seed, told)
    middle = actor.random.randrange(length)
    for step in range(length):
        if step == middle:
            start, cursor = state(actor.key), Channel.objects.get(key=actor.key).seq
        actor.act()
    assert [event.seq for event in told.durable] == list(range(1, len(told.durable) + 1))
    assert all(event.seq == event.data["changed_seq"] for event in told.durable)
    end = state(actor.key)
    from_events = {**start, **{event.data["id"]: event.data for event in told.durable if (event.seq or 0) > cursor}}
    assert from_events == end
    changes = selectors.channel_changes(actor.key, after=cursor, limit=1_000)
    assert {**start, **{message["id"]: message for message in changes["messages"]}} == end
    assert changes["seq"] == len(told.durable)
    page = selectors.messages_page(Channel.objects.get(key=actor.key).id, limit=100)
    assert page.messages == list(end.values())


def test_a_moderator_deletes_in_an_archived_channel_and_its_author_does_not(
    ann: UserRef, bob: UserRef, tea: ChannelKey
) -> None:
    """What nobody should read stood in an archived channel for ever, whoever asked for its end."""
    services.membership_join(user=bob, key=tea)
    message = posted(bob, tea)
    services.channel_archive(user=ann, key=tea)
    with pytest.raises(ArchivedError):
        services.message_delete(user=bob, key=tea, message_id=message["id"])
    with pytest.raises(ArchivedError):
        edit(bob, tea, message, "other")
    assert services.message_delete(user=ann, key=tea, message_id=message["id"])["deleted_at"] is not None


def test_names_and_topics_of_channels_pass_the_word_filter(ann: UserRef, tea: ChannelKey) -> None:
    """A word that no message may have stood in the list of channels, where everybody reads it."""
    WordRule.objects.create(word="darn", action="reject")
    rules = CurrentTextRules(Limits())
    for words in ({"name": "Darn"}, {"name": "Tea", "topic": "darn it"}, {"name": "Tea", "key": "darn"}):
        with pytest.raises(ForbiddenError, match="words that are not allowed"):
            services.channel_create(user=ann, **words, text_rules=rules)
    for words in ({"name": "Darn"}, {"topic": "so darn good"}):
        with pytest.raises(ForbiddenError, match="words that are not allowed"):
            services.channel_update(user=ann, key=tea, **words, text_rules=rules)
    with pytest.raises(ForbiddenError, match="words that are not allowed"):
        services.channel_ensure(user=ann, key="darn", text_rules=rules)
    assert services.channel_ensure(user=ann, key=tea, text_rules=rules)[1] is False
    staff = replace(ann, is_staff=True)
    assert services.channel_create(user=staff, name="Darn", text_rules=rules).channel.name == "Darn"
