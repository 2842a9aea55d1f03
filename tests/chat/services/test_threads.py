"""What becomes of threads when replies are deleted or edited, and who follows and has read what."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from chat import selectors, services
from chat.domain.events import Event, EventType, MessageData
from chat.domain.ids import ChannelKey, UserId, UserRef
from chat.models import Channel, Deletion, Message, ThreadFollow
from chat.posting.batches import Post, Stored, store_batch
from chat.services import leaving
from reaktor.errors import InvalidError, NotFoundError
from tests.support.databases import channel_of, user_ref

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    heard: list[Event] = []
    monkeypatch.setattr("chat.publish.durable", lambda *events: heard.extend(events))
    monkeypatch.setattr("chat.publish.to_user", lambda user_id, event, **more: heard.append(event))
    return heard


@pytest.fixture
def bob() -> UserRef:
    return user_ref("bob")


def say(author: UserRef, key: ChannelKey, text: str = "hi", **more: Any) -> MessageData:
    (result,) = store_batch([Post(author, key, text, uuid.uuid4().hex, **more)])
    assert isinstance(result, Stored), result
    return result.message


def info(key: ChannelKey, root: MessageData) -> tuple[int, list[str], str | None]:
    shown = selectors.message_by_id(Channel.objects.get(key=key).pk, root["id"])["thread_info"]
    return shown["replies"], shown["participants"], shown["last_reply_at"]


def test_a_deleted_reply_is_counted_no_more_and_its_event_says_so(
    ann: UserRef, bob: UserRef, tea: ChannelKey, told: list[Event]
) -> None:
    root = say(ann, tea)
    first, second, third = (say(author, tea, thread=root["id"]) for author in (ann, bob, bob))
    services.message_delete(user=bob, key=tea, message_id=third["id"])
    assert info(tea, root) == (2, ["ann", "bob"], second["created_at"])
    assert told[-1].type is EventType.MESSAGE_DELETED
    assert told[-1].data["thread_info"] == {**third["thread_info"], "seq": 5, "replies": 2,
                                            "last_reply_at": second["created_at"]}  # fmt: skip
    services.message_delete(user=ann, key=tea, message_id=first["id"])
    assert info(tea, root) == (1, ["bob"], second["created_at"])
    services.message_delete(user=ann, key=tea, message_id=first["id"])  # again: nothing is to be done
    services.message_delete(user=bob, key=tea, message_id=second["id"])
    assert info(tea, root) == (0, [], None)
    assert Message.objects.get(pk=root["id"]).changed_seq == 1


def test_the_first_five_take_part_in_their_order_and_others_when_one_of_them_is_gone(
    ann: UserRef, tea: ChannelKey, told: list[Event]
) -> None:
    root = say(ann, tea)
    names = ("dan", "eve", "ann", "kim", "lea", "max")
    people = {name: ann if name == "ann" else user_ref(name) for name in names}
    replies = {name: say(user, tea, thread=root["id"]) for name, user in people.items()}
    assert info(tea, root)[:2] == (6, ["dan", "eve", "ann", "kim", "lea"])
    services.message_delete(user=people["eve"], key=tea, message_id=replies["eve"]["id"])
    assert info(tea, root)[:2] == (5, ["dan", "ann", "kim", "lea", "max"])


def test_a_reply_that_moderators_delete_for_a_report_is_counted_no_more(
    ann: UserRef, bob: UserRef, tea: ChannelKey, told: list[Event]
) -> None:
    root = say(ann, tea)
    reply = say(bob, tea, thread=root["id"])
    report = services.report_create(user=ann, key=tea, message_id=reply["id"], reason="spam")
    services.report_resolve(user=ann, report_id=int(report["id"]), resolution="deleted")
    assert info(tea, root) == (0, [], None)
    assert told[-1].data["thread_info"]["replies"] == 0


def test_a_purge_and_the_end_of_an_account_take_replies_along(
    ann: UserRef, bob: UserRef, tea: ChannelKey, told: list[Event]
) -> None:
    root = say(ann, tea)
    for author in (bob, ann, bob, ann, bob):
        last = say(author, tea, thread=root["id"])
    services.messages_purge(user=ann, username="bob", hours=1, channel=tea, rest=lambda seconds: None)
    assert info(tea, root)[:2] == (2, ["ann"])
    assert all(event.data["thread_info"]["replies"] == 2 for event in told if event.type is EventType.MESSAGE_DELETED)
    assert told[-1].data["thread_info"]["seq"] == told[-1].seq == last["seq"] + 3
    Deletion.objects.create(user_id=uuid.UUID(ann.id))
    while leaving.account_messages_remove(user_id=UserId(ann.id)):
        pass
    assert info(tea, root) == (0, [], None)


def test_edits_and_reactions_of_replies_say_what_their_thread_is(
    ann: UserRef, bob: UserRef, tea: ChannelKey, told: list[Event]
) -> None:
    root = say(ann, tea)
    reply = say(ann, tea, thread=root["id"])
    edited = services.message_edit(user=ann, key=tea, message_id=reply["id"], text="@bob", max_chars=9)
    assert (edited["thread"], edited["thread_info"]) == (root["id"], reply["thread_info"])
    assert ThreadFollow.objects.get(user_id=bob.id).is_on, "who is mentioned in it follows it"
    mention = next(event for event in told if event.type is EventType.MENTION)
    assert mention.data["thread"] == root["id"]
    given = services.reaction_add(user=bob, key=tea, message_id=root["id"], emoji="👍")
    assert given["thread_info"] == reply["thread_info"]


def test_a_mention_that_an_edit_keeps_stays_read(ann: UserRef, bob: UserRef, tea: ChannelKey) -> None:
    services.membership_join(user=bob, key=tea)
    root = say(ann, tea)
    reply = say(ann, tea, "@bob", thread=root["id"])
    assert selectors.channel_access(user=bob, key=tea).mentions == 1
    services.thread_read(user=bob, key=tea, thread=root["id"], number=reply["number"])
    services.message_edit(user=ann, key=tea, message_id=reply["id"], text="@bob!", max_chars=9)
    assert selectors.channel_access(user=bob, key=tea).mentions == 0


def test_reading_a_thread_is_told_to_the_other_sessions_and_moves_no_marker(
    ann: UserRef, bob: UserRef, tea: ChannelKey, told: list[Event]
) -> None:
    services.membership_join(user=bob, key=tea)
    root = say(ann, tea)
    say(ann, tea, "@bob", thread=root["id"])
    told.clear()
    answer = services.thread_read(user=bob, key=tea, thread=root["id"], number=10)
    (event,) = told
    assert (event.type, event.channel) == (EventType.READ_UPDATED, tea)
    assert event.data == {**answer, "number": 2}
    assert (answer["read_number"], answer["unread"], answer["mentions"]) == (0, 1, 0)
    assert answer["thread"] == {"id": root["id"], "read_number": 2, "unread": 0}
    told.clear()
    assert services.thread_read(user=bob, key=tea, thread=root["id"], number=1) == answer
    assert told == []


def test_who_has_read_a_thread_does_not_follow_it_by_that(ann: UserRef, bob: UserRef, tea: ChannelKey) -> None:
    root = say(ann, tea)
    services.thread_read(user=bob, key=tea, thread=root["id"], number=1)
    assert selectors.my_threads(user=bob)["results"] == []
    followed = services.thread_follow(user=bob, key=tea, thread=root["id"])
    assert followed["is_followed"]
    assert "thread_info" in followed["root"]
    assert [each["root"]["id"] for each in selectors.my_threads(user=bob)["results"]] == [root["id"]]


def test_what_is_no_root_is_followed_and_read_by_nobody(ann: UserRef, tea: ChannelKey) -> None:
    root = say(ann, tea)
    reply = say(ann, tea, thread=root["id"])
    elsewhere = say(ann, channel_of(ann, "coffee"))
    for deed in (services.thread_follow, services.thread_unfollow):
        with pytest.raises(InvalidError):
            deed(user=ann, key=tea, thread=reply["id"])
        for missing in (elsewhere["id"], "junk"):
            with pytest.raises(NotFoundError):
                deed(user=ann, key=tea, thread=missing)
    with pytest.raises(InvalidError):
        services.thread_read(user=ann, key=tea, thread=reply["id"], number=1)
