"""Places: where sessions are and what they have seen, as rows that outlive the authority's memory.

Each worker owns a PlaceNotes: it is told whose place has changed, and yields the rows to write, at most once a second.
The authority reads them as Places before it serves, so that who was there before a restart of everything is put back
like anybody who was lost. Only sessions that are kept at all have rows. Pure; `now` is Unix seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import orjson

from chat.domain.ids import ChannelKey, SessionId, UserId
from chat.domain.sessions import Credentials, SessionInfo, Status
from chat.membership.wire import (
    WireError,
    heads_from,
    info_from,
    info_to,
    integer_from,
    number_from,
    status_from,
    text_from,
)

T = TypeVar("T")

ROWS = 1_000
"""Of one statement. More wait for the next one."""
FRESH_S = 5.0
"""So often a worker says that it lives, where nothing else is to be written; by so much is a crash dated late."""
MEMORY_S = 60.0
"""How much longer than anybody's grace a row stays: a late one of a worker that hung must find that it is over."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session is, or was when it was lost.

    `heads`: its channels, and the last seq that it was sent there; None: what its worker has delivered there.
    `lost_at` None: it is live. `copy_of`: the session whose place it was given by a guess, which is kept for its name.
    """

    session: SessionInfo
    status: Status
    heads: Mapping[ChannelKey, int | None]
    credentials: Credentials
    lost_at: float | None = None
    copy_of: SessionId | None = None

    @property
    def keep_s(self) -> float:
        """How long it is kept once it is lost; 0: not at all."""
        return max(self.session.grace.keep_s, self.session.grace.quit_s)


@dataclass(frozen=True, slots=True)
class WorkerPlace:
    """What a worker has delivered in each channel, and when it said so."""

    at: float
    heads: Mapping[ChannelKey, int]


class PlaceRow(NamedTuple):
    """A row to write, in the place of the one with this key; but what is over stays over.

    `key`: a session's id, or a worker's life. `worker`: the life of the worker that writes it. `until`: when it means
    nothing more; None: that of its worker's row. `place`: JSON; empty: over.
    """

    key: str
    worker: str
    user_id: UserId | None
    until: float | None
    place: str


def place_to(place: Place) -> str:
    """A place as JSON. Without the address: nobody needs it to be put back."""
    info = info_to(replace(place.session, address=""))
    version, login = place.credentials.token_version, place.credentials.login
    values = [info, place.status, dict(place.heads), [version, login], place.lost_at, place.copy_of]
    return orjson.dumps(values).decode()


def place_from(text: str) -> Place:
    """The reverse of place_to(). Raises WireError for what another version wrote."""

    def read(value: Any) -> Place:
        # A newer version may say more.
        info, status, heads, (version, login), lost_at, copy_of, *_ = value
        return Place(
            info_from(info),
            status_from(status),
            {ChannelKey(key): None if head is None else integer_from(head) for key, head in heads.items()},
            Credentials(integer_from(version), text_from(login)),
            None if lost_at is None else number_from(lost_at),
            None if copy_of is None else SessionId(text_from(copy_of)),
        )

    return _read(read, text)


def worker_place_to(place: WorkerPlace) -> str:
    return orjson.dumps([place.at, dict(place.heads)]).decode()


def worker_place_from(text: str) -> WorkerPlace:
    """The reverse of worker_place_to(). Raises WireError."""

    def read(value: Any) -> WorkerPlace:
        at, heads, *_ = value
        return WorkerPlace(number_from(at), heads_from(heads))

    return _read(read, text)


def _read(read: Callable[[Any], T], text: str) -> T:
    try:
        return read(orjson.loads(text))
    except WireError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise WireError(f"a place can't be read: {error}") from error


def after_the_worker(place: Place, worker: WorkerPlace, now: float) -> Place:
    """The place as it was when the worker of a live session was last heard of: lost then, sent what that one delivered.

    One that was lost before that stays as it is.
    """
    heads = {key: worker.heads.get(key) if head is None else head for key, head in place.heads.items()}
    lost_at = min(worker.at + FRESH_S, now) if place.lost_at is None else place.lost_at
    return replace(place, heads=heads, lost_at=lost_at)


class PlaceNotes:
    """What of one worker is still to be written. `name`: that of this process, which no other ever has.

    `look`: the place of a live session as it is now, None if it is not here. It is asked when rows are made, so that a
    session that moves often costs one row a second. `keep_s`: the longest grace.
    """

    def __init__(self, name: str, look: Callable[[SessionId], Place | None], *, keep_s: float) -> None:
        self._name = name
        self._look = look
        self._keep_s = keep_s
        self._live: set[SessionId] = set()
        self._moved: dict[SessionId, None] = {}
        self._ended: dict[SessionId, PlaceRow] = {}
        self._lives = 0
        self._life_until: float | None = None
        self._told: WorkerPlace | None = None
        self._saying: WorkerPlace | None = None

    def __len__(self) -> int:
        """How many rows of sessions wait."""
        return len(self._moved) + len(self._ended)

    @property
    def worker(self) -> str:
        """The key of this worker's own row."""
        return f"{self._name}.{self._lives}"

    def moved(self, session_id: SessionId) -> None:
        """A session that is kept at all began, or is in other channels, or has another status."""
        self._live.add(session_id)
        self._moved[session_id] = None

    def lost(self, place: Place) -> None:
        """A session ended without a goodbye; `place.lost_at` says when."""
        assert place.lost_at is not None  # noqa: S101  what lost() means
        info = place.session
        self._end(PlaceRow(info.session_id, self.worker, info.user_id, place.lost_at + place.keep_s, place_to(place)))

    def over(self, session_id: SessionId, now: float) -> None:
        """Nothing of this session is kept any more: it said goodbye, or another one took its place."""
        self._end(PlaceRow(session_id, self.worker, None, now, ""))

    def _end(self, row: PlaceRow) -> None:
        session_id = SessionId(row.key)
        self._live.discard(session_id)
        self._moved.pop(session_id, None)
        self._ended[session_id] = row

    def take(self, heads: Mapping[ChannelKey, int], now: float) -> list[PlaceRow]:
        """The rows to write now, in one statement; none: there is nothing to say. Then call written() or put_back().

        `heads`: the last seq delivered, for each channel with members here.
        """
        if self._life_until is not None and self._life_until <= now:
            self._begin_anew(now)
        rows: list[PlaceRow] = []
        while self._ended and len(rows) < ROWS:
            rows.append(self._ended.pop(next(iter(self._ended))))
        while self._moved and len(rows) < ROWS:
            session_id = next(iter(self._moved))
            del self._moved[session_id]
            if (place := self._look(session_id)) is None:
                self._live.discard(session_id)
            else:
                rows.append(PlaceRow(session_id, self.worker, place.session.user_id, None, place_to(place)))
        told = self._told
        has_news = told is None or told.heads != heads or now - told.at >= FRESH_S
        if any(row.until is None for row in rows) or (self._live and has_news):
            # In the same statement: what a row says of a live session counts from these heads on.
            self._saying = WorkerPlace(now, dict(heads))
            until = now + FRESH_S + self._keep_s
            rows.append(PlaceRow(self.worker, self.worker, None, until, worker_place_to(self._saying)))
            self._life_until = self._life_until or until
        return rows

    def written(self) -> None:
        """What take() gave is stored."""
        if self._saying is not None:
            self._life_until = self._saying.at + FRESH_S + self._keep_s
            self._told, self._saying = self._saying, None

    def put_back(self, rows: Iterable[PlaceRow]) -> None:
        """It is not: say it again, but where something newer is to be said."""
        self._saying = None
        for row in rows:
            session_id = SessionId(row.key)
            if row.until is not None and row.key != self.worker:
                self._ended.setdefault(session_id, row)
            elif session_id in self._live:
                self._moved[session_id] = None

    def _begin_anew(self, now: float) -> None:
        """The own row is over, and with it what it said of live sessions (the database was away): say all of it again.

        Under another key, so that what is not said again does not come to life; what is over needs not be said.
        """
        self._lives += 1
        self._told = None
        self._life_until = now + self._keep_s
        self._moved = dict.fromkeys(self._live)
        self._ended = {key: row for key, row in self._ended.items() if row.place and (row.until or 0.0) > now}
