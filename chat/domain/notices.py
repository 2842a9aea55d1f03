"""Notices: who is told of a message by push or mail while they are not here, and when. Pure.

chat.notices reads the Facts and asks here: push() for one notice now, digest() for one line of a mail. Quiet hours are
read in the person's own time zone. Source: docs/protocol.md, "Notices".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from chat.domain.following import Level
from chat.domain.policies import ChannelKind
from chat.domain.sessions import Status
from reaktor.errors import InvalidError
from reaktor.why import Why

WAIT = timedelta(seconds=30)
"""Who has a session that is live and not away is given so long to read the message there."""
LOOK = timedelta(seconds=5)
"""Meanwhile it is looked again so often whether they are still there, or have read it."""
KEEP = timedelta(days=1)
"""An older message makes no push any more."""
DIGEST = timedelta(minutes=15)
"""A message is so old before it stands in a mail, and two mails to one person are so far apart."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Reason(StrEnum):
    """Why somebody is told of a message: said to them alone or in their group; it names them, or answers in a thread
    that they follow; they asked for all.
    """

    DIRECT = "direct"
    MENTION = "mention"
    ALL = "all"


def concerns(kind: ChannelKind, *, has_mentions: bool, has_all: bool) -> bool:
    """Whether a message in such a channel may be a notice for anybody. `has_all`: some member's level is `all`."""
    return kind.is_closed or has_mentions or has_all


def reason_of(kind: ChannelKind, level: Level, *, is_mentioned: bool) -> Reason | None:
    """Why a person with that level is told of a message there; None: they are not."""
    if level is Level.NOTHING or (level is Level.MENTIONS and not is_mentioned):
        return None
    if kind.is_direct:
        return Reason.DIRECT
    return Reason.MENTION if is_mentioned else Reason.ALL


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which nothing disturbs: from minute `begins` of the day until minute `ends`, perhaps of the next day.

    `days`: on which it begins, Monday is 0. `zone`: a name of the time zone database.
    """

    begins: int
    ends: int
    days: frozenset[int]
    zone: str

    def until(self, now: datetime) -> datetime | None:
        """When they end, if it is quiet at `now`; else None. In UTC."""
        zone = ZoneInfo(self.zone)
        today = now.astimezone(zone).date()
        for day in (today - timedelta(days=1), today):
            if day.weekday() not in self.days:
                continue
            last = day if self.ends > self.begins else day + timedelta(days=1)
            begins = datetime.combine(day, _clock(self.begins), zone).astimezone(UTC)
            ends = datetime.combine(last, _clock(self.ends), zone).astimezone(UTC)
            if begins <= now < ends:
                return ends
        return None


def quiet_of(begins: str, ends: str, days: list[str] | None, zone: str) -> Quiet:
    """Quiet hours as a person writes them: `22:00`, `07:00`, names of days (None: all), a time zone.

    Raises InvalidError, with what is wrong by field.
    """
    problems: dict[str, str] = {}
    minutes = {name: _minute(text) for name, text in (("from", begins), ("to", ends))}
    problems |= {name: "a time such as 22:00" for name, minute in minutes.items() if minute is None}
    if not problems and minutes["from"] == minutes["to"]:
        problems["to"] = "another time than `from`"
    chosen = DAYS if days is None else days
    if not chosen or any(day not in DAYS for day in chosen):
        problems["days"] = f"some of {', '.join(DAYS)}"
    if zone not in _zones():
        problems["time_zone"] = "a time zone such as Europe/Berlin"
    begin, end = minutes["from"], minutes["to"]
    if problems or begin is None or end is None:
        fields = {f"quiet.{name}": problem for name, problem in problems.items()}
        raise InvalidError("These quiet hours can't be read.", fields=fields, why=Why.QUIET_HOURS_FORM)
    return Quiet(begin, end, frozenset(DAYS.index(day) for day in chosen), zone)


@cache
def _zones() -> frozenset[str]:
    """Asking for them reads hundreds of files."""
    return frozenset(available_timezones())


def time_text(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _minute(text: str) -> int | None:
    hours, colon, minutes = text.partition(":")
    if not colon or len(hours) != 2 or len(minutes) != 2 or not (hours + minutes).isascii():
        return None
    if not (hours + minutes).isdigit() or int(hours) > 23 or int(minutes) > 59:
        return None
    return int(hours) * 60 + int(minutes)


def _clock(minute: int) -> time:
    return time(minute // 60, minute % 60)


@dataclass(frozen=True, slots=True)
class Facts:
    """What must be known of one notice: the message, what its person may and wants, where they are.

    `status`: of all their sessions together; None: none is live. `is_stranger`: the author is one, and what they say is
    neither answered nor accepted. `may_read`: the account is good, and the channel open to it.
    """

    created_at: datetime
    reason: Reason
    level: Level
    is_deleted: bool = False
    is_read: bool = False
    is_blocked: bool = False
    may_read: bool = True
    is_stranger: bool = False
    wants: bool = True
    quiet: Quiet | None = None
    status: Status | None = None


class Verdict(NamedTuple):
    """`dropped`: why nothing is sent, now or later. `until`: look again then. Neither: send it."""

    dropped: str = ""
    until: datetime | None = None
    is_quiet: bool = False

    @property
    def sends(self) -> bool:
        return not self.dropped and self.until is None


SEND = Verdict()


def push(facts: Facts, now: datetime) -> Verdict:
    """What becomes of one push at `now`."""
    if dropped := _dropped(facts):
        return Verdict(dropped)
    if now - facts.created_at > KEEP:
        return Verdict("too old")
    if facts.quiet is not None and (ends := facts.quiet.until(now)) is not None:
        return Verdict(until=ends, is_quiet=True)
    patient_until = facts.created_at + WAIT
    if facts.status is Status.ONLINE and now < patient_until:
        return Verdict(until=min(now + LOOK, patient_until))
    return SEND


def digest(facts: Facts, now: datetime, mailed_at: datetime | None) -> Verdict:
    """What becomes of one line of a digest at `now`. `mailed_at`: when the person was sent the last one."""
    dropped = _dropped(facts) or ("not by mail" if facts.reason is Reason.ALL else "")
    if dropped:
        return Verdict(dropped)
    if facts.quiet is not None and (ends := facts.quiet.until(now)) is not None:
        return Verdict(until=ends, is_quiet=True)
    due = facts.created_at + DIGEST
    if mailed_at is not None:
        due = max(due, mailed_at + DIGEST)
    return SEND if due <= now else Verdict(until=due)


def _dropped(facts: Facts) -> str:
    """Why the person is not told, whatever the time; empty: they are."""
    reasons = (
        (facts.is_deleted, "deleted"),
        (not facts.may_read, "may not read it"),
        (facts.is_read, "read"),
        (facts.is_blocked, "blocked"),
        (facts.level is Level.NOTHING, "level nothing"),
        (facts.level is Level.MENTIONS and facts.reason is Reason.ALL, "level mentions"),
        (facts.is_stranger, "from a stranger"),
        (not facts.wants, "not wanted"),
    )
    return next((why for holds, why in reasons if holds), "")


BACKOFF_S, MAX_BACKOFF_S, TRIES = 15.0, 3_600.0, 8


def again_after(tries: int, asked_s: float | None = None) -> timedelta | None:
    """How long to wait after so many failures (1, 2 …); `asked_s`: what the service asked for. None: give up."""
    if tries >= TRIES:
        return None
    own_s = min(BACKOFF_S * 2 ** (tries - 1), MAX_BACKOFF_S)
    return timedelta(seconds=own_s if asked_s is None else min(max(own_s, asked_s), MAX_BACKOFF_S))
