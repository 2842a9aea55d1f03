"""Rights that go while a lock is waited for: what was asked for is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction

from chat import services
from chat.domain.ids import ChannelKey, UserRef
from chat.models import Channel, ChannelMembership, Invite, Message
from chat.posting.batches import Post, Stored, store_batch
from chat.services import channels, invites, memberships, messages
from reaktor.errors import ConflictError, ForbiddenError, ReaktorError
from tests.support.databases import user_ref

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
END_S = 60


def after_the_first_look(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """The next service that asks what somebody may do in a channel is told; then `change` happens, once."""
    first = [change]

    def looking(real: Callable[..., Any]) -> Callable[..., Any]:
        def look(*args: Any, **named: Any) -> Any:
            found = real(*args, **named)
            if first:
                first.pop()()
            return found

        return look

    for module in (channels, invites, memberships, messages, getattr(services, "locking", None)):
        if hasattr(module, "channel_access"):
            monkeypatch.setattr(module, "channel_access", looking(module.channel_access))


@pytest.fixture
def secret(ann: UserRef, mod: UserRef) -> ChannelKey:
    """A private channel of ann's with another moderator."""
    key = services.channel_create(user=ann, name="Secret", kind="private").channel.key
    ChannelMembership.objects.create(channel=Channel.objects.get(key=key), user_id=mod.id, role="moderator")
    return key


def role_becomes(user: UserRef, role: str) -> None:
    ChannelMembership.objects.filter(user_id=user.id, channel__key__startswith="prv-").update(role=role)


ASKED: dict[str, Callable[[UserRef, ChannelKey, str], object]] = {
    "rename": lambda mod, key, message: services.channel_update(user=mod, key=key, name="Mine"),
    "slow down": lambda mod, key, message: services.channel_update(user=mod, key=key, slow_mode_s=9),
    "archive": lambda mod, key, message: services.channel_archive(user=mod, key=key),
    "invite": lambda mod, key, message: services.invite_create(user=mod, key=key),
    "revoke": lambda mod, key, message: services.invite_revoke(user=mod, code=Invite.objects.get().code),
    "delete": lambda mod, key, message: services.message_delete(user=mod, key=key, message_id=message),
}


@pytest.mark.parametrize("asked", ASKED)
def test_who_is_demoted_while_they_wait_for_the_channel_is_refused(
    asked: str, secret: ChannelKey, ann: UserRef, mod: UserRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rights were read before the lock: whoever waited for it acted with rights that were gone."""
    role_becomes(mod, "owner")
    services.invite_create(user=ann, key=secret)
    (stored,) = store_batch([Post(ann, secret, "hi", None)])
    assert isinstance(stored, Stored)
    after_the_first_look(monkeypatch, lambda: role_becomes(mod, "member"))
    with pytest.raises(ForbiddenError):
        ASKED[asked](mod, secret, stored.message["id"])
    channel = Channel.objects.get(key=secret)
    assert (channel.name, channel.slow_mode_s, channel.archived_at) == ("Secret", 0, None)
    assert Invite.objects.get().revoked_at is None
    assert Message.objects.get().deleted_at is None


def test_who_becomes_the_only_owner_while_they_leave_stays(
    secret: ChannelKey, ann: UserRef, mod: UserRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A channel was left without an owner: its last one had been a moderator when they asked to leave."""

    def hand_over() -> None:
        role_becomes(mod, "owner")
        role_becomes(ann, "member")

    after_the_first_look(monkeypatch, hand_over)
    with pytest.raises(ConflictError):
        services.membership_leave(user=mod, key=secret)


if connection.features.has_select_for_update_nowait:  # elsewhere one transaction writes at a time

    def test_an_invite_is_looked_at_under_the_lock_that_a_kick_takes(
        secret: ChannelKey, ann: UserRef, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A kick that came between the look and the membership took nothing away, and the kicked one was in."""
        code = services.invite_create(user=ann, key=secret)["code"]
        real = invites._refuse_kicked
        refused: list[type[BaseException]] = []

        def kick() -> None:
            try:
                with transaction.atomic():
                    Channel.objects.select_for_update(nowait=True).get(key=secret)
            except OperationalError as error:
                refused.append(type(error))
            finally:
                connections.close_all()

        def look(user: UserRef, invite: Invite) -> None:
            real(user, invite)
            kicking = threading.Thread(target=kick)
            kicking.start()
            kicking.join(END_S)

        monkeypatch.setattr(invites, "_refuse_kicked", look)
        services.invite_accept(user=user_ref("bob"), code=code)
        assert refused == [OperationalError]


def test_who_waits_for_the_lock_of_whoever_demotes_them_is_refused(
    secret: ChannelKey, mod: UserRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same with two real transactions, of which the second waits for the first."""
    role_becomes(mod, "owner")
    has_looked = threading.Event()
    after_the_first_look(monkeypatch, has_looked.set)
    outcome: list[object] = []

    def ask() -> None:
        try:
            outcome.append(services.channel_archive(user=mod, key=secret))
        except ReaktorError as error:
            outcome.append(error)
        finally:
            connections.close_all()

    asker = threading.Thread(target=ask)
    with transaction.atomic():
        Channel.objects.select_for_update().get(key=secret)
        role_becomes(mod, "member")
        asker.start()
        assert has_looked.wait(END_S)
    asker.join(END_S)
    assert [type(each) for each in outcome] == [ForbiddenError]
    assert Channel.objects.get(key=secret).archived_at is None
