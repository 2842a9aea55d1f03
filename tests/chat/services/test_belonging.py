"""Durable memberships, roles, invites, direct channels and personal blocks as they are stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from accounts.models import User
from chat import selectors, services
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.policies import Role
from chat.models import AuditEntry, Channel, ChannelMembership, Invite, Mention
from chat.posting.batches import Post, Result, Stored, store_batch
from chat.selectors.moderation import blocks_in_force
from reaktor.errors import BannedError, ConflictError, ForbiddenError, InvalidError, NotFoundError
from tests.support.databases import channel_of, user_ref
from tests.support.threads import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def secret(ann: UserRef) -> ChannelKey:
    return services.channel_create(user=ann, name="Secret", kind="private").channel.key


def role_of(user: UserRef, key: str) -> str | None:
    found = ChannelMembership.objects.filter(channel__key=key, user_id=user.id).values_list("role", flat=True)
    return found[0] if found else None


def post(user: UserRef, key: str, text: str = "hi") -> Result:
    return store_batch([Post(user, ChannelKey(key), text, None)])[0]


# -- Private channels and invites ---------------------------------------------------------------------------------


def invited(whom: UserRef, by: UserRef, key: ChannelKey) -> None:
    """Make somebody a member of a private channel, as they want it themselves."""
    services.invite_accept(user=whom, code=services.invite_create(user=by, key=key)["code"])


def test_a_private_channel_has_a_random_key_and_does_not_exist_for_others(secret: ChannelKey, bob: UserRef) -> None:
    assert secret.startswith("prv-")
    assert len(secret) == 47
    with pytest.raises(NotFoundError):
        selectors.channel_access(user=bob, key=secret)
    assert not isinstance(post(bob, secret), Stored)
    for ask in (services.membership_join, services.membership_leave):
        with pytest.raises(NotFoundError):
            ask(user=bob, key=secret)


def test_an_invite_lets_in_as_often_as_it_says_and_members_use_none_up(secret: ChannelKey, ann: UserRef) -> None:
    code = services.invite_create(user=ann, key=secret, uses=2)["code"]
    guests = [user_ref(f"guest{number}") for number in range(3)]
    for guest in guests[:2]:
        for _ in range(2):
            assert services.invite_accept(user=guest, code=code).access.role is Role.MEMBER
    with pytest.raises(NotFoundError):
        services.invite_accept(user=guests[2], code=code)
    assert selectors.invites_list(Channel.objects.get(key=secret).id) == []
    assert isinstance(post(guests[0], secret), Stored)


def test_what_is_no_possible_code_or_name_is_not_found(secret: ChannelKey, ann: UserRef) -> None:
    """PostgreSQL takes no NUL: asked for one, it gave an error of ours."""
    for odd in ("a\x00b", "\x00", "half \ud83d", "žofie"):
        for ask in (services.invite_accept, services.invite_revoke):
            with pytest.raises(NotFoundError):
                ask(user=ann, code=odd)
        with pytest.raises(NotFoundError):
            services.user_block(user=ann, username=odd)
        with pytest.raises(NotFoundError):
            services.role_set(user=ann, key=secret, username=odd, role="member")


def test_one_use_is_one_use_whoever_comes_at_once(secret: ChannelKey, ann: UserRef) -> None:
    code = services.invite_create(user=ann, key=secret, uses=1)["code"]
    guests = [user_ref(f"guest{number}") for number in range(4)]
    results = at_once(*[partial(services.invite_accept, user=guest, code=code) for guest in guests])
    assert [type(result) for result in results].count(NotFoundError) == len(guests) - 1
    assert ChannelMembership.objects.filter(channel__key=secret).count() == 2


def test_an_invite_ends_by_time_by_revocation_and_not_for_the_banned(
    secret: ChannelKey, ann: UserRef, bob: UserRef
) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    code = services.invite_create(user=ann, key=secret, expires_at=soon)["code"]
    Invite.objects.update(expires_at=datetime.now(UTC))
    with pytest.raises(NotFoundError):
        services.invite_accept(user=bob, code=code)
    code = services.invite_create(user=ann, key=secret)["code"]
    with pytest.raises(NotFoundError):
        services.invite_revoke(user=bob, code=code)
    services.sanction_issue(user=ann, kind="ban", username="bob", channel=secret)
    with pytest.raises(BannedError):
        services.invite_accept(user=bob, code=code)
    services.sanction_lift_all(user=ann, username="bob", channel=secret)
    services.invite_revoke(user=ann, code=code)
    services.invite_revoke(user=ann, code=code)
    with pytest.raises(NotFoundError):
        services.invite_accept(user=bob, code=code)


def test_invites_are_made_by_moderators_of_channels_that_are_not_open(
    secret: ChannelKey, ann: UserRef, bob: UserRef, tea: ChannelKey
) -> None:
    with pytest.raises(InvalidError):
        services.invite_create(user=ann, key=tea)
    for uses in (0, 100_001):
        with pytest.raises(InvalidError):
            services.invite_create(user=ann, key=secret, uses=uses)
    with pytest.raises(InvalidError):
        services.invite_create(user=ann, key=secret, expires_at=datetime.now(UTC))
    invited(bob, ann, secret)
    with pytest.raises(ForbiddenError):
        services.invite_create(user=bob, key=secret)


def test_leaving_a_private_channel_is_a_block_for_a_moment_and_the_last_one_archives_it(
    secret: ChannelKey, ann: UserRef, bob: UserRef
) -> None:
    invited(bob, ann, secret)
    with pytest.raises(ConflictError):
        services.membership_leave(user=ann, key=secret)
    services.membership_leave(user=bob, key=secret)
    (block,) = blocks_in_force()
    assert (block.user_id, block.channel, block.code) == (bob.id, secret, "not_found")
    invited(bob, ann, secret)
    assert blocks_in_force() == []
    services.membership_leave(user=bob, key=secret)
    services.membership_leave(user=ann, key=secret)
    assert Channel.objects.get(key=secret).archived_at is not None


def test_belonging_to_an_open_channel_is_a_matter_of_asking(tea: ChannelKey, bob: UserRef, ann: UserRef) -> None:
    post(ann, tea)
    for _ in range(2):
        found = services.membership_join(user=bob, key=tea)
    assert (found.access.role, found.marker.at.number) == (Role.MEMBER, 1)
    for _ in range(2):
        services.membership_leave(user=bob, key=tea)
    assert role_of(bob, tea) is None
    assert blocks_in_force() == []


# -- Roles --------------------------------------------------------------------------------------------------------


def test_a_role_puts_nobody_into_a_private_channel(secret: ChannelKey, ann: UserRef, bob: UserRef) -> None:
    """An owner who changed a stranger's role had them in the private channel, unasked."""
    with pytest.raises(ConflictError, match="invite"):
        services.role_set(user=ann, key=secret, username="bob", role="moderator")
    assert role_of(bob, secret) is None
    invited(bob, ann, secret)
    assert services.role_set(user=ann, key=secret, username="bob", role="moderator") is Role.MODERATOR


