"""Pins, and what messages said before: who may, who is told, and that both go with their message."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chat import publish, retention, selectors, services
from chat.domain.errors import ArchivedError, EditWindowError, MutedError
from chat.domain.events import Event
from chat.domain.ids import ChannelKey, UserRef
from chat.models import AuditEntry, Channel, EarlierText, Message, Pin
from chat.posting.batches import Post, Stored, store_batch
from chat.services import leaving, messages
from reaktor.errors import ConflictError, ForbiddenError, NotFoundError, ReaktorError
from tests.support.databases import user_ref

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What channels were told, but for messages."""
    events: list[Event] = []
    monkeypatch.setattr(publish, "to_channel", events.append)
    return events


def post(author: UserRef, key: ChannelKey, text: str = "hi") -> str:
    (stored,) = store_batch([Post(author, key, text, uuid.uuid4().hex)])
    assert isinstance(stored, Stored), stored
    return stored.message["id"]


def pinned(user: UserRef, key: ChannelKey) -> list[str]:
    return [each["message"]["id"] for each in selectors.pins_list(user=user, key=key)["results"]]


def said_before(user: UserRef, key: ChannelKey, message_id: str) -> list[str]:
    found = selectors.earlier_texts(user=user, key=key, message_id=message_id)
    return [each["text"] for each in found["results"]]


def edit(user: UserRef, key: ChannelKey, message_id: str, text: str, **options: Any) -> None:
    services.message_edit(user=user, key=key, message_id=message_id, text=text, max_chars=100, **options)


# -- Pins -----------------------------------------------------------------------------------------------------------


def test_a_moderator_pins_and_takes_down(
    tea: ChannelKey, ann: UserRef, mod: UserRef, bob: UserRef, told: list[Event]
) -> None:
    first, second = post(bob, tea, "first"), post(bob, tea, "second")
    made = services.pin_add(user=mod, key=tea, message_id=first)
    assert (made["message"]["text"], made["pinned_by"]) == ("first", "mod")
    services.pin_add(user=ann, key=tea, message_id=second)
    services.pin_add(user=ann, key=tea, message_id=first)
    assert pinned(bob, tea) == [second, first]
    services.pin_remove(user=ann, key=tea, message_id=first)
    services.pin_remove(user=ann, key=tea, message_id=first)
    assert pinned(bob, tea) == [second]
    assert [(each.seq, each.data["number"], each.data["is_pinned"], each.data["by"]) for each in told] == [
        (None, 1, True, "mod"),
        (None, 2, True, "ann"),
        (None, 1, False, "ann"),
    ]
    noted = AuditEntry.objects.order_by("pk").values_list("action", "actor", "target", "channel")
    assert list(noted) == [
        ("pin.add", "mod", "bob", "tea"),
        ("pin.add", "ann", "bob", "tea"),
        ("pin.remove", "ann", "bob", "tea"),
    ]


def test_whoever_may_write_pins_where_the_channel_lets_them(
    tea: ChannelKey, ann: UserRef, mod: UserRef, bob: UserRef
) -> None:
    message = post(ann, tea)
    with pytest.raises(ForbiddenError):
        services.pin_add(user=bob, key=tea, message_id=message)
    services.channel_update(user=mod, key=tea, everybody_pins=True)
    assert selectors.channel_data(selectors.channel_access(user=bob, key=tea), online=0)["everybody_pins"] is True
    services.pin_add(user=bob, key=tea, message_id=message)
    services.sanction_issue(user=mod, kind="mute", username="bob", channel=tea)
    with pytest.raises(MutedError):
        services.pin_remove(user=bob, key=tea, message_id=message)
    services.channel_archive(user=ann, key=tea)
    with pytest.raises(ArchivedError):
        services.pin_remove(user=ann, key=tea, message_id=message)
    assert pinned(ann, tea) == [message]
    # What everybody may is no deed of a moderator.
    assert not AuditEntry.objects.filter(action="pin.add").exists()


def test_what_is_pinned_is_a_message_of_the_channel_that_is_there(tea: ChannelKey, ann: UserRef) -> None:
    message = post(ann, tea)
    elsewhere = services.channel_create(user=ann, name="Other").channel.key
    with pytest.raises(NotFoundError):
        services.pin_add(user=ann, key=elsewhere, message_id=message)
    with pytest.raises(NotFoundError):
        services.pin_add(user=ann, key=tea, message_id="junk")
    services.message_delete(user=ann, key=tea, message_id=message)
    with pytest.raises(ConflictError):
        services.pin_add(user=ann, key=tea, message_id=message)


def test_a_channel_has_so_many_pins(tea: ChannelKey, ann: UserRef) -> None:
    made = [post(ann, tea, f"{number}") for number in range(51)]
    for message in made[:50]:
        services.pin_add(user=ann, key=tea, message_id=message)
    with pytest.raises(ConflictError, match="at most 50"):
        services.pin_add(user=ann, key=tea, message_id=made[50])
    services.pin_add(user=ann, key=tea, message_id=made[7])
    services.pin_remove(user=ann, key=tea, message_id=made[7])
    services.pin_add(user=ann, key=tea, message_id=made[50])
    assert len(pinned(ann, tea)) == 50


