"""Each law finds a history that breaks it, and lets pass one that does not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults.history import Applied, Carried, History, Join, Rest, Shown, Stay, View
from tests.faults.laws import LAWS, check
from tests.faults.schedule import Fault, Kind, Role
from tests.support.place import Said, Told

STORED = [Said(seq, f"id{seq}", f"text {seq}") for seq in (1, 2, 3, 4)]
ALL = frozenset({"ann", "bob", "cid"})
A = frozenset({"a"})
REST = Rest(1, {"a": A, "b": A, "c": A}, A, "digest", {"1.1.1.1": "digest", "2.1.1.1": "digest"})


def carried(kind: Kind = Kind.HOST_KILLED, target: str = "b") -> Carried:
    """Began at 10, was undone at 20; all was quiet at 30."""
    return Carried(Fault(kind, Role.FIRST, number=1), "a", target, "", 10.0, 20.0, 30.0)


def good() -> History:
    """Host b is killed. Bob was there, comes back on c, and is seen leaving meanwhile. Cid can't say what he has."""
    left = Told(11.0, "member.left", "bob")
    return History(
        faults=[carried()],
        began=2.0,
        rests=[REST],
        stays=[
            Stay("ann", "b", 0.0, 1.0),
            Stay("ann", "a", 1.1),
            Stay("bob", "b", 0.0, 10.1),
            Stay("bob", "c", 12.0, 13.0),
            Stay("bob", "c", 14.0),
            Stay("cid", "c", 0.0, 10.1, via="b"),
            Stay("cid", "c", 10.5),
        ],
        views=[
            View("ann", "tea", 0, tuple(STORED), ALL, acked=(STORED[0], STORED[2]), told=(left,)),
            View("bob", "tea", 1, tuple(STORED[1:]), ALL, acked=(STORED[1],)),
            View("cid", "tea", 2, (STORED[2], STORED[2], STORED[3]), ALL, may_repeat=True),
        ],
        joins=[Join("a", 9.5, 14.0), Join("b", 11.0, 24.5), Join("c", 25.0, 25.1)],
        applied=[Applied("one", 5, 5), Applied("one", 6, 6), Applied("other", 5, 5)],
        stored={"tea": STORED},
        present={"tea": ALL},
        listed={"ann": {"tea": ALL}},
    )


def test_a_history_in_which_all_is_well_breaks_no_law() -> None:
    assert check(good()) == {}


def test_others_do_not_wait_for_a_host_that_stands_still_to_relay_to_it() -> None:
    history = good()
    history.faults = [carried(Kind.HOST_STOPPED)]
    history.stays = [Stay("cid", "b", 0.0, 15.0, via="c"), Stay("cid", "c", 15.1, 20.5), Stay("cid", "a", 21.0)]
    assert ENDED not in check(history)
    history.stays[0] = replace(history.stays[0], via="b")
    assert ENDED in check(history)


@pytest.mark.parametrize("silent_s", [20.0, 45.0])
def test_nobody_waits_for_ever_for_what_two_hosts_relay_that_are_cut_off_each_other(silent_s: float) -> None:
    history = good()
    began = history.faults[0].began
    cut = carried(Kind.CUT_FROM_HOST, "b")
    history.faults = [replace(cut, other="c", settled=began + 9)]
    gone = began + silent_s
    history.stays = [Stay("cid", "b", 0.0, gone, via="c"), Stay("cid", "a", gone + 1)]
    # Others may hear of it before the client does.
    history.views[0] = replace(history.views[0], told=(Told(began + 20.0, "member.left", "cid"),))
    assert not {ENDED, LEAVING} & check(history).keys()
    history.views[0] = replace(history.views[0], told=(Told(began + 10.0, "member.left", "cid"),))
    assert LEAVING in check(history)
    history.stays[0] = replace(history.stays[0], via="b")
    assert {ENDED, LEAVING} <= check(history).keys()


def two_holders(history: History) -> None:
    history.rests[0] = replace(REST, serving=frozenset({"a", "b"}))


def no_holder(history: History) -> None:
    history.rests[0] = replace(REST, serving=frozenset(), deciding={})


def another_holder_seen(history: History) -> None:
    history.rests[0] = replace(REST, deciding={"a": A, "b": frozenset({"b"})})


def old_epoch(history: History) -> None:
    history.applied.append(Applied("one", 5, 5))


def old_epoch_of_who_follows_a_higher_one(history: History) -> None:
    history.applied.append(Applied("other", 5, 6))


def differing_replica(history: History) -> None:
    history.rests[0] = replace(REST, replicas={"1.1.1.1": "other"})


def never_quiet(history: History) -> None:
    history.rests[0] = replace(REST, missing=("host b has no worker",))


def ghost_told(history: History) -> None:
    history.views[0] = replace(history.views[0], members=ALL | {"eve"})


def ghost_listed(history: History) -> None:
    history.listed["ann"] = {"tea": ALL | {"eve"}}


def member_not_shown(history: History) -> None:
    history.views[2] = replace(history.views[2], members=ALL - {"bob"})


