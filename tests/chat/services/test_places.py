"""The kept places in a real database: what is written is what the next authority reads, but what came to nothing."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from accounts import services as accounts
from accounts.models import User
from chat import services
from chat.domain.ids import ChannelKey, SessionId, UserRef
from chat.domain.sessions import Credentials, Status
from chat.membership.places import FRESH_S, MEMORY_S, ROWS, Place, PlaceNotes, PlaceRow, place_to
from chat.models import Channel, History, KeptPlace, Sanction
from chat.selectors import places_page, worker_places
from chat.services import leaving
from tests.support.databases import channel_of
from tests.support.membership import LINGERS, session_info

pytestmark = [pytest.mark.django_db, pytest.mark.database]

TEA = ChannelKey("tea")
LOGIN = str(uuid.uuid4())


def place_of(user: UserRef, session: str = "s1", *, lost_at: float | None = None, head: int | None = 7) -> Place:
    info = replace(session_info(session, user.id, grace=LINGERS), username=user.username)
    return Place(info, Status.AWAY, {TEA: head}, Credentials(1, LOGIN), lost_at)


def store(*places: Place) -> None:
    """What a worker writes of them; live ones have seen what it says of itself."""
    here = {place.session.session_id: place for place in places}
    notes = PlaceNotes(f"worker-of-{uuid.uuid4().hex[:8]}", here.get, keep_s=LINGERS.keep_s)
    for place in places:
        if place.lost_at is None:
            notes.moved(place.session.session_id)
        else:
            notes.lost(place)
    services.places_store(notes.take({TEA: 41}, time.time()))


def places_kept() -> list[Place]:
    """All pages."""
    workers = worker_places()
    found, after = list[Place](), ""
    while after is not None:
        page, after = places_page(workers, after)
        found += page
    return found


def over(session: str) -> None:
    services.places_store([PlaceRow(session, "another", None, time.time(), "")])


def test_a_lost_session_is_read_as_it_was_written(ann: UserRef) -> None:
    lost = place_of(ann, lost_at=time.time() - 1)
    store(lost)
    assert places_kept() == [lost]


def test_a_live_session_was_lost_when_its_worker_was_last_heard_and_had_seen_what_that_one_delivered(
    ann: UserRef, bob: UserRef
) -> None:
    began = time.time()
    catching_up = place_of(bob, "s2", head=3)
    store(place_of(ann, head=None), catching_up)
    found = {place.session.session_id: place for place in places_kept()}
    assert found[SessionId("s1")].heads == {TEA: 41}
    assert found[SessionId("s2")].heads == {TEA: 3}
    lost_at = found[SessionId("s1")].lost_at
    assert lost_at is not None
    assert began <= lost_at <= time.time()


def test_what_is_written_again_takes_the_place_of_what_was_there_and_what_is_over_stays_over(ann: UserRef) -> None:
    store(place_of(ann))
    lost = place_of(ann, lost_at=time.time())
    store(lost)
    assert places_kept() == [lost]
    over("s1")
    store(lost)
    assert places_kept() == []


def test_a_thousand_sessions_are_one_statement(ann: UserRef, django_assert_num_queries: object) -> None:
    with django_assert_num_queries(1):  # type: ignore[operator]
        store(*(place_of(ann, f"s{number}") for number in range(ROWS)))
    assert len(places_kept()) == ROWS


def test_a_session_is_put_back_under_its_users_name_of_now(ann: UserRef) -> None:
    store(place_of(ann, lost_at=time.time()))
    User.objects.filter(pk=ann.id).update(username="anna")
    (found,) = places_kept()
    assert found.session.username == "anna"


def test_whose_grace_is_over_or_whose_row_another_version_wrote_is_not_read(ann: UserRef) -> None:
    store(place_of(ann, "old", lost_at=time.time() - LINGERS.keep_s))
    store(place_of(ann, "silent"))
    KeptPlace.objects.filter(key__startswith="worker-").update(until=time.time() - 1)
    services.places_store([PlaceRow("odd", "w", None, time.time() + 9, '["what is this"]')])
    assert places_kept() == []


@pytest.mark.parametrize("how", ["logged out", "banned", "off", "deleted", "log-in ended"])
def test_who_may_not_come_back_is_not_put_back(ann: UserRef, how: str) -> None:
    store(place_of(ann, lost_at=time.time()), place_of(ann, "s2"))
    user = User.objects.get(pk=ann.id)
    match how:
        case "logged out":
            accounts.tokens_revoke_all(user)
        case "banned":
            accounts.user_ban(user, until=datetime.now(UTC) + timedelta(minutes=1))
            accounts.user_unban(user)
        case "off":
            accounts.user_disable(user)
        case "deleted":
            User.objects.filter(pk=ann.id).update(deleted_at=datetime.now(UTC))
        case "log-in ended":
            accounts.login_end(user, login=uuid.UUID(LOGIN))
    assert places_kept() == []


def test_nothing_of_a_deleted_account_stays_in_the_table(ann: UserRef, bob: UserRef) -> None:
    store(place_of(ann, lost_at=time.time()), place_of(bob, "s2", lost_at=time.time()))
    leaving.account_leave(user_id=ann.id, removes_messages=False)
    assert [place.session.session_id for place in places_kept()] == ["s2"]
    assert not KeptPlace.objects.filter(user_id=ann.id).exists()


def test_who_was_taken_out_of_a_channel_after_the_loss_is_not_put_back_into_it(tea: ChannelKey, bob: UserRef) -> None:
    """A kick is over before the grace is, and would be forgotten by a restart."""
    channel_of(None, "cake")
    before = place_of(bob, lost_at=time.time() - 30)
    store(replace(before, heads={TEA: 7, ChannelKey("cake"): 5}))
    channel = Channel.objects.get(key=tea)
    at = datetime.now(UTC) - timedelta(seconds=20)
    Sanction.objects.create(
        user_id=bob.id, kind="kick", channel=channel, created_at=at, until=at + timedelta(seconds=10)
    )
    assert [dict(place.heads) for place in places_kept()] == [{"cake": 5}]
    # Who had been kicked before may have joined again.
    Sanction.objects.update(created_at=datetime.now(UTC) - timedelta(seconds=30 + FRESH_S + 1))
    assert [dict(place.heads) for place in places_kept()] == [{"tea": 7, "cake": 5}]


def test_who_lost_the_right_to_be_in_a_channel_is_not_put_back_into_it(ann: UserRef, bob: UserRef) -> None:
    private = channel_of(ann, "private", kind="private")
    store(replace(place_of(bob, lost_at=time.time() - 3), heads={private: 7}))
    services.memberships.removal_add(Channel.objects.get(key=private).pk, bob.id)
    assert [dict(place.heads) for place in places_kept()] == [{}]


def test_a_new_history_forgets_what_was_seen_of_the_old_one(ann: UserRef) -> None:
    """Numbers are given again in it, so those who came back would have been sent nothing, or the wrong half."""
    services.history_settle()
    store(place_of(ann, lost_at=time.time()))
    assert not services.history_settle()
    assert len(places_kept()) == 1
    History.objects.update(home="another database")
    assert services.history_settle()
    assert not KeptPlace.objects.exists()


def test_rows_that_are_over_are_deleted_and_no_others(ann: UserRef) -> None:
    now = time.time()
    long_ago = now - MEMORY_S - 1
    store(place_of(ann, "live"), place_of(ann, "lost", lost_at=now))
    text = place_to(place_of(ann))
    services.places_store(
        [
            PlaceRow("gone", "w", ann.id, long_ago, text),
            PlaceRow("over", "w", None, long_ago, ""),
            PlaceRow("over now", "w", None, now, ""),
            PlaceRow("of nobody", "w", ann.id, None, text),
            PlaceRow("of a dead worker", "dead", ann.id, None, text),
            PlaceRow("dead", "dead", None, long_ago, "[0, {}]"),
        ]
    )
    assert services.places_clear() == 5
    left = KeptPlace.objects.exclude(key__startswith="worker-")
    assert sorted(left.values_list("key", flat=True)) == ["live", "lost", "over now"]
    assert services.places_clear() == 0
