"""Kicks, mutes and bans as they are stored: who may, what they keep from, when they end, what is written down."""

from __future__ import annotations

import itertools
import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from accounts.models import User
from accounts.tokens import check_may_log_in
from chat import selectors, services
from chat.domain.errors import MutedError
from chat.domain.ids import SYSTEM, ChannelKey, UserId, UserRef
from chat.domain.policies import KICK_S
from chat.models import AuditEntry, Channel, ChannelMembership, Sanction
from chat.posting.batches import Post, Result, Stored, store_batch
from chat.selectors.moderation import blocks_in_force
from reaktor.errors import BannedError, ForbiddenError, InvalidError, NotFoundError, RateLimitedError, Terms
from tests.support.databases import channel_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
_nonces = itertools.count(1)
SOON = timedelta(hours=1)


def post(user: UserRef, key: str, text: str = "hi") -> Result:
    return store_batch([Post(user, ChannelKey(key), text, f"n{next(_nonces)}")])[0]


def later() -> datetime:
    return datetime.now(UTC) + SOON


def test_a_mute_keeps_from_writing_in_that_channel_alone_and_says_why(mod: UserRef, bob: UserRef) -> None:
    message = post(bob, "tea")
    assert isinstance(message, Stored)
    services.sanction_issue(user=mod, kind="mute", username="BOB", channel="tea", until=later(), reason="shouting")
    refused = post(bob, "tea")
    assert isinstance(refused, MutedError)
    assert "shouting" in refused.message
    assert 3500 < (refused.retry_after_s or 0) <= 3600
    for change in (
        lambda: services.message_edit(
            user=bob, key="tea", message_id=message.message["id"], text="other", max_chars=99
        ),
        lambda: services.reaction_add(user=bob, key="tea", message_id=message.message["id"], emoji="x"),
    ):
        with pytest.raises(MutedError):
            change()
    channel_of(None, "other")
    assert isinstance(post(bob, "other"), Stored)
    assert services.message_delete(user=bob, key="tea", message_id=message.message["id"])["text"] is None
    assert blocks_in_force() == []


def test_a_ban_from_a_channel_keeps_from_it_altogether_and_is_a_block(mod: UserRef, bob: UserRef) -> None:
    services.sanction_issue(user=mod, kind="ban", username="bob", channel="tea", reason="spam")
    assert isinstance(post(bob, "tea"), BannedError)
    with pytest.raises(BannedError) as refused:
        selectors.channel_access(user=bob, key=ChannelKey("tea"))
    # Whoever came to read was told neither why nor until when.
    assert refused.value.terms == Terms(None, "spam", is_everywhere=False)
    assert selectors.channels_access(user=bob, keys=[ChannelKey("tea")]) == []
    (block,) = blocks_in_force()
    assert (block.user_id, block.channel, block.until, block.code, block.reason) == (
        bob.id, "tea", None, "banned", "spam",
    )  # fmt: skip
    assert services.sanction_lift_all(user=mod, username="bob", channel="tea") == 1
    assert isinstance(post(bob, "tea"), Stored)
    assert blocks_in_force() == []


def test_a_ban_everywhere_kills_the_tokens_and_ends_by_itself(staff: UserRef, bob: UserRef) -> None:
    before = User.objects.get(username="bob")
    services.sanction_issue(user=staff, kind="ban", username="bob", until=later(), reason="spam")
    user = User.objects.get(username="bob")
    assert user.token_version == before.token_version + 1
    with pytest.raises(BannedError, match=r"until .* UTC: spam"):
        check_may_log_in(user)
    channel_of(None, "other")
    assert isinstance(post(bob, "other"), BannedError)
    (block,) = blocks_in_force()
    assert (block.channel, block.code) == (None, "banned")
    over = datetime.now(UTC) - timedelta(seconds=1)
    User.objects.update(banned_until=over)
    Sanction.objects.update(until=over)
    check_may_log_in(User.objects.get(username="bob"))
    assert isinstance(post(bob, "other"), Stored)
    assert blocks_in_force() == []


def test_a_ban_for_good_is_lifted_by_a_hand(staff: UserRef, bob: UserRef) -> None:
    made = services.sanction_issue(user=staff, kind="ban", username="bob")
    with pytest.raises(BannedError, match=r"^This account is banned\.$"):
        check_may_log_in(User.objects.get(username="bob"))
    lifted = services.sanction_lift(user=staff, sanction_id=made["id"], reason="sorry")
    assert lifted["lifted_at"] is not None
    check_may_log_in(User.objects.get(username="bob"))
    assert services.sanction_lift(user=staff, sanction_id=made["id"]) == lifted
    assert [entry.action for entry in AuditEntry.objects.order_by("id")] == ["ban", "lift"]


def test_a_kick_is_a_block_that_ends_in_a_moment(mod: UserRef, bob: UserRef) -> None:
    services.sanction_issue(user=mod, kind="kick", username="bob", channel="tea", reason="out")
    (block,) = blocks_in_force()
    assert block.code == "forbidden"
    assert block.until is not None
    assert 0 < block.until - datetime.now(UTC).timestamp() <= KICK_S


