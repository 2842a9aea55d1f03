"""decode(encode(x)) = x for every word of the membership, and junk raises WireError, nothing else."""

from __future__ import annotations

import contextlib
import zlib
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.domain import sessions
from chat.domain.ids import ChannelKey, CommandId, SessionId, UserId, WorkerId
from chat.membership import protocol as m
from chat.membership import wire

MANY = settings(max_examples=200, deadline=None)

texts = st.text(max_size=8)
session_ids, user_ids, channels = texts.map(SessionId), texts.map(UserId), texts.map(ChannelKey)
seconds = st.floats(0, 1e10, allow_nan=False)
workers = st.builds(WorkerId, st.integers(0, 300), st.integers(0, 2**53), st.integers(0, 300), st.integers(0, 2**53))
graces = st.builds(sessions.Grace, seconds, seconds)
infos = st.builds(
    sessions.SessionInfo,
    session_ids,
    user_ids,
    texts,
    workers,
    st.sampled_from(sessions.Transport),
    seconds,
    graces,
    texts,
    texts,
)
statuses = st.sampled_from(sessions.Status)
reasons = st.sampled_from(sessions.LeftReason)
keys = st.frozensets(channels, max_size=4)
heads = st.dictionaries(channels, st.integers(0, 2**53), max_size=4)
codes = st.integers(1000, 4999)
announced = st.builds(m.AnnouncedSession, infos, statuses, keys, st.booleans())
hellos = st.builds(m.Hello, workers, st.lists(announced, max_size=3).map(tuple))
commands: st.SearchStrategy[m.Command] = st.one_of(
    st.builds(m.Connect, infos, st.none() | session_ids),
    st.builds(m.Disconnect, session_ids, st.sampled_from(sessions.Ending), heads),
    st.builds(
        m.Join,
        session_ids,
        channels,
        st.none() | st.integers(0, 2**53),
        st.lists(session_ids, max_size=3).map(tuple),
    ),
    st.builds(m.Leave, session_ids, channels),
    st.builds(m.SetStatus, session_ids, statuses),
    hellos,
    st.builds(m.DropWorker, workers),
    st.builds(m.Block, user_ids, st.none() | channels, st.none() | seconds, texts, texts),
    st.builds(m.Unblock, user_ids, st.none() | channels),
    st.builds(m.EndSessions, user_ids, codes, texts),
    st.builds(m.EndSession, user_ids, session_ids, codes, texts),
    st.just(m.Tick()),
)
changes: st.SearchStrategy[m.Change] = st.one_of(
    st.builds(m.Connected, infos, keys, st.none() | session_ids, heads, statuses),
    st.builds(m.Lingering, session_ids, seconds),
    st.builds(m.Disconnected, session_ids, reasons, st.none() | codes, texts),
    st.builds(m.Joined, session_ids, channels, st.lists(session_ids, max_size=3).map(tuple)),
    st.builds(m.Left, session_ids, channels, reasons, texts),
    st.builds(m.StatusChanged, session_ids, statuses),
)
ids = texts.map(CommandId)
envelopes = st.builds(wire.Envelope, ids, commands)
batches = st.builds(
    m.Batch,
    st.integers(1, 2**53),
    st.integers(1, 2**53),
    st.lists(changes, max_size=5).map(tuple),
    st.lists(st.builds(m.Outcome, ids, st.none() | texts), max_size=3).map(tuple),
    texts,
    texts,
)
positions = st.builds(m.Position, st.integers(0, 2**53), st.integers(0, 2**53))
parts = st.tuples(st.integers(0, m.PARTS), st.integers(0, m.PARTS)).map(lambda ends: range(min(ends), max(ends)))
snapshots = st.builds(
    m.Snapshot,
    positions,
    st.lists(
        st.builds(m.SnapshotSession, infos, statuses, keys)
        | st.builds(m.SnapshotSession, infos, statuses, keys, seconds)
        | st.builds(m.SnapshotSession, infos, statuses, keys, st.none() | seconds, session_ids, heads),
        max_size=4,
    ).map(tuple),
    texts,
    parts,
)
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


def travelled(body: dict[str, Any]) -> dict[str, Any]:
    """The body as it comes out at the other end of the bus."""
    found: dict[str, Any] = orjson.loads(orjson.dumps(body))
    return found


@MANY
@given(st.none() | workers, st.lists(envelopes, max_size=3))
def test_commands_come_out_as_they_went_in(worker: WorkerId | None, sent: list[wire.Envelope]) -> None:
    assert wire.read_commands(travelled(wire.commands_body(worker, map(wire.pack_envelope, sent)))) == (
        worker,
        tuple(sent),
    )


