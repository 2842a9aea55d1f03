"""Who is told that a message names them: whoever may read it, and wants to hear its author. Posts and edits alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chat import services
from chat.domain.ids import ChannelKey, UserRef
from chat.models import Channel, ChannelMembership, Mention
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
@pytest.mark.parametrize("kind", ["private", "direct"])
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
def test_who_blocks_the_author_is_not_mentioned(ann: UserRef, tea: ChannelKey, say: Say) -> None:
    bob = user_ref("bob")
    services.user_block(user=bob, username="ann")
    assert say(ann, tea, "@bob") == []
    assert say(bob, tea, "@ann") == ["ann"]