def test_owners_give_and_take_roles(tea: ChannelKey, ann: UserRef, bob: UserRef) -> None:
    assert services.role_set(user=ann, key=tea, username="Bob", role="moderator") is Role.MODERATOR
    assert role_of(bob, tea) == "moderator"
    assert services.role_remove(user=ann, key=tea, username="bob") is Role.MEMBER
    assert role_of(bob, tea) == "member"
    assert [entry.details["role"] for entry in AuditEntry.objects.order_by("id")] == ["moderator", "member"]


def test_nobody_gives_what_they_do_not_have_or_acts_on_their_equals(
    tea: ChannelKey, ann: UserRef, mod: UserRef, bob: UserRef, staff: UserRef
) -> None:
    for actor, target, role in ((mod, "bob", "moderator"), (bob, "mod", "member"), (mod, "ann", "member")):
        with pytest.raises(ForbiddenError):
            services.role_set(user=actor, key=tea, username=target, role=role)
    services.role_set(user=ann, key=tea, username="bob", role="owner")
    with pytest.raises(ForbiddenError):
        services.role_set(user=ann, key=tea, username="bob", role="member")
    services.role_set(user=staff, key=tea, username="bob", role="member")
    with pytest.raises(InvalidError):
        services.role_set(user=ann, key=tea, username="bob", role="king")
    with pytest.raises(NotFoundError):
        services.role_remove(user=ann, key=tea, username="staff")


def test_one_may_step_down_but_for_the_last_owner_and_never_up(
    tea: ChannelKey, ann: UserRef, mod: UserRef, bob: UserRef
) -> None:
    with pytest.raises(ForbiddenError):
        services.role_set(user=mod, key=tea, username="mod", role="owner")
    services.role_remove(user=mod, key=tea, username="mod")
    assert role_of(mod, tea) == "member"
    with pytest.raises(ConflictError):
        services.role_set(user=ann, key=tea, username="ann", role="member")
    services.role_set(user=ann, key=tea, username="bob", role="owner")
    services.role_set(user=ann, key=tea, username="ann", role="member")
    assert role_of(ann, tea) == "member"


# -- Direct channels ----------------------------------------------------------------------------------------------


