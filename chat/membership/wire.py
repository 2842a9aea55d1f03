"""The membership's words as JSON-ready values, and the names of the mailboxes and groups they travel in.

Everything here goes from process to process of one server: versioned (`v`), compact (arrays, as snapshots of 100,000
sessions must travel too), and read with suspicion: whatever can't be understood raises WireError and nothing else.
Pure. Source: docs/architecture.md, "Membership".
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import orjson

from chat.domain.ids import ChannelKey, CommandId, SessionId, UserId, WorkerId
from chat.domain.sessions import Ending, Grace, LeftReason, Naming, SessionInfo, Status, Transport
from chat.membership.protocol import (
    ALL_PARTS,
    PARTS,
    AnnouncedSession,
    Batch,
    BeginLife,
    Block,
    Change,
    Command,
    Connect,
    Connected,
    Disconnect,
    Disconnected,
    DropWorker,
    EndSession,
    EndSessions,
    Hello,
    Join,
    Joined,
    Leave,
    Left,
    Lingering,
    LoseHost,
    LoseWorker,
    Outcome,
    Position,
    SetStatus,
    Snapshot,
    SnapshotSession,
    StatusChanged,
    Tick,
    Unblock,
)

VERSION = 4
FIRST_VERSION = 4
"""What came before it can't be read."""
READABLE = frozenset(range(max(VERSION - 1, FIRST_VERSION), VERSION + 2))
"""What readers take: this version, the one before and the one after, since hosts are upgraded one after another. So a
version may add to what the one before says, and leave out what the one before did not need any more."""

AUTHORITY_MAILBOX = "membership.authority"
CHANGES_GROUP = "membership.changes"

COMMANDS = "membership.commands"
SYNC = "membership.sync"
BEAT = "membership.beat"
HOST_BEAT = "membership.host_beat"
BATCH = "membership.batch"
SNAPSHOT = "membership.snapshot"

MAX_SLICE_BYTES = 64 * 1024**2
SLICES_PER_ASK = 32
"""Then the worker asks for the next: one that is slow or gone is never far behind what was sent to it."""
Body = dict[str, Any]
T = TypeVar("T")


def worker_mailbox(worker: WorkerId) -> str:
    """The mailbox that this incarnation reads, and no other."""
    return f"worker.{worker}"


def channel_group(channel: ChannelKey) -> str:
    """The group of a chat channel's events; hashed, since layers allow few letters and fewer than 100."""
    return f"channel.{blake2b(channel.encode(), digest_size=16).hexdigest()}"


class Envelope(NamedTuple):
    """A command with the id by which its outcome comes back."""

    command_id: CommandId
    command: Command


class Commands(NamedTuple):
    """Commands in the order they were given, of one feeder; of None where no worker runs (a management command)."""

    worker: WorkerId | None
    envelopes: tuple[Envelope, ...]


class SyncRequest(NamedTuple):
    """A worker asks for slices of these parts, SLICES_PER_ASK at most; of none: only where the authority stands. With a
    Hello as long as this epoch's authority may not know it.

    `doubts`: how often the worker had reason to believe nothing that was said before. It comes back with each slice.
    """

    worker: WorkerId
    hello: Envelope | None = None
    parts: tuple[range, ...] = (ALL_PARTS,)
    doubts: int = 0


class Beat(NamedTuple):
    """A worker's sign of life: where its replica stands, and the last seq it delivered, per channel.

    `whole`: these are all the heads there are, else only those that are others than in the beat before. `ended`: what
    sessions were sent whose connection has ended, and whose Disconnect waits behind what their clients said.
    """

    worker: WorkerId
    position: Position
    digest: str
    heads: dict[ChannelKey, int]
    whole: bool = True
    ended: Mapping[SessionId, Mapping[ChannelKey, int]] = MappingProxyType({})


class HostBeat(NamedTuple):
    """A supervisor's sign of life. `ended`: the workers of this life that it saw end of late; said again and again, as
    the bus may lose it. `is_last`: it ends in order.
    """

    host: int
    life: int
    ended: tuple[WorkerId, ...] = ()
    is_last: bool = False


