"""Which slice is made next, and for whom."""

from __future__ import annotations

from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.membership.protocol import ALL_PARTS, PARTS, Connected, part_of
from chat.membership.roster import Roster
from chat.membership.slices import Slices
from chat.membership.wire import SLICES_PER_ASK, SyncRequest
from tests.support.membership import FIRST, SECOND, session_info

LOBBY = ChannelKey("lobby")
USERS = [UserId(f"user{number}") for number in range(200)]


def slices(sessions: int = 1) -> Slices:
    """Of 200 users with one session each."""
    roster = Roster()
    for user in USERS:
        roster.apply(Connected(session_info(f"s-{user}", user), frozenset({LOBBY})))
    return Slices(roster, sessions)


def taken(made: Slices, worker: WorkerId) -> list[range]:
    """All that is left to be made, which must be for that worker."""
    found: list[range] = []
    while made:
        parts, workers = made.take()
        assert worker in workers
        found.append(parts)
    return found


def test_asking_again_and_again_brings_each_part_once() -> None:
    made, wanted = slices(), set(ALL_PARTS)
    rounds = 0
    while wanted:
        runs = tuple(range(part, part + 1) for part in sorted(wanted))
        made.ask(SyncRequest(FIRST, None, runs))
        found = taken(made, FIRST)
        assert 0 < len(found) <= SLICES_PER_ASK
        for parts in found:
            assert wanted.issuperset(parts)
            wanted.difference_update(parts)
        rounds += 1
    assert rounds > 2


def test_parts_are_put_together_up_to_so_many_sessions() -> None:
    made = slices(10)
    made.ask(SyncRequest(FIRST))
    found = taken(made, FIRST)
    sizes = [sum(part_of(user) in parts for user in USERS) for parts in found]
    assert sum(sizes) == len(USERS)
    assert max(sizes) == 10


def test_a_membership_of_few_is_one_slice() -> None:
    made = Slices(Roster(), 100)
    made.ask(SyncRequest(FIRST))
    assert taken(made, FIRST) == [ALL_PARTS]


def test_a_slice_is_made_once_for_all_who_want_it_then() -> None:
    made = slices(10)
    made.ask(SyncRequest(FIRST))
    alone = [made.take() for _ in range(5)]
    assert all(set(workers) == {FIRST} for _, workers in alone)
    made.ask(SyncRequest(SECOND))
    parts, workers = made.take()
    assert parts.start == alone[-1][0].stop, "the second one goes along from where the first one is"
    assert set(workers) == {FIRST, SECOND}
    both = [parts]
    while FIRST in workers and made:
        parts, workers = made.take()
        both.append(parts)
    rest = [parts, *taken(made, SECOND)]
    assert rest[-1].stop == alone[-1][0].stop, "and ends where it began"
    covered = {part for run in [*both, *rest] for part in run}
    assert covered == set(ALL_PARTS)


def test_a_worker_that_asks_no_more_gets_no_more() -> None:
    made = slices()
    made.ask(SyncRequest(FIRST))
    assert len(taken(made, FIRST)) == SLICES_PER_ASK
    made.ask(SyncRequest(FIRST))
    made.take()
    made.forget(FIRST)
    assert not made


def test_a_later_request_takes_the_place_of_the_one_before() -> None:
    made = slices()
    made.ask(SyncRequest(FIRST, None, (range(5),), 1))
    made.ask(SyncRequest(FIRST, None, (range(PARTS - 1, PARTS),), 2))
    assert made.take() == (range(PARTS - 1, PARTS), {FIRST: 2})
    assert not made
    made.ask(SyncRequest(FIRST))
    made.ask(SyncRequest(FIRST, None, ()))
    assert not made


def test_the_session_of_a_user_is_in_the_slice_of_the_part_that_the_user_is_in() -> None:
    roster = Roster()
    roster.apply(Connected(session_info("s1", "ann")))
    part = part_of(UserId("ann"))
    assert [item.session.session_id for item in roster.snapshot_sessions(0.0, [part])] == [SessionId("s1")]
    assert roster.snapshot_sessions(0.0, [each for each in ALL_PARTS if each != part]) == ()