def test_two_people_have_one_direct_channel_called_by_the_other_s_name(ann: UserRef, bob: UserRef) -> None:
    mine, is_new = services.direct_open(user=ann, username="BOB")
    theirs, is_new_again = services.direct_open(user=bob, username="ann")
    assert (is_new, is_new_again) == (True, False)
    assert mine.channel.key == theirs.channel.key
    assert mine.channel.key.startswith("dm-")
    assert (mine.channel.name, theirs.channel.name) == ("bob", "ann")
    assert isinstance(post(ann, mine.channel.key), Stored)
    assert mine.channel.key not in {each["key"] for each in selectors.channel_list(user=ann, online=len)["results"]}
    with pytest.raises(NotFoundError):
        selectors.channel_access(user=user_ref("eve"), key=mine.channel.key)
    with pytest.raises(ConflictError):
        services.membership_leave(user=ann, key=mine.channel.key)


def test_who_opens_it_at_once_gets_the_same_one(ann: UserRef, bob: UserRef) -> None:
    def open_it(user: UserRef, other: str) -> str:
        return str(services.direct_open(user=user, username=other)[0].channel.key)

    first, second = at_once(partial(open_it, ann, "bob"), partial(open_it, bob, "ann"))
    assert first == second


def test_who_blocks_somebody_hears_nothing_of_them(ann: UserRef, bob: UserRef, tea: ChannelKey) -> None:
    direct = services.direct_open(user=ann, username="bob")[0].channel.key
    for _ in range(2):
        services.user_block(user=bob, username="ann")
    assert isinstance(post(ann, direct), ForbiddenError)
    assert isinstance(post(bob, direct), ForbiddenError)
    assert isinstance(post(ann, tea, "hi @bob"), Stored)
    assert not Mention.objects.exists()
    assert selectors.moderation.blocked_users(bob.id) == [{"username": "ann"}]
    eve = user_ref("eve")
    services.user_block(user=eve, username="bob")
    for user, other in ((bob, "eve"), (eve, "bob")):
        with pytest.raises(ForbiddenError):
            services.direct_open(user=user, username=other)
    services.user_unblock(user=bob, username="ann")
    assert isinstance(post(ann, direct, "hi again"), Stored)
    assert isinstance(post(ann, tea, "hi @bob"), Stored)
    assert Mention.objects.count() == 1


def test_nobody_blocks_endlessly_many(ann: UserRef, bob: UserRef, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who had as many as they may, and blocked one of them again, was refused what was so already."""
    monkeypatch.setattr("chat.services.direct.MAX_BLOCKED", 1)
    for _ in range(2):
        services.user_block(user=ann, username="bob")
    user_ref("eve")
    with pytest.raises(ConflictError):
        services.user_block(user=ann, username="eve")


def test_nobody_opens_a_direct_channel_with_themselves_or_nobody(ann: UserRef) -> None:
    for ask in (services.direct_open, services.user_block):
        with pytest.raises(InvalidError):
            ask(user=ann, username="ann")
        with pytest.raises(NotFoundError):
            ask(user=ann, username="nobody")
    User.objects.create(username="gone", password="!", is_active=False)
    with pytest.raises(NotFoundError):
        services.direct_open(user=ann, username="gone")


def test_a_banned_owner_is_none_while_it_lasts(ann: UserRef, staff: UserRef, tea: ChannelKey) -> None:
    services.sanction_issue(user=staff, kind="ban", username="ann", channel=tea)
    with pytest.raises(BannedError):
        services.channel_update(user=ann, key=tea, topic="mine")
    channel_of(ann, "other")
    services.channel_update(user=ann, key="other", topic="mine")


def test_nobody_is_made_a_member_by_somebody_whom_they_block_or_after_their_account_was_switched_off(
    secret: ChannelKey, ann: UserRef, bob: UserRef
) -> None:
    services.user_block(user=bob, username="ann")
    with pytest.raises(ForbiddenError):
        services.role_set(user=ann, key=secret, username="bob", role="member")
    services.user_unblock(user=bob, username="ann")
    User.objects.filter(pk=bob.id).update(is_active=False)
    with pytest.raises(NotFoundError):
        services.role_set(user=ann, key=secret, username="bob", role="owner")


def test_who_was_kicked_needs_an_invite_that_is_newer_than_that(secret: ChannelKey, ann: UserRef, bob: UserRef) -> None:
    code = services.invite_create(user=ann, key=secret)["code"]
    services.invite_accept(user=bob, code=code)
    services.sanction_issue(user=ann, kind="kick", username="bob", channel=secret)
    with pytest.raises(ForbiddenError):
        services.invite_accept(user=bob, code=code)
    services.invite_accept(user=bob, code=services.invite_create(user=ann, key=secret)["code"])


def test_whose_other_one_is_gone_sees_no_name_any_more(ann: UserRef, bob: UserRef) -> None:
    key = services.direct_open(user=ann, username="bob")[0].channel.key
    ChannelMembership.objects.filter(user_id=ann.id).delete()
    assert selectors.channel_access(user=bob, key=key).channel.name == "deleted user"