class SnapshotAnswer(NamedTuple):
    """A slice for one worker, and whether it is of an authority that has had this worker's Hello."""

    snapshot: Snapshot
    is_greeted: bool
    doubts: int = 0


def _reads(read: Callable[[Mapping[str, Any]], T]) -> Callable[[Mapping[str, Any]], T]:
    """Check the version first; whatever goes wrong is a WireError."""

    @wraps(read)
    def checked(body: Mapping[str, Any]) -> T:
        try:
            if body["v"] not in READABLE:
                raise WireError(f"version {body['v']!r} can't be read")
            return read(body)
        except WireError:
            raise
        except (*JUNK, zlib.error) as error:
            raise WireError(f"{read.__name__}: {type(error).__name__}: {error}") from error

    return checked


def _envelope_from(value: Any) -> Envelope:
    command_id, command = value
    return Envelope(CommandId(text_from(command_id)), command_from(command))


# -- values: a command or change is [tag, field, …], a session a short array --------------------------------------


class WireError(ValueError):
    """What came over the bus is no message of this protocol, or of a version that can't be read."""


JUNK = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)

_STATUS = {status.value: status for status in Status}
# The version before had an ending of its own for clients that close their transport.
_ENDING = {**{ending.value: ending for ending in Ending}, "closed": Ending.LOST}
_NAMING = {naming.value: naming for naming in Naming}
_REASON = {reason.value: reason for reason in LeftReason}
_TRANSPORT = {transport.value: transport for transport in Transport}


def text_from(value: Any) -> str:
    if type(value) is not str:
        raise WireError("a text is missing")
    return value