@MANY
@given(batches)
def test_a_batch_comes_out_as_it_went_in(batch: m.Batch) -> None:
    assert wire.read_batch(travelled(wire.batch_body(batch))) == batch


@MANY
@given(snapshots, st.booleans(), st.integers(0, 99))
def test_a_snapshot_comes_out_as_it_went_in(snapshot: m.Snapshot, is_greeted: bool, doubts: int) -> None:
    body = travelled(wire.snapshot_body(is_greeted=is_greeted, doubts=doubts))
    body["blob"] = wire.pack_snapshot(snapshot)
    assert wire.read_snapshot(body) == (snapshot, is_greeted, doubts)


@MANY
@given(
    workers, st.none() | st.builds(wire.Envelope, ids, hellos), positions, texts, heads, st.booleans(), st.lists(parts)
)
def test_requests_and_beats_come_out_as_they_went_in(
    worker: WorkerId,
    hello: wire.Envelope | None,
    position: m.Position,
    digest: str,
    told: dict[ChannelKey, int],
    whole: bool,
    wanted: list[range],
) -> None:
    request = wire.SyncRequest(worker, hello, tuple(wanted), told.get(ChannelKey(""), 0))
    assert wire.read_sync(travelled(wire.sync_body(request))) == request
    beat = wire.Beat(worker, position, digest, told, whole)
    assert wire.read_beat(travelled(wire.beat_body(beat))) == beat


READERS = (
    wire.read_commands,
    wire.read_sync,
    wire.read_beat,
    wire.read_end_sessions,
    wire.read_batch,
    wire.read_snapshot,
)


def read_all(body: Any) -> None:
    for read in READERS:
        with contextlib.suppress(wire.WireError):
            read(body)


@MANY
@given(st.dictionaries(st.sampled_from(["v", "w", "c", "e", "r", "o", "p", "h", "d", "all", "hello", "blob"]), json))
def test_junk_is_a_wire_error_and_nothing_else(body: dict[str, Any]) -> None:
    read_all({"v": 1} | body)
    read_all(body)


@MANY
@given(envelopes | batches, st.data())
def test_a_damaged_message_is_a_wire_error_or_another_message(sent: Any, data: st.DataObject) -> None:
    body = (
        wire.batch_body(sent)
        if isinstance(sent, m.Batch)
        else wire.commands_body(WorkerId(1, 1, 0, 1), [wire.pack_envelope(sent)])
    )
    damage(body := travelled(body), data)
    read_all(body)


@MANY
@given(snapshots, st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_snapshot_is_a_wire_error_or_another_snapshot(snapshot: m.Snapshot, at: int, byte: int) -> None:
    plain = bytearray(zlib.decompress(wire.pack_snapshot(snapshot)))
    plain[at % len(plain)] = byte
    packed = bytearray(zlib.compress(bytes(plain), 1))
    body = wire.snapshot_body(is_greeted=True)
    read_all(body | {"blob": bytes(packed)})
    packed[at % len(packed)] = byte
    read_all(body | {"blob": bytes(packed)})
    read_all(body | {"blob": bytes(packed[: at % len(packed)])})


def damage(value: Any, data: st.DataObject) -> None:
    """Put junk somewhere into a JSON value."""
    while isinstance(value, dict | list) and value:
        place = data.draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
        if not isinstance(value[place], dict | list) or not value[place] or data.draw(st.booleans()):
            value[place] = data.draw(json)
            return
        value = value[place]


def test_a_version_that_cannot_be_read_is_refused() -> None:
    for version in (None, wire.FIRST_VERSION - 1, wire.VERSION - 2, wire.VERSION + 2, "2", [2]):
        for read in READERS[:3]:
            try:
                read({"v": version, "w": [0, 1], "c": [], "hello": None})
            except wire.WireError:
                continue
            raise AssertionError(f"{read.__name__} took version {version!r}")


def test_names_suit_every_layer() -> None:
    group = wire.channel_group(ChannelKey("Große Halle, mit Blick ins Tal" * 10))
    for name in (group, wire.worker_mailbox(WorkerId(1, 1, 17, 1_700_000_000_000)), wire.AUTHORITY_MAILBOX):
        assert len(name) < 100
        assert all(letter.isascii() and (letter.isalnum() or letter in "-_.") for letter in name)
