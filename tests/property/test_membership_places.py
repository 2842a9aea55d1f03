"""What a worker writes of its sessions' places: whatever happens in between, the rows say in the end how it is."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from chat.domain.ids import ChannelKey, SessionId
from chat.domain.sessions import Credentials, Grace, SessionInfo, Status, Transport
from chat.membership.places import (
    FRESH_S,
    Place,
    PlaceNotes,
    PlaceRow,
    WorkerPlace,
    place_from,
    place_to,
    worker_place_from,
    worker_place_to,
)
from tests.support.membership import LINGERS, SECOND, session_info

SESSIONS = [SessionId(f"s{number}") for number in range(4)]
CHANNELS = [ChannelKey("lobby"), ChannelKey("news")]
KEEP_S = 60.0
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
keys = st.builds(ChannelKey, texts)
seconds = st.floats(0, 2e9)
infos = st.builds(
    SessionInfo,
    session_id=st.builds(SessionId, texts),
    user_id=texts,
    username=texts,
    worker=st.just(SECOND),
    transport=st.sampled_from(Transport),
    since=seconds,
    grace=st.builds(Grace, seconds, seconds),
    login=texts,
)
places = st.builds(
    Place,
    session=infos,
    status=st.sampled_from(Status),
    heads=st.dictionaries(keys, st.none() | st.integers(0, 2**60), max_size=3),
    credentials=st.builds(Credentials, st.integers(0, 1000), texts),
    lost_at=st.none() | seconds,
    copy_of=st.none() | st.builds(SessionId, texts),
)


@settings(max_examples=200, deadline=None)
@given(places, st.dictionaries(keys, st.integers(0, 2**60), max_size=3), seconds)
def test_a_place_is_read_as_it_was_written(place: Place, heads: dict[ChannelKey, int], at: float) -> None:
    assert place_from(place_to(place)) == place
    assert worker_place_from(worker_place_to(WorkerPlace(at, heads))) == WorkerPlace(at, heads)


class NotesAgainstModel(RuleBasedStateMachine):
    """`table`: what is stored, as the database would. `model`: each session's place; None: over."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.here: dict[SessionId, Place] = {}
        self.model: dict[SessionId, Place | None] = {}
        self.heads: dict[ChannelKey, int] = {}
        self.table: dict[str, PlaceRow] = {}
        self.notes = PlaceNotes("w", self.here.get, keep_s=KEEP_S)

    @rule(number=st.integers(0, 3), channels=st.frozensets(st.sampled_from(CHANNELS)))
    def is_in(self, number: int, channels: frozenset[ChannelKey]) -> None:
        session_id = SESSIONS[number]
        if session_id in self.model and session_id not in self.here:
            return  # an id is used once
        info = session_info(session_id, grace=LINGERS)
        place = Place(info, Status.ONLINE, dict.fromkeys(channels), Credentials(1, ""))
        self.here[session_id] = self.model[session_id] = place
        self.notes.moved(session_id)

    @rule(number=st.integers(0, 3))
    def is_lost(self, number: int) -> None:
        if (place := self.here.pop(SESSIONS[number], None)) is not None:
            lost = Place(place.session, place.status, dict.fromkeys(place.heads, 7), place.credentials, self.now)
            self.model[SESSIONS[number]] = lost
            self.notes.lost(lost)

    @rule(number=st.integers(0, 3))
    def is_over(self, number: int) -> None:
        """By a goodbye, or since another session took its place, which may be one of another worker's."""
        self.here.pop(SESSIONS[number], None)
        self.model[SESSIONS[number]] = None
        self.notes.over(SESSIONS[number], self.now)

    @rule(channel=st.sampled_from(CHANNELS))
    def something_is_said(self, channel: ChannelKey) -> None:
        self.heads[channel] = self.heads.get(channel, 0) + 1

    @rule(is_stored=st.booleans(), wait_s=st.sampled_from((1.0, 1.0, 1.0, 20.0, 70.0)))
    def writes(self, is_stored: bool, wait_s: float) -> None:
        self.now += wait_s
        rows = self.notes.take(self.heads, self.now)
        assert len({row.key for row in rows}) == len(rows), "one statement can't write a row twice"
        if not is_stored:
            self.notes.put_back(rows)
            return
        self._store(rows)
        self.notes.written()

    @rule(number=st.integers(0, 3), wait_s=st.sampled_from((0.0, 1.0)))
    def begins_while_rows_are_on_their_way(self, number: int, wait_s: float) -> None:
        rows = self.notes.take(self.heads, self.now)
        self.is_in(number, frozenset(CHANNELS))
        self.is_lost((number + 1) % 4)
        self.now += wait_s
        self.notes.put_back(rows)

    @rule()
    def the_database_answers_again(self) -> None:
        """Then nothing is left to say, and the rows are what a restart would find."""
        while rows := self.notes.take(self.heads, self.now):
            self._store(rows)
            self.notes.written()
        assert not len(self.notes)
        for session_id, place in self.model.items():
            row = self.table.get(session_id)
            is_left = row is not None and bool(row.place) and self._until(row) > self.now
            if place is None:
                assert not is_left
            elif place.lost_at is None:
                assert is_left
                assert row is not None
                assert place_from(row.place) == place
                assert worker_place_from(self.table[row.worker].place).heads == self.heads
            elif place.lost_at + KEEP_S > self.now:
                assert is_left
                assert row is not None
                assert place_from(row.place) == place

    def _store(self, rows: list[PlaceRow]) -> None:
        for row in rows:
            if row.key not in self.table or self.table[row.key].place:
                self.table[row.key] = row

    def _until(self, row: PlaceRow) -> float:
        if row.until is not None:
            return row.until
        worker = self.table.get(row.worker)
        return 0.0 if worker is None or worker.until is None else worker.until


NotesAgainstModel.TestCase.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
TestNotesAgainstModel = NotesAgainstModel.TestCase


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from((0.5, 1.0)), min_size=10, max_size=30))
def test_while_nothing_happens_next_to_nothing_is_written(waits: list[float]) -> None:
    here = {SESSIONS[0]: Place(session_info(SESSIONS[0], grace=LINGERS), Status.ONLINE, {}, Credentials(1, ""))}
    notes, now, statements = PlaceNotes("w", here.get, keep_s=KEEP_S), 0.0, 0
    notes.moved(SESSIONS[0])
    for wait_s in waits:
        now += wait_s
        if notes.take({}, now):
            statements += 1
            notes.written()
    assert statements <= 1 + now / FRESH_S
