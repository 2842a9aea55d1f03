"""Which host may start beside which, and which of them live: rows and times in, an answer out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reaktor.cluster.failures import SupervisorError
from reaktor.cluster.hosts import NO_FILES, OWN_FILES, SHARED_FILES, SILENT_S, Entrance, HostRow, HostWatch

OWN = HostRow(
    name="a", lock="boot.1", version="1.0", wire=3, secret_key="s", jwt_secret="j", has_shared_bus=True
)  # fmt: skip
READABLE = {2, 3, 4}
OTHER = replace(OWN, name="b", lock="boot.2", number=2, life=7, renewals=40)
FORMER = replace(OWN, number=1, life=3, renewals=9)


def beaten(row: HostRow) -> HostRow:
    return replace(row, renewals=row.renewals + 1)


def test_who_is_alike_starts_at_once_beside_whoever_lives() -> None:
    entrance = Entrance(OWN, READABLE)
    assert entrance.may_enter([OTHER], 0.0)
    assert entrance.own_row([OTHER]) is None


@pytest.mark.parametrize("wire", [2, 4])
def test_the_release_before_and_the_one_after_may_live_beside_us(wire: int) -> None:
    assert Entrance(OWN, READABLE).may_enter([replace(OTHER, wire=wire, version="other")], 0.0)


def test_a_row_of_our_own_lock_or_that_ended_in_order_is_taken_at_once() -> None:
    for row in (FORMER, replace(FORMER, lock="boot.9", is_up=False)):
        entrance = Entrance(OWN, READABLE)
        assert entrance.may_enter([row, OTHER], 0.0)
        assert entrance.own_row([row, OTHER]) is row


def test_a_host_that_has_another_name_now_keeps_its_number_unless_the_name_is_known() -> None:
    renamed = replace(FORMER, name="former")
    assert Entrance(OWN, READABLE).own_row([renamed]) is renamed
    known = replace(OTHER, name="a")
    assert Entrance(OWN, READABLE).own_row([renamed, known]) is known


def test_our_name_elsewhere_is_waited_for_until_it_was_silent() -> None:
    elsewhere = replace(FORMER, lock="boot.9")
    entrance = Entrance(OWN, READABLE)
    assert not entrance.may_enter([elsewhere], 10.0)
    assert not entrance.may_enter([elsewhere], 10.0 + SILENT_S - 0.1)
    assert entrance.may_enter([elsewhere], 10.0 + SILENT_S)


def test_our_name_elsewhere_that_is_renewed_or_starts_anew_refuses_us() -> None:
    elsewhere = replace(FORMER, lock="boot.9")
    for later in (beaten(elsewhere), replace(elsewhere, life=4)):
        entrance = Entrance(OWN, READABLE)
        assert not entrance.may_enter([elsewhere], 0.0)
        with pytest.raises(SupervisorError, match="A host called a works on this database already"):
            entrance.may_enter([later], 4.9)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"secret_key": "x"}, "SECRET_KEY is another one than on host b"),
        ({"jwt_secret": "x"}, "JWT_SECRET is another one than on host b"),
        ({"wire": 5, "version": "2.0"}, "Host b runs release 2.0"),
        ({"wire": 1, "version": "0.1"}, "Upgrade by way of a release between"),
        ({"has_shared_bus": False}, "they would not hear each other"),
    ],
)
def test_a_difference_stops_a_start_beside_who_lives_and_no_other(other: dict[str, str], reason: str) -> None:
    different = replace(OTHER, **other)  # type: ignore[arg-type]
    entrance = Entrance(OWN, READABLE)
    assert not entrance.may_enter([different], 0.0)
    with pytest.raises(SupervisorError, match=reason):
        entrance.may_enter([beaten(different)], 1.0)
    entrance = Entrance(OWN, READABLE)
    assert not entrance.may_enter([different], 0.0)
    assert entrance.may_enter([different], SILENT_S)
    assert Entrance(OWN, READABLE).may_enter([replace(different, is_up=False)], 0.0)


@pytest.mark.parametrize(
    ("mine", "told"), [(True, "This host has TLS"), (False, "Host .* has TLS .*, and this one has")]
)
def test_tls_for_what_hosts_relay_is_had_by_all_or_by_none(mine: bool, told: str) -> None:
    entrance = Entrance(replace(OWN, relays_by_tls=mine), READABLE)
    theirs = replace(OTHER, relays_by_tls=not mine)
    assert not entrance.may_enter([theirs], 0.0)
    with pytest.raises(SupervisorError, match=told):
        entrance.may_enter([beaten(theirs)], 1.0)
    assert Entrance(replace(OWN, relays_by_tls=mine), READABLE).may_enter([replace(OTHER, relays_by_tls=mine)], 0.0)


@pytest.mark.parametrize(
    ("mine", "theirs", "told"),
    [
        (OWN_FILES, OWN_FILES, "neither could show the other's"),
        (OWN_FILES, SHARED_FILES, "in another place"),
        (SHARED_FILES, "s3 1", "in another place"),
        ("s3 1", "s3 2", "in another place"),
    ],
)
def test_hosts_keep_files_in_one_place(mine: str, theirs: str, told: str) -> None:
    other = replace(OTHER, files=theirs)
    entrance = Entrance(replace(OWN, files=mine), READABLE)
    assert not entrance.may_enter([other], 0.0)
    with pytest.raises(SupervisorError, match=told):
        entrance.may_enter([beaten(other)], 0.1)


@pytest.mark.parametrize("place", [SHARED_FILES, "s3 1"])
def test_who_has_the_same_place_for_files_or_knows_none_fits(place: str) -> None:
    entrance = Entrance(replace(OWN, files=place), READABLE)
    assert entrance.may_enter([replace(OTHER, files=place), replace(OTHER, number=3, files=NO_FILES)], 0.0)


def test_who_shares_no_bus_starts_beside_nobody() -> None:
    alone = Entrance(replace(OWN, has_shared_bus=False), READABLE)
    assert not alone.may_enter([OTHER], 0.0)
    with pytest.raises(SupervisorError, match="they would not hear each other"):
        alone.may_enter([beaten(OTHER)], 1.0)


def test_a_watch_tells_who_lives_by_what_changes() -> None:
    watch = HostWatch()
    assert watch.hosts() == []
    watch.note([OTHER, FORMER], 0.0)
    assert watch.hosts() == [(FORMER, True), (OTHER, True)]
    for now in (2.0, 4.0, SILENT_S):
        watch.note([beaten(OTHER), FORMER], now)
    assert watch.hosts() == [(FORMER, False), (beaten(OTHER), True)]
    ended = replace(beaten(OTHER), is_up=False)
    watch.note([ended], SILENT_S + 0.1)
    assert watch.hosts() == [(ended, False)]


ADVERTISED = replace(OTHER, advertise="10.0.0.2:8001")


def test_neighbours_are_the_other_hosts_that_live_and_say_where_they_listen() -> None:
    watch = HostWatch()
    own = replace(FORMER, advertise="10.0.0.1:8001")
    watch.note([own, ADVERTISED, replace(OTHER, number=3, name="c")], 10.0)
    assert watch.neighbours(1) == [(2, 7, "10.0.0.2", 8001)]
    watch.note([own, replace(ADVERTISED, is_up=False)], 11.0)
    assert watch.neighbours(1) == []


def test_a_neighbour_that_is_silent_is_none() -> None:
    watch = HostWatch()
    for now in range(10, 15):
        watch.note([ADVERTISED], float(now))
        assert len(watch.neighbours(1)) == 1
    watch.note([ADVERTISED], 15.0)
    assert watch.neighbours(1) == []


def test_while_the_table_can_not_be_read_no_neighbour_falls_silent() -> None:
    watch = HostWatch()
    watch.note([ADVERTISED, replace(OTHER, number=3, name="c", is_up=False, advertise="10.0.0.3:1")], 10.0)
    assert len(watch.neighbours(1)) == 1
    watch.note([ADVERTISED], 70.0)
    assert len(watch.neighbours(1)) == 1
    for now in (71.0, 73.0, 75.0):
        watch.note([ADVERTISED], now)
    assert watch.neighbours(1) == []


def seen_standing_still(watch: HostWatch, row: HostRow, *times: float) -> None:
    for now in times:
        watch.note([row], now)


def test_a_neighbour_that_answers_though_its_row_stands_still_is_none_the_less_there() -> None:
    watch = HostWatch()
    seen_standing_still(watch, ADVERTISED, 10.0, 11.0, 12.0)
    assert watch.nearly_lost(1) == []
    seen_standing_still(watch, ADVERTISED, 13.0)
    (silent,) = watch.nearly_lost(1)
    watch.heard(silent, 13.1)
    seen_standing_still(watch, ADVERTISED, 14.0, 15.0)
    assert watch.nearly_lost(1) == []
    seen_standing_still(watch, ADVERTISED, 16.0, 17.0)
    assert watch.neighbours(1) == watch.nearly_lost(1) == [silent]
    seen_standing_still(watch, ADVERTISED, 18.2)
    assert watch.neighbours(1) == watch.nearly_lost(1) == []


def test_what_an_earlier_life_answered_says_nothing_of_this_one() -> None:
    watch = HostWatch()
    seen_standing_still(watch, ADVERTISED, 10.0, 11.5, 13.0)
    (silent,) = watch.nearly_lost(1)
    later = replace(ADVERTISED, life=8)
    seen_standing_still(watch, later, 14.0, 16.0, 18.0)
    watch.heard(silent, 18.0)
    seen_standing_still(watch, later, 19.1)
    assert watch.neighbours(1) == []