def test_in_a_group_each_member_pins_and_hidden_ones_stay_hidden(ann: UserRef, bob: UserRef) -> None:
    eve, staff = user_ref("eve"), user_ref("staff", is_staff=True)
    group = services.group_open(user=ann, usernames=["bob", "eve"])[0].channel.key
    message = post(eve, group, "secret")
    services.pin_add(user=bob, key=group, message_id=message)
    services.user_block(user=ann, username="eve")
    (shown,) = selectors.pins_list(user=ann, key=group)["results"]
    assert (shown["message"]["text"], shown["message"].get("hidden")) == (None, True)
    assert selectors.pins_list(user=bob, key=group)["results"][0]["message"]["text"] == "secret"
    for ask in (services.pin_remove, services.pin_add):
        with pytest.raises(NotFoundError):
            ask(user=staff, key=group, message_id=message)


def by_deletion(ann: UserRef, bob: UserRef, tea: ChannelKey, message: str) -> None:
    services.message_delete(user=ann, key=tea, message_id=message)


def by_purge(ann: UserRef, bob: UserRef, tea: ChannelKey, message: str) -> None:
    services.messages_purge(user=ann, username="bob", hours=1, channel=tea)


def by_the_end_of_its_author(ann: UserRef, bob: UserRef, tea: ChannelKey, message: str) -> None:
    leaving.account_leave(user_id=bob.id, removes_messages=True)
    while leaving.account_messages_remove(user_id=bob.id):
        pass


def by_retention(ann: UserRef, bob: UserRef, tea: ChannelKey, message: str) -> None:
    Message.objects.filter(pk=message).update(created_at=datetime.now(UTC) - timedelta(days=9))
    found = retention.retention_find(days=7, messages=0, now=datetime.now(UTC))
    retention.retention_apply(found, rest=lambda seconds: None)


@pytest.mark.parametrize("ends", [by_deletion, by_purge, by_the_end_of_its_author, by_retention])
def test_pins_and_earlier_texts_go_with_their_message(
    ends: Callable[..., None], tea: ChannelKey, ann: UserRef, bob: UserRef, told: list[Event]
) -> None:
    message, kept = post(bob, tea, "first"), post(ann, tea, "mine")
    for author, each in ((bob, message), (ann, kept)):
        services.pin_add(user=ann, key=tea, message_id=each)
        edit(author, tea, each, "second")
    told.clear()
    ends(ann, bob, tea, message)
    assert [str(pk) for pk in Pin.objects.values_list("pk", flat=True)] == pinned(ann, tea) == [kept]
    assert list(EarlierText.objects.values_list("text", flat=True)) == ["mine"]
    assert [(each.data["id"], each.data["is_pinned"], each.data["by"]) for each in told] == [(message, False, None)]


def test_what_a_deleted_account_took_back_goes_though_its_messages_stay(tea: ChannelKey, bob: UserRef) -> None:
    message = post(bob, tea, "first")
    edit(bob, tea, message, "second")
    leaving.account_leave(user_id=bob.id, removes_messages=False)
    assert Message.objects.get(pk=message).text == "second"
    assert not EarlierText.objects.exists()


# -- What was said before -------------------------------------------------------------------------------------------


def test_its_author_and_moderators_see_what_a_message_said(
    tea: ChannelKey, ann: UserRef, mod: UserRef, bob: UserRef, staff: UserRef
) -> None:
    message = post(bob, tea, "one")
    made = Message.objects.get(pk=message)
    edit(bob, tea, message, "two")
    first_edit = Message.objects.get(pk=message).edited_at
    edit(bob, tea, message, "two")
    edit(bob, tea, message, "three")
    for reader in (bob, mod, ann, staff):
        assert said_before(reader, tea, message) == ["one", "two"]
    at = EarlierText.objects.order_by("pk").values_list("written_at", flat=True)
    assert list(at) == [made.created_at, first_edit]
    with pytest.raises(ForbiddenError):
        said_before(user_ref("eve"), tea, message)
    with pytest.raises(NotFoundError):
        said_before(mod, tea, str(uuid.uuid4()))


def test_in_a_direct_channel_the_author_alone_does(ann: UserRef, bob: UserRef, staff: UserRef) -> None:
    direct = services.direct_open(user=ann, username="bob")[0].channel.key
    message = post(ann, direct, "one")
    edit(ann, direct, message, "two")
    assert said_before(ann, direct, message) == ["one"]
    for reader, error in ((bob, ForbiddenError), (staff, NotFoundError)):
        with pytest.raises(error):
            said_before(reader, direct, message)


def test_an_edit_that_is_refused_leaves_nothing_behind(tea: ChannelKey, ann: UserRef, bob: UserRef) -> None:
    message = post(bob, tea, "one")
    for refused in (lambda: edit(ann, tea, message, "hers"), lambda: edit(bob, tea, message, "")):
        with pytest.raises(ReaktorError):
            refused()
    assert not EarlierText.objects.exists()


def test_of_very_many_texts_the_first_and_the_newest_are_kept(
    tea: ChannelKey, bob: UserRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "EARLIER_TEXTS", 3)
    message = post(bob, tea, "0")
    for number in range(1, 7):
        edit(bob, tea, message, str(number))
    assert said_before(bob, tea, message) == ["0", "4", "5"]


def test_after_the_edit_window_only_moderators_edit_what_they_wrote(
    tea: ChannelKey, ann: UserRef, bob: UserRef
) -> None:
    theirs, hers = post(bob, tea), post(ann, tea)
    edit(bob, tea, theirs, "in time", window_s=60)
    Message.objects.filter(channel=Channel.objects.get(key=tea)).update(
        created_at=datetime.now(UTC) - timedelta(seconds=61)
    )
    with pytest.raises(EditWindowError) as refused:
        edit(bob, tea, theirs, "too late", window_s=60)
    assert (refused.value.as_data()["code"], refused.value.status) == ("edit_window_over", 403)
    edit(bob, tea, theirs, "no limit")
    edit(ann, tea, hers, "a moderator", window_s=60)
