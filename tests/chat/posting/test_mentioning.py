"""Who is told that a message names them: whoever may read it, and wants to hear its author. Posts and edits alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from chat import publish, services
from chat.domain.ids import ChannelKey, UserRef
from chat.models import Channel, ChannelMembership, Mention, Reaction
from chat.posting.batches import Post, Stored, store_batch
from tests.support.databases import channel_of, user_ref

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

Say = Callable[[UserRef, str, str], list[str]]


def posted(author: UserRef, key: str, text: str) -> list[str]:
    """The names that a new message mentions: as stored, as told, as shown."""
    (stored,) = store_batch([Post(author, ChannelKey(key), text, None)])
    assert isinstance(stored, Stored)
    told = len(stored.mentioned)
    assert told == len(stored.message["mentions"]) == Mention.objects.filter(message_id=stored.message["id"]).count()
    return stored.message["mentions"]


def edited(author: UserRef, key: str, text: str) -> list[str]:
    """The same of a message whose text becomes this."""
    (stored,) = store_batch([Post(author, ChannelKey(key), "nobody yet", None)])
    assert isinstance(stored, Stored)
    changed = services.message_edit(user=author, key=key, message_id=stored.message["id"], text=text, max_chars=4_000)
    return changed["mentions"]


@pytest.mark.parametrize("say", [posted, edited])
@pytest.mark.parametrize("kind", ["private", "direct", "group"])
def test_nobody_outside_hears_of_a_closed_channel(ann: UserRef, say: Say, kind: str) -> None:
    user_ref("bob")
    carl = user_ref("carl")
    key = channel_of(ann, "prv-x", kind)
    ChannelMembership.objects.create(channel=Channel.objects.get(key=key), user_id=carl.id)
    assert say(ann, key, "the code is 1234 @bob @carl") == ["carl"]


@pytest.mark.parametrize("say", [posted, edited])
def test_who_is_banned_from_the_channel_hears_nothing_of_it(ann: UserRef, tea: ChannelKey, say: Say) -> None:
    user_ref("bob")
    services.sanction_issue(user=ann, kind="ban", username="bob", channel=tea)
    assert say(ann, tea, "@bob") == []
    services.sanction_lift_all(user=ann, username="bob", channel=tea)
    assert say(ann, tea, "@bob") == ["bob"]


@pytest.mark.parametrize("say", [posted, edited])
def test_nobody_mentions_themselves(ann: UserRef, tea: ChannelKey, say: Say) -> None:
    """It counted as an unread mention of a message that is never unread."""
    assert say(ann, tea, "@ann it is") == []


@pytest.mark.parametrize("say", [posted, edited])
def test_who_blocks_the_author_is_not_mentioned(ann: UserRef, tea: ChannelKey, say: Say) -> None:
    bob = user_ref("bob")
    services.user_block(user=bob, username="ann")
    assert say(ann, tea, "@bob") == []
    assert say(bob, tea, "@ann") == ["ann"]


def test_an_edit_tells_the_newly_named_and_nobody_twice(
    ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that was added to a message afterwards was shown as a mention, and its owner never heard of it."""
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(publish, "to_user", lambda user_id, event: told.append((user_id, event.data["text"])))
    bob, carl = user_ref("bob"), user_ref("carl")
    (stored,) = store_batch([Post(ann, tea, "@bob", None)])
    assert isinstance(stored, Stored)
    for text in ("@bob and @carl and @ann", "@carl, @bob", "https://x.org/@bob"):
        services.message_edit(user=ann, key=tea, message_id=stored.message["id"], text=text, max_chars=4_000)
    assert told == [(carl.id, "@bob and @carl and @ann")]
    services.message_edit(user=ann, key=tea, message_id=stored.message["id"], text="@bob!", max_chars=4_000)
    assert told[1:] == [(bob.id, "@bob!")]


def test_what_is_in_code_names_nobody(ann: UserRef, tea: ChannelKey) -> None:
    user_ref("bob")
    user_ref("carl")
    for say in (posted, edited):
        assert say(ann, tea, "`@bob` and ```@bob```") == []
        assert say(ann, tea, "```py\n@bob\n```\nnot so") == []
        assert say(ann, tea, "`@carl` @bob") == ["bob"]


def test_a_reaction_that_was_stored_in_another_spelling_is_the_same_one(ann: UserRef, tea: ChannelKey) -> None:
    """Two hearts on one message, each with one name, and one's own could not be taken back."""
    bob = user_ref("bob")
    (stored,) = store_batch([Post(ann, tea, "hi", None)])
    assert isinstance(stored, Stored)
    message_id = stored.message["id"]
    Reaction.objects.create(message_id=message_id, user_id=ann.id, emoji="\u2764")
    react = partial(services.reaction_add, key=tea, message_id=message_id)
    assert react(user=bob, emoji="\u2764\ufe0f")["reactions"] == {"\u2764\ufe0f": ["ann", "bob"]}
    assert react(user=ann, emoji="\u2764\ufe0e")["reactions"] == {"\u2764\ufe0f": ["ann", "bob"]}
    left = services.reaction_remove(user=ann, key=tea, message_id=message_id, emoji="\u2764\ufe0f")
    assert left["reactions"] == {"\u2764\ufe0f": ["bob"]}