def locked_out(history: History) -> None:
    history.absent.append("bob is refused: too_many_sessions")


def ended_on_a_living_host(history: History) -> None:
    history.stays[1] = replace(history.stays[1], until=15.0)


def ended_while_nothing_was_done(history: History) -> None:
    history.stays[1] = replace(history.stays[1], until=5.0)


def ended_by_a_fault_that_ends_nobody(history: History) -> None:
    history.faults[0] = carried(Kind.HOST_STOPPED)


def seen_leaving(history: History) -> None:
    view = history.views[1]
    history.views[1] = replace(view, told=(Told(15.0, "member.left", "ann"),))


def seen_leaving_while_nothing_was_done(history: History) -> None:
    view = history.views[1]
    history.views[1] = replace(view, told=(Told(5.0, "member.left", "cid"),))


def seen_leaving_though_only_the_database_was_away(history: History) -> None:
    history.faults[0] = carried(Kind.POSTGRESQL_AWAY, "")


def late_join(history: History) -> None:
    history.joins.append(Join("c", 9.0, 15.5))


def late_join_on_the_host_itself(history: History) -> None:
    history.joins.append(Join("b", 11.0, 25.5))


def join_never_answered(history: History) -> None:
    history.joins.append(Join("a", 12.0, math.inf))


def late_join_after_the_service_is_back(history: History) -> None:
    history.faults[0] = carried(Kind.REDIS_FAILS_OVER, "")
    history.joins.append(Join("c", 11.0, 25.5))


def lost(history: History) -> None:
    view = history.views[0]
    history.views[0] = replace(view, acked=(*view.acked, Said(5, "id5", "text 5")))


def stored_twice(history: History) -> None:
    history.stored["tea"] = [*STORED, Said(5, "id5", "text 1")]


def hole_in_the_store(history: History) -> None:
    history.stored["tea"] = [*STORED[:-1], replace(STORED[-1], seq=9)]


def acknowledged_out_of_order(history: History) -> None:
    view = history.views[0]
    history.views[0] = replace(view, acked=view.acked[::-1])


def seen_twice(history: History) -> None:
    view = history.views[0]
    history.views[0] = replace(view, seen=(view.seen[0], *view.seen))


def not_seen(history: History) -> None:
    view = history.views[2]
    history.views[2] = replace(view, seen=view.seen[:-1])


def seen_out_of_order(history: History) -> None:
    view = history.views[2]
    history.views[2] = replace(view, seen=view.seen[::-1])


def client_found_something(history: History) -> None:
    history.breaches.append("ann in tea (live): 7 after 5")


def counted_too_few(history: History) -> None:
    channel, stored = next(iter(history.stored.items()))
    history.shown = [Shown("eve", channel, len(stored) - 1, 0)]


def counted_a_mention_twice(history: History) -> None:
    channel, stored = next(iter(history.stored.items()))
    history.shown = [Shown("eve", channel, len(stored), 1)]


def counted_what_another_device_read(history: History) -> None:
    channel, stored = next(iter(history.stored.items()))
    history.read = {("eve", channel): len(stored)}
    history.shown = [Shown("eve", channel, len(stored), 0)]


ONE_HOLDER, OLD_EPOCH, REPLICAS, GHOSTS, LOCKED, ENDED, LEAVING, JOINS, STORE, SEEN, BADGES, PROTOCOL = LAWS


@pytest.mark.parametrize(
    ("spoil", "law"),
    [
        (two_holders, ONE_HOLDER),
        (no_holder, ONE_HOLDER),
        (another_holder_seen, ONE_HOLDER),
        (old_epoch, OLD_EPOCH),
        (old_epoch_of_who_follows_a_higher_one, OLD_EPOCH),
        (differing_replica, REPLICAS),
        (never_quiet, REPLICAS),
        (ghost_told, GHOSTS),
        (ghost_listed, GHOSTS),
        (member_not_shown, GHOSTS),
        (locked_out, LOCKED),
        (ended_on_a_living_host, ENDED),
        (ended_while_nothing_was_done, ENDED),
        (ended_by_a_fault_that_ends_nobody, ENDED),
        (seen_leaving, LEAVING),
        (seen_leaving_while_nothing_was_done, LEAVING),
        (seen_leaving_though_only_the_database_was_away, LEAVING),
        (late_join, JOINS),
        (late_join_on_the_host_itself, JOINS),
        (join_never_answered, JOINS),
        (late_join_after_the_service_is_back, JOINS),
        (lost, STORE),
        (stored_twice, STORE),
        (hole_in_the_store, STORE),
        (acknowledged_out_of_order, STORE),
        (seen_twice, SEEN),
        (not_seen, SEEN),
        (seen_out_of_order, SEEN),
        (counted_too_few, BADGES),
        (counted_a_mention_twice, BADGES),
        (counted_what_another_device_read, BADGES),
        (client_found_something, PROTOCOL),
    ],
)
def test_a_broken_history_is_caught(spoil: Callable[[History], None], law: str) -> None:
    history = good()
    spoil(history)
    assert law in check(history)
