"""What becomes of a deleted account's channels and messages, and of a removal that was interrupted."""

from __future__ import annotations

import pytest
from django.apps import apps

from accounts.deletion import user_delete
from accounts.models import User
from chat import selectors, services
from chat.domain.events import Event
from chat.domain.ids import ChannelKey, UserId
from chat.domain.policies import Role
from chat.models import (
    AuditEntry,
    Channel,
    ChannelMembership,
    Deletion,
    Invite,
    Mention,
    Message,
    Report,
    Sanction,
    UserBlock,
)
from chat.selectors import user_ref
from chat.services import leaving
from tests.support.rest import PASSWORD, post, register

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    heard: list[Event] = []
    monkeypatch.setattr("chat.publish.durable", lambda *events: heard.extend(events))
    return heard


def removing(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    chat = apps.get_app_config("chat")
    monkeypatch.setattr(chat, "config", replace(chat.config, account_deletion="remove"))


def user_id(user: User) -> UserId:
    return UserId(str(user.pk))


def empty(user: User) -> int:
    """Remove everything; how many batches that took."""
    batches = 0
    while leaving.account_messages_remove(user_id=user_id(user)):
        batches += 1
    return batches


def test_messages_are_kept_under_a_name_that_says_nothing() -> None:
    ada, bob = register("ada"), register("bob")
    made = post(ada, "hello @bob")
    post(bob, "hello @ada")
    user_delete(ada, password=PASSWORD)
    found = selectors.message_by_id(Channel.objects.get(key="general").pk, made["id"])
    assert found["text"] == "hello @bob"
    assert found["author"].startswith("deleted")
    assert not Mention.objects.filter(user=ada).exists()
    assert not ChannelMembership.objects.filter(user=ada).exists()
    assert not Deletion.objects.exists()
    (entry,) = AuditEntry.objects.filter(action="account.delete")
    assert (entry.target_id, entry.target) == (ada.pk, "")


def test_blocks_and_invites_go_and_what_moderators_need_stays() -> None:
    ada, bob = register("ada"), register("bob")
    made = post(ada, "rude")
    general = Channel.objects.get(key="general")
    UserBlock.objects.create(user=ada, blocked=bob)
    UserBlock.objects.create(user=bob, blocked=ada)
    invite = Invite.objects.create(channel=general, created_by=ada)
    Report.objects.create(message_id=made["id"], channel=general, author=ada, reporter=bob, reason="x", text="rude")
    Sanction.objects.create(kind="mute", user=ada)
    user_delete(ada, password=PASSWORD)
    assert not UserBlock.objects.exists()
    invite.refresh_from_db()
    assert invite.revoked_at is not None
    assert Report.objects.get().text == "rude"
    assert Sanction.objects.get().user_id == ada.pk


def test_the_longest_serving_moderator_inherits_a_channel_and_without_one_nobody_does() -> None:
    ada, bob, eve = register("ada"), register("bob"), register("eve")
    channels = [services.channel_create(user=user_ref(ada), name=f"c{index}").channel.id for index in range(3)]
    for user, channel_id, role in (
        (bob, channels[0], Role.MODERATOR),
        (eve, channels[0], Role.MODERATOR),
        (bob, channels[1], Role.MEMBER),
        (bob, channels[2], Role.OWNER),
        (eve, channels[2], Role.MODERATOR),
    ):
        ChannelMembership.objects.create(user=user, channel_id=channel_id, role=role.value)
    user_delete(ada, password=PASSWORD)
    roles = {(each.channel_id, each.user.username): each.role for each in ChannelMembership.objects.all()}
    assert roles[channels[0], "bob"] == "owner"
    assert roles[channels[0], "eve"] == "moderator"
    assert roles[channels[1], "bob"] == "member"
    assert roles[channels[2], "eve"] == "moderator"


def test_removed_messages_are_events_in_the_order_of_their_channels_and_bounded(
    monkeypatch: pytest.MonkeyPatch, told: list[Event]
) -> None:
    removing(monkeypatch)
    monkeypatch.setattr(leaving, "BATCH", 4)
    ada, bob = register("ada"), register("bob")
    channel = services.channel_create(user=user_ref(bob), name="tea").channel
    theirs = post(bob, "stays")
    services.reaction_add(user=user_ref(ada), key="general", message_id=theirs["id"], emoji="👍")
    for index in range(5):
        post(ada, f"m{index}")
        post(ada, f"t{index}", key=channel.key)
    told.clear()
    user_delete(ada, password=PASSWORD)
    assert leaving.accounts_to_empty() == [user_id(ada)]
    assert empty(ada) == 4
    assert leaving.accounts_to_empty() == []
    assert not Message.objects.filter(author=ada, deleted_at=None).exists()
    assert Message.objects.get(pk=theirs["id"]).deleted_at is None
    for key, count in (("general", 6), (channel.key, 5)):
        events = [event for event in told if event.channel == ChannelKey(key)]
        seqs = [event.seq for event in events]
        assert len(events) == count
        assert seqs == list(range(seqs[0] or 0, (seqs[0] or 0) + count))
        assert Channel.objects.get(key=key).seq == seqs[-1]
    assert told[-1].type.value == "reaction.changed"
    assert told[-1].data["reactions"] == {}
    assert all(event.data["text"] is None for event in told[:-1])


def test_a_removal_that_was_interrupted_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch, told: list[Event]
) -> None:
    removing(monkeypatch)
    monkeypatch.setattr(leaving, "BATCH", 2)
    ada = register("ada")
    for index in range(6):
        post(ada, f"m{index}")
    user_delete(ada, password=PASSWORD)
    assert leaving.account_messages_remove(user_id=user_id(ada))

    def fall(*args: object) -> None:
        raise RuntimeError("the process was killed")

    with monkeypatch.context() as broken:
        broken.setattr("chat.publish.durable", fall)
        with pytest.raises(RuntimeError):
            leaving.account_messages_remove(user_id=user_id(ada))
    assert Message.objects.filter(author=ada, deleted_at=None).count() == 4
    assert leaving.accounts_to_empty() == [user_id(ada)]
    empty(ada)
    assert not Message.objects.filter(author=ada, deleted_at=None).exists()