def test_out_of_a_private_channel_a_kick_takes_the_membership_along(ann: UserRef, bob: UserRef) -> None:
    secret = channel_of(ann, "prv-x", "private")
    ChannelMembership.objects.create(channel=Channel.objects.get(key=secret), user_id=bob.id)
    services.sanction_issue(user=ann, kind="kick", username="bob", channel=secret)
    with pytest.raises(NotFoundError):
        selectors.channel_access(user=bob, key=secret)


def test_the_longer_of_two_blocks_of_one_place_is_what_the_authority_keeps(mod: UserRef, bob: UserRef) -> None:
    services.sanction_issue(user=mod, kind="ban", username="bob", channel="tea")
    services.sanction_issue(user=mod, kind="kick", username="bob", channel="tea")
    assert blocks_in_force()[-1].code == "banned"


def test_a_new_sanction_replaces_the_one_of_its_kind_and_place(mod: UserRef, bob: UserRef) -> None:
    first = services.sanction_issue(user=mod, kind="mute", username="bob", channel="tea")
    second = services.sanction_issue(user=mod, kind="mute", username="bob", channel="tea", until=later())
    in_force = selectors.sanctions_list(user=mod, channel="tea", only_in_force=True)[0]
    assert [each["id"] for each in in_force] == [second["id"]]
    assert {each["id"] for each in selectors.sanctions_list(user=mod)[0]} == {first["id"], second["id"]}


def test_only_a_higher_rank_acts_and_only_staff_everywhere(
    ann: UserRef, mod: UserRef, bob: UserRef, staff: UserRef, root: UserRef
) -> None:
    def may(actor: UserRef, target: UserRef, channel: str | None) -> bool:
        try:
            services.sanction_issue(user=actor, kind="mute", username=target.username, channel=channel)
        except ForbiddenError:
            return False
        return True

    everybody = [bob, mod, ann, staff, root]
    for actor, target in itertools.product(everybody, everybody):
        is_higher = everybody.index(actor) > everybody.index(target)
        assert may(actor, target, "tea") == (is_higher and actor is not bob), (actor, target)
        assert may(actor, target, None) == (is_higher and actor in (staff, root)), (actor, target)
    assert may(SYSTEM, root, None)


def test_who_was_demoted_a_moment_ago_is_no_moderator_any_more(mod: UserRef, bob: UserRef, staff: UserRef) -> None:
    ChannelMembership.objects.filter(user_id=mod.id).update(role="member")
    User.objects.filter(pk=staff.id).update(is_staff=False)
    for former, place in ((mod, "tea"), (staff, None)):
        with pytest.raises(ForbiddenError):
            services.sanction_issue(user=former, kind="mute", username="bob", channel=place)


def test_what_makes_no_sense_is_refused_in_words(mod: UserRef, ann: UserRef, bob: UserRef, staff: UserRef) -> None:
    wrong = [
        {"kind": "hug", "username": "bob", "channel": "tea"},
        {"kind": "kick", "username": "bob"},
        {"kind": "mute", "username": "bob", "channel": "tea", "until": datetime.now(UTC)},
        {"kind": "mute", "username": "bob", "channel": "tea", "reason": "x" * 401},
    ]
    for fields in wrong:
        with pytest.raises(InvalidError):
            services.sanction_issue(user=staff, **fields)
    for fields in ({"username": "nobody", "channel": "tea"}, {"username": "bob", "channel": "nowhere"}):
        with pytest.raises(NotFoundError):
            services.sanction_issue(user=mod, kind="mute", **fields)
    gone = UserRef(UserId(str(uuid.uuid4())), "gone")
    with pytest.raises(NotFoundError):
        services.sanction_issue(user=gone, kind="mute", username="bob", channel="tea")
    with pytest.raises(NotFoundError):
        services.sanction_lift(user=mod, sanction_id=1)
    direct = services.direct_open(user=ann, username="bob")[0]
    with pytest.raises(InvalidError):
        services.sanction_issue(user=staff, kind="ban", username="bob", channel=direct.channel.key)
    assert not Sanction.objects.exists()
    assert not AuditEntry.objects.exists()


def test_slow_mode_and_freezing_hold_for_members_and_not_for_moderators(
    ann: UserRef, mod: UserRef, bob: UserRef
) -> None:
    services.channel_update(user=mod, key="tea", slow_mode_s=60)
    results = store_batch([Post(user, ChannelKey("tea"), "x", None) for user in (bob, bob, mod, mod)])
    assert isinstance(results[0], Stored)
    assert isinstance(results[1], RateLimitedError)
    assert all(isinstance(result, Stored) for result in results[2:])
    assert isinstance(post(bob, "tea"), RateLimitedError)
    services.channel_update(user=mod, key="tea", slow_mode_s=0, is_frozen=True)
    assert isinstance(post(bob, "tea"), ForbiddenError)
    assert isinstance(post(mod, "tea"), Stored)
    services.channel_update(user=mod, key="tea", is_frozen=False)
    assert isinstance(post(bob, "tea"), Stored)
    with pytest.raises(ForbiddenError):
        services.channel_update(user=mod, key="tea", name="Mine", is_frozen=True)
    with pytest.raises(ForbiddenError):
        services.channel_update(user=bob, key="tea", is_frozen=True)


