"""Who is told of a message, and when: each fact alone decides, quiet hours end as they say, nobody waits for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.domain import notices
from chat.domain.following import Level
from chat.domain.notices import DAYS, Facts, Quiet, Reason, Verdict, again_after, concerns, quiet_of, reason_of
from chat.domain.policies import ChannelKind
from chat.domain.sessions import Status
from reaktor.errors import InvalidError

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
"""A Wednesday."""
GOOD = Facts(created_at=NOON, reason=Reason.DIRECT, level=Level.ALL)
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia", "America/Sao_Paulo")


def quiets() -> st.SearchStrategy[Quiet]:
    minutes = st.tuples(st.integers(0, 1439), st.integers(0, 1439)).filter(lambda pair: pair[0] != pair[1])
    days = st.frozensets(st.integers(0, 6), min_size=1)
    return st.builds(lambda pair, on, zone: Quiet(*pair, on, zone), minutes, days, st.sampled_from(ZONES))


def facts() -> st.SearchStrategy[Facts]:
    flags = ("is_deleted", "is_read", "is_blocked", "may_read", "is_stranger", "wants")
    return st.builds(
        Facts,
        created_at=st.just(NOON),
        reason=st.sampled_from(Reason),
        level=st.sampled_from(Level),
        quiet=st.none() | quiets(),
        status=st.sampled_from([None, *Status]),
        **{flag: st.booleans() for flag in flags},
    )


seconds = st.floats(0, 2 * 86_400)


@pytest.mark.parametrize(
    "wrong",
    [
        {"is_deleted": True},
        {"is_read": True},
        {"is_blocked": True},
        {"may_read": False},
        {"is_stranger": True},
        {"wants": False},
        {"level": Level.NOTHING},
        {"level": Level.MENTIONS, "reason": Reason.ALL},
    ],
    ids=str,
)
@given(facts(), seconds)
def test_each_of_these_is_enough_that_nothing_is_sent(wrong: dict[str, Any], known: Facts, later_s: float) -> None:
    now = NOON + timedelta(seconds=later_s)
    known = replace(known, **wrong)
    assert notices.push(known, now).dropped
    assert notices.digest(known, now, None).dropped


@given(facts(), seconds)
def test_a_verdict_is_one_of_three_and_waits_only_for_what_comes(known: Facts, later_s: float) -> None:
    now = NOON + timedelta(seconds=later_s)
    for verdict in (notices.push(known, now), notices.digest(known, now, NOON - timedelta(hours=1))):
        assert [verdict.sends, bool(verdict.dropped), verdict.until is not None].count(True) == 1
        assert verdict.until is None or verdict.until > now


@given(facts(), st.floats(0, 60))
def test_whoever_is_here_has_half_a_minute_and_no_more(known: Facts, later_s: float) -> None:
    """Away, or on no device, is not here."""
    known = replace(GOOD, status=known.status)
    verdict = notices.push(known, NOON + timedelta(seconds=later_s))
    if known.status is Status.ONLINE and later_s < 30:
        assert verdict.until is not None
        assert verdict.until <= NOON + notices.WAIT
    else:
        assert verdict == notices.SEND


@given(quiets(), st.integers(0, 365 * 24 * 60).map(lambda minutes: NOON + timedelta(minutes=minutes)))
def test_quiet_hours_end_at_their_minute_and_are_quiet_until_then(quiet: Quiet, now: datetime) -> None:
    ends = quiet.until(now)
    if ends is None:
        return
    assert now < ends <= now + timedelta(hours=25)
    assert quiet.until(ends - timedelta(seconds=1)) is not None
    local = ends.astimezone(ZoneInfo(quiet.zone))
    # Where clocks are put forward over that minute, it is one after the gap.
    assert abs(local.hour * 60 + local.minute - quiet.ends) in (0, 60)


def test_quiet_hours_over_midnight_begin_on_their_days_in_their_time_zone() -> None:
    quiet = quiet_of("22:00", "07:30", ["wed"], "Europe/Berlin")
    berlin = ZoneInfo("Europe/Berlin")
    ends = datetime(2026, 3, 5, 7, 30, tzinfo=berlin)
    assert quiet.until(datetime(2026, 3, 4, 21, 59, tzinfo=berlin)) is None
    assert quiet.until(datetime(2026, 3, 4, 22, 0, tzinfo=berlin)) == ends
    assert quiet.until(datetime(2026, 3, 5, 7, 29, tzinfo=berlin)) == ends
    assert quiet.until(datetime(2026, 3, 5, 7, 30, tzinfo=berlin)) is None
    assert quiet.until(datetime(2026, 3, 5, 23, 0, tzinfo=berlin)) is None, "that is a Thursday"


def test_a_push_waits_for_the_end_of_quiet_hours() -> None:
    known = replace(GOOD, quiet=quiet_of("11:00", "13:00", None, "UTC"))
    assert notices.push(known, NOON) == Verdict(until=NOON.replace(hour=13), is_quiet=True)
    assert notices.push(known, NOON.replace(hour=13)).sends


def test_what_is_older_than_a_day_is_not_pushed() -> None:
    assert notices.push(GOOD, NOON + timedelta(hours=23)).sends
    assert notices.push(GOOD, NOON + timedelta(hours=25)).dropped == "too old"


@given(st.floats(0, 7_200), st.none() | st.floats(-7_200, 7_200))
def test_two_mails_to_one_person_are_a_quarter_of_an_hour_apart(later_s: float, mailed_s: float | None) -> None:
    now = NOON + timedelta(seconds=later_s)
    mailed_at = None if mailed_s is None else NOON + timedelta(seconds=mailed_s)
    if notices.digest(GOOD, now, mailed_at).sends:
        assert now - NOON >= notices.DIGEST
        assert mailed_at is None or now - mailed_at >= notices.DIGEST


def test_what_is_only_told_because_all_is_asked_for_stands_in_no_mail() -> None:
    assert notices.digest(replace(GOOD, reason=Reason.ALL), NOON + timedelta(hours=1), None).dropped


@pytest.mark.parametrize(
    ("begins", "ends", "days", "zone", "field"),
    [
        ("24:00", "07:00", None, "UTC", "quiet.from"),
        ("22:00", "7:00", None, "UTC", "quiet.to"),
        ("٢٢:00", "07:00", None, "UTC", "quiet.from"),
        ("22:00", "22:00", None, "UTC", "quiet.to"),
        ("22:00", "07:00", [], "UTC", "quiet.days"),
        ("22:00", "07:00", ["monday"], "UTC", "quiet.days"),
        ("22:00", "07:00", None, "../etc/passwd", "quiet.time_zone"),
        ("22:00", "07:00", None, "", "quiet.time_zone"),
    ],
)
def test_quiet_hours_that_cant_be_read_are_refused_by_field(
    begins: str, ends: str, days: list[str] | None, zone: str, field: str
) -> None:
    with pytest.raises(InvalidError) as refused:
        quiet_of(begins, ends, days, zone)
    assert set(refused.value.fields or {}) == {field}


@pytest.mark.parametrize("kind", ChannelKind)
def test_whoever_would_be_told_of_a_message_makes_it_concern_somebody(kind: ChannelKind) -> None:
    """At its own level a closed channel tells its members; another one those alone who are mentioned, or asked."""
    for level in Level:
        for is_mentioned in (False, True):
            if reason_of(kind, level, is_mentioned=is_mentioned) is not None:
                assert concerns(kind, has_mentions=is_mentioned, has_all=level is Level.ALL) or kind.is_closed
    assert concerns(kind, has_mentions=False, has_all=False) is kind.is_closed


def test_reasons() -> None:
    assert reason_of(ChannelKind.GROUP, Level.ALL, is_mentioned=False) is Reason.DIRECT
    assert reason_of(ChannelKind.GROUP, Level.MENTIONS, is_mentioned=False) is None
    assert reason_of(ChannelKind.PUBLIC, Level.ALL, is_mentioned=False) is Reason.ALL
    assert reason_of(ChannelKind.PUBLIC, Level.MENTIONS, is_mentioned=True) is Reason.MENTION
    assert reason_of(ChannelKind.PUBLIC, Level.NOTHING, is_mentioned=True) is None


@given(st.integers(1, 30), st.none() | st.floats(0, 1e9))
def test_failures_are_tried_again_ever_later_and_then_given_up(tries: int, asked_s: float | None) -> None:
    wait = again_after(tries, asked_s)
    if tries >= notices.TRIES:
        assert wait is None
    else:
        assert wait is not None
        assert timedelta(seconds=notices.BACKOFF_S) <= wait <= timedelta(hours=1)
        before = again_after(tries - 1) if tries > 1 else timedelta(0)
        assert before is not None
        assert again_after(tries) >= before  # type: ignore[operator]  # it is no None


def test_days_are_those_of_the_calendar() -> None:
    assert DAYS[NOON.weekday()] == "wed"