def number_from(value: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise WireError("a number is missing")
    return value


def integer_from(value: Any) -> int:
    if type(value) is not int:
        raise WireError("a whole number is missing")
    return value


def status_from(value: Any) -> Status:
    return _STATUS[value]


def texts_from(value: Any) -> frozenset[Any]:
    """The keys or ids in a list, as whichever NewType of text the caller knows them to be."""
    if type(value) is not list:
        raise WireError("a list is missing")
    return frozenset(map(text_from, value))


def heads_from(value: Any) -> dict[ChannelKey, int]:
    if type(value) is not dict:
        raise WireError("heads are missing")
    return {ChannelKey(channel): integer_from(head) for channel, head in value.items()}


def parts_from(value: Any) -> range:
    start, stop = map(integer_from, value)
    if not 0 <= start <= stop <= PARTS:
        raise WireError("there are no such parts")
    return range(start, stop)


def worker_from(value: Any) -> WorkerId:
    # The kept places of 0.3.0 know no hosts yet.
    host, life, slot, incarnation = value if len(value) != 2 else (0, 0, *value)
    return WorkerId(integer_from(host), integer_from(life), integer_from(slot), integer_from(incarnation))


def info_to(info: SessionInfo) -> list[Any]:
    return [
        info.session_id,
        info.user_id,
        info.username,
        [*info.worker],
        info.transport,
        info.since,
        info.grace.quit_s,
        info.grace.keep_s,
        info.address,
        info.login,
        info.naming,
        info.marks,
    ]


def info_from(value: Any) -> SessionInfo:
    # A newer version may say more of a session, an older one less: both run beside this one while it is upgraded.
    session_id, user_id, username, worker, transport, since, quit_s, keep_s, address, *more = value
    return SessionInfo(
        SessionId(text_from(session_id)),
        UserId(text_from(user_id)),
        text_from(username),
        worker_from(worker),
        _TRANSPORT[transport],
        number_from(since),
        Grace(number_from(quit_s), number_from(keep_s)),
        text_from(address),
        text_from(more[0]) if more else "",
        # Of a version after, which may know more of them.
        _NAMING.get(more[1], Naming.UNKNOWN) if len(more) > 1 else Naming.UNKNOWN,
        text_from(more[2]) if len(more) > 2 else "",
    )


def _optional(read: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else read(value)


def _announced_from(value: Any) -> AnnouncedSession:
    info, status, channels, *connecting = value
    return AnnouncedSession(info_from(info), status_from(status), texts_from(channels), bool(connecting))


def _sessions_from(value: Any) -> tuple[SessionId, ...]:
    return tuple(SessionId(text_from(each)) for each in value)


def _given(head: int | None, others: Sequence[SessionId]) -> list[Any]:
    """What of a Join is not as usual; the version before reads no more than it knows."""
    if others:
        return [head, others]
    return [] if head is None else [head]


_COMMAND_TO: Mapping[type, Callable[[Any], list[Any]]] = {
    Connect: lambda c: ["connect", info_to(c.session), c.resume],
    Disconnect: lambda c: ["disconnect", c.session_id, c.ending, c.heads],
    Join: lambda c: ["join", c.session_id, c.channel, *_given(c.head, c.others)],
    Leave: lambda c: ["leave", c.session_id, c.channel],
    SetStatus: lambda c: ["status", c.session_id, c.status],
    Hello: lambda c: [
        "hello",
        [*c.worker],
        [
            [info_to(item.session), item.status, sorted(item.channels), *([True] if item.is_connecting else [])]
            for item in c.sessions
        ],
    ],
    DropWorker: lambda c: ["drop", [*c.worker]],
    BeginLife: lambda c: ["begin_life", c.host, c.life],
    LoseHost: lambda c: ["lose_host", c.host],
    LoseWorker: lambda c: ["lose_worker", [*c.worker]],
    Block: lambda c: ["block", c.user_id, c.channel, c.until, c.code, c.reason],
    Unblock: lambda c: ["unblock", c.user_id, c.channel],
    EndSessions: lambda c: ["end_sessions", c.user_id, c.code, c.reason],
    EndSession: lambda c: ["end_session", c.user_id, c.session_id, c.code, c.reason],
    Tick: lambda c: ["tick"],
}

_T, _N, _I = text_from, number_from, integer_from
_COMMAND_FROM: Mapping[str, Callable[..., Command]] = {
    "connect": lambda info, resume: Connect(info_from(info), _optional(_T, resume)),
    "disconnect": lambda session, ending, heads: Disconnect(SessionId(_T(session)), _ENDING[ending], heads_from(heads)),
    "join": lambda session, channel, head=None, others=(): Join(
        SessionId(_T(session)), ChannelKey(_T(channel)), _optional(integer_from, head), _sessions_from(others)
    ),
    "leave": lambda session, channel: Leave(SessionId(_T(session)), ChannelKey(_T(channel))),
    "status": lambda session, status: SetStatus(SessionId(_T(session)), status_from(status)),
    "hello": lambda worker, sessions: Hello(worker_from(worker), tuple(map(_announced_from, sessions))),
    "drop": lambda worker: DropWorker(worker_from(worker)),
    "begin_life": lambda host, life: BeginLife(_I(host), _I(life)),
    "lose_host": lambda host: LoseHost(_I(host)),
    "lose_worker": lambda worker: LoseWorker(worker_from(worker)),
    "block": lambda user, channel, until, code, reason: Block(
        UserId(_T(user)), _optional(_T, channel), _optional(_N, until), _T(code), _T(reason)
    ),
    "unblock": lambda user, channel: Unblock(UserId(_T(user)), _optional(_T, channel)),
    "end_sessions": lambda user, code, reason: EndSessions(UserId(_T(user)), _I(code), _T(reason)),
    "end_session": lambda user, session, code, reason: EndSession(
        UserId(_T(user)), SessionId(_T(session)), _I(code), _T(reason)
    ),
    "tick": lambda: Tick(),
}

_CHANGE_TO: Mapping[type, Callable[[Any], list[Any]]] = {
    Connected: lambda c: ["c", info_to(c.session), sorted(c.channels), c.took_over, c.heads, c.status],
    Lingering: lambda c: ["g", c.session_id, c.until],
    Disconnected: lambda c: ["d", c.session_id, c.reason, c.close_code, c.close_reason],
    Joined: lambda c: ["j", c.session_id, c.channel, *([c.others] if c.others else [])],
    Left: lambda c: ["l", c.session_id, c.channel, c.reason, c.text],
    StatusChanged: lambda c: ["s", c.session_id, c.status],
}

_CHANGE_FROM: Mapping[str, Callable[..., Change]] = {
    "c": lambda info, channels, took_over, heads, status: Connected(
        info_from(info), texts_from(channels), _optional(_T, took_over), heads_from(heads), status_from(status)
    ),
    "g": lambda session, until: Lingering(SessionId(_T(session)), _N(until)),
    "d": lambda session, reason, code, text: Disconnected(
        SessionId(_T(session)), _REASON[reason], _optional(_I, code), _T(text)
    ),
    "j": lambda session, channel, others=(): Joined(
        SessionId(_T(session)), ChannelKey(_T(channel)), _sessions_from(others)
    ),
    "l": lambda session, channel, reason, text: Left(
        SessionId(_T(session)), ChannelKey(_T(channel)), _REASON[reason], _T(text)
    ),
    "s": lambda session, status: StatusChanged(SessionId(_T(session)), status_from(status)),
}


def command_to(command: Command) -> list[Any]:
    return _COMMAND_TO[type(command)](command)


def command_from(value: Sequence[Any]) -> Command:
    return _COMMAND_FROM[value[0]](*value[1:])


def change_to(change: Change) -> list[Any]:
    return _CHANGE_TO[type(change)](change)


def change_from(value: Sequence[Any]) -> Change:
    return _CHANGE_FROM[value[0]](*value[1:])


# -- worker → authority -------------------------------------------------------------------------------------------


def pack_envelope(envelope: Envelope) -> orjson.Fragment:
    """A command as it stands in commands_body, encoded once however often it is sent.

    Raises TypeError for what JSON can't carry (half a surrogate pair in a text).
    """
    return orjson.Fragment(orjson.dumps([envelope.command_id, command_to(envelope.command)]))


def commands_body(worker: WorkerId | None, packed: Iterable[orjson.Fragment]) -> Body:
    """`worker` None: said where no worker runs, such as in a management command."""
    return {"v": VERSION, "w": None if worker is None else [*worker], "c": list(packed)}


@_reads
def read_commands(body: Mapping[str, Any]) -> Commands:
    worker = None if body["w"] is None else worker_from(body["w"])
    return Commands(worker, tuple(map(_envelope_from, body["c"])))


def sync_body(request: SyncRequest) -> Body:
    hello = request.hello
    packed = None if hello is None else [hello.command_id, command_to(hello.command)]
    parts = [[run.start, run.stop] for run in request.parts]
    return {"v": VERSION, "w": [*request.worker], "hello": packed, "parts": parts, "doubts": request.doubts}


@_reads
def read_sync(body: Mapping[str, Any]) -> SyncRequest:
    hello = None if body["hello"] is None else _envelope_from(body["hello"])
    if hello is not None and not isinstance(hello.command, Hello):
        raise WireError("a sync request carries something else than a Hello")
    parts = tuple(map(parts_from, body["parts"]))
    return SyncRequest(worker_from(body["w"]), hello, parts, integer_from(body["doubts"]))


def beat_body(beat: Beat) -> Body:
    return {
        "v": VERSION,
        "w": [*beat.worker],
        "p": [*beat.position],
        "d": beat.digest,
        "h": beat.heads,
        "all": beat.whole,
        "e": dict(beat.ended),
    }


@_reads
def read_beat(body: Mapping[str, Any]) -> Beat:
    epoch, revision = map(integer_from, body["p"])
    # Releases before 0.5 do not say it.
    ended = {SessionId(text_from(session)): heads_from(heads) for session, heads in body.get("e", {}).items()}
    return Beat(
        worker_from(body["w"]),
        Position(epoch, revision),
        text_from(body["d"]),
        heads_from(body["h"]),
        body["all"] is True,
        ended,
    )


def host_beat_body(beat: HostBeat) -> Body:
    ended = [[worker.slot, worker.incarnation] for worker in beat.ended]
    return {"v": VERSION, "h": beat.host, "l": beat.life, "ended": ended, "last": beat.is_last}


@_reads
def read_host_beat(body: Mapping[str, Any]) -> HostBeat:
    host, life = integer_from(body["h"]), integer_from(body["l"])
    ended = tuple(worker_from([host, life, *place]) for place in body["ended"])
    return HostBeat(host, life, ended, body["last"] is True)


def read_end_sessions(body: Mapping[str, Any]) -> EndSessions:
    """The order of reaktor.process.orders as a command. Its body has no version of its own."""
    return _read_end_sessions({"v": VERSION} | dict(body))


@_reads
def _read_end_sessions(body: Mapping[str, Any]) -> EndSessions:
    return EndSessions(
        UserId(text_from(body["user_id"])), integer_from(body["code"]), text_from(body.get("reason") or "")
    )


# -- authority → workers ------------------------------------------------------------------------------------------


def batch_body(batch: Batch) -> Body:
    outcomes = [o.command_id if o.code is None else [o.command_id, o.code] for o in batch.outcomes]
    changes = [change_to(change) for change in batch.changes]
    body = {"v": VERSION, "e": batch.epoch, "t": batch.term, "r": batch.first_revision, "c": changes, "o": outcomes}
    return body | {"s": batch.succeeds} if batch.succeeds else body


@_reads
def read_batch(body: Mapping[str, Any]) -> Batch:
    return Batch(
        integer_from(body["e"]),
        integer_from(body["r"]),
        tuple(map(change_from, body["c"])),
        tuple(map(_outcome_from, body["o"])),
        text_from(body["t"]),
        text_from(body.get("s", "")),
    )


def _outcome_from(value: Any) -> Outcome:
    if type(value) is str:
        return Outcome(CommandId(value))
    command_id, code = value
    return Outcome(CommandId(text_from(command_id)), text_from(code))


def pack_snapshot(snapshot: Snapshot) -> bytes:
    """A slice as bytes, to go beside a body. Channels are written once and referred to by place."""
    places: dict[ChannelKey, int] = {}
    sessions = []
    for item in snapshot.sessions:
        channels = [places.setdefault(channel, len(places)) for channel in sorted(item.channels)]
        row: list[Any] = [info_to(item.session), item.status, channels]
        if item.lingering_until is not None or item.took_over is not None:
            row += [item.lingering_until, item.took_over, item.heads]
        sessions.append(row)
    position = {"p": [*snapshot.position], "t": snapshot.term, "of": [snapshot.parts.start, snapshot.parts.stop]}
    return zlib.compress(orjson.dumps({"v": VERSION, **position, "k": list(places), "s": sessions}), 1)


def unpack_snapshot(data: Mapping[str, Any]) -> Snapshot:
    """The reverse of pack_snapshot, of what was parsed already."""
    epoch, revision = map(integer_from, data["p"])
    # Interned: each slice names the same channels again.
    keys = [ChannelKey(sys.intern(text_from(key))) for key in data["k"]]
    sessions = tuple(_snapshot_session(row, keys) for row in data["s"])
    return Snapshot(Position(epoch, revision), sessions, text_from(data["t"]), parts_from(data["of"]))


def _snapshot_session(row: Sequence[Any], keys: Sequence[ChannelKey]) -> SnapshotSession:
    info, status, places, *rest = row
    channels = frozenset([keys[place] for place in places])
    if not rest:
        return SnapshotSession(info_from(info), status_from(status), channels)
    until, took_over, heads = rest
    return SnapshotSession(
        info_from(info),
        status_from(status),
        channels,
        None if until is None else number_from(until),
        None if took_over is None else SessionId(text_from(took_over)),
        heads_from(heads),
    )


def snapshot_body(*, is_greeted: bool, doubts: int = 0) -> Body:
    """What goes beside the slice's bytes, and is another for each worker."""
    return {"v": VERSION, "greeted": is_greeted, "doubts": doubts}


@_reads
def read_snapshot(body: Mapping[str, Any]) -> SnapshotAnswer:
    """`body["blob"]` holds the compressed bytes. Raises WireError."""
    inflate = zlib.decompressobj()
    data = inflate.decompress(body["blob"], MAX_SLICE_BYTES)
    if not inflate.eof:
        raise WireError("a slice is cut short, or larger than any can be")
    parsed = orjson.loads(data)
    if parsed["v"] not in READABLE:
        raise WireError(f"a slice of version {parsed['v']!r} can't be read")
    return SnapshotAnswer(unpack_snapshot(parsed), body["greeted"] is True, integer_from(body["doubts"]))