def test_the_audit_log_has_everything_and_can_only_grow(mod: UserRef, bob: UserRef) -> None:
    services.sanction_issue(user=mod, kind="mute", username="bob", channel="tea", reason="loud")
    (entry,) = selectors.audit_list(user=mod)[0]
    assert {name: entry[name] for name in ("actor", "action", "target", "channel", "reason")} == {
        "actor": "mod", "action": "mute", "target": "bob", "channel": "tea", "reason": "loud",
    }  # fmt: skip
    assert selectors.audit_list(user=bob)[0] == []
    with pytest.raises(TypeError):
        AuditEntry.objects.all().delete()
    with pytest.raises(TypeError):
        AuditEntry.objects.update(reason="quiet")


def test_the_reader_of_blocks_reads_only_what_changed(mod: UserRef, bob: UserRef, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    reader = selectors.BlockReader()
    assert reader() == []
    with django_assert_num_queries(2):
        assert reader() == []
    services.sanction_issue(user=mod, kind="ban", username="bob", channel="tea")
    assert len(reader()) == 1
    services.sanction_lift_all(user=mod, username="bob", channel="tea")
    assert reader() == []


@pytest.mark.parametrize("place", ["tea", None])
def test_nothing_is_accepted_once_the_ban_is_stored(
    staff: UserRef, bob: UserRef, tea: ChannelKey, place: str | None
) -> None:
    """Posts race with the ban from another thread: what is stored when it returns is all there will ever be."""
    is_over, accepted = threading.Event(), [0]

    def keep_posting() -> None:
        try:
            while not is_over.is_set():
                accepted[0] += isinstance(post(bob, "tea"), Stored)
        finally:
            connection.close()

    threads = [threading.Thread(target=keep_posting) for _ in range(2)]
    for thread in threads:
        thread.start()
    deadline = datetime.now(UTC) + timedelta(seconds=10)
    while accepted[0] < 5 and datetime.now(UTC) < deadline:
        is_over.wait(0.01)
    services.sanction_issue(user=staff, kind="ban", username="bob", channel=place)
    stored = Channel.objects.get(key="tea").number
    is_over.wait(0.2)
    is_over.set()
    for thread in threads:
        thread.join(10)
    assert stored >= 5
    assert Channel.objects.get(key="tea").number == stored


@pytest.mark.parametrize("kind", ["ban", "mute"])
def test_lifting_one_whose_time_is_over_leaves_the_one_in_force(staff: UserRef, bob: UserRef, kind: str) -> None:
    channel_of(None, "other")
    first = services.sanction_issue(user=staff, kind=kind, username="bob", until=later())
    over = datetime.now(UTC) - timedelta(seconds=1)
    Sanction.objects.update(until=over)
    services.sanction_issue(user=staff, kind=kind, username="bob")
    services.sanction_lift(user=staff, sanction_id=first["id"])
    assert isinstance(post(bob, "other"), BannedError | MutedError)
    assert services.sanction_lift_all(user=staff, username="bob") == 1
    assert isinstance(post(bob, "other"), Stored)


def test_the_reader_of_blocks_sees_a_ban_that_took_the_place_of_another(mod: UserRef, bob: UserRef) -> None:
    reader = selectors.BlockReader()
    services.sanction_issue(user=mod, kind="ban", username="bob", channel="tea", until=later())
    assert reader()[0].until is not None
    services.sanction_issue(user=mod, kind="ban", username="bob", channel="tea")
    assert reader()[0].until is None


def test_a_moderator_who_is_banned_sees_nothing_of_the_channel_s_moderation(
    ann: UserRef, mod: UserRef, bob: UserRef
) -> None:
    services.sanction_issue(user=mod, kind="mute", username="bob", channel="tea")
    assert selectors.audit_list(user=mod)[0] != []
    services.sanction_issue(user=ann, kind="ban", username="mod", channel="tea")
    assert selectors.audit_list(user=mod)[0] == []
    assert {each["username"] for each in selectors.sanctions_list(user=mod)[0]} == {"mod"}


def test_who_is_demoted_while_a_sanction_waits_has_no_rank_any_more(mod: UserRef, bob: UserRef) -> None:
    """The sanction waits for the channel's lock; the demotion that holds it comes first."""
    outcome: list[object] = []
    is_locked = threading.Event()

    def ban() -> None:
        is_locked.wait(10)
        try:
            outcome.append(services.sanction_issue(user=mod, kind="ban", username="bob", channel="tea"))
        except ForbiddenError as error:
            outcome.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=ban)
    thread.start()
    with transaction.atomic():
        Channel.objects.select_for_update().get(key="tea")
        is_locked.set()
        thread.join(0.3)
        ChannelMembership.objects.filter(user_id=mod.id).update(role="member")
    thread.join(10)
    assert isinstance(outcome[0], ForbiddenError)
