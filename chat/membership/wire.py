"""The membership's words as JSON-ready values, and the names of the mailboxes and groups they travel in.

Everything here goes from process to process of one server: versioned (`v`), compact (arrays, as snapshots of 100,000
sessions must travel too), and read with suspicion: whatever can't be understood raises WireError and nothing else.
Pure. Source: docs/architecture.md, "Membership".
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from hashlib import blake2b
from typing import Any, NamedTuple, TypeVar

import orjson

from chat.domain.ids import ChannelKey, CommandId, SessionId, UserId, WorkerId
from chat.membership.messages import (
    Batch,
    Command,
    Hello,
    Outcome,
    Position,
    Revoke,
    Snapshot,
    SnapshotSession,
)
from chat.membership.wire_values import (
    JUNK,
    WireError,
    change_from,
    change_to,
    command_from,
    command_to,
    heads_from,
    info_from,
    info_to,
    integer_from,
    number_from,
    status_from,
    text_from,
    worker_from,
)

__all__ = ["WireError"]

VERSION = 1
READABLE = frozenset({VERSION})
"""What readers take: this version and the one before, once there is one."""

AUTHORITY_MAILBOX = "membership.authority"
CHANGES_GROUP = "membership.changes"
REVOKED_GROUP = "accounts.revoked"

COMMANDS = "membership.commands"
SYNC = "membership.sync"
BEAT = "membership.beat"
BLOCKS_CHANGED = "membership.blocks_changed"
BATCH = "membership.batch"
SNAPSHOT = "membership.snapshot"
REVOKED = "accounts.revoked"

MAX_SNAPSHOT_BYTES = 1024**3
Body = dict[str, Any]
T = TypeVar("T")


def worker_mailbox(worker: WorkerId) -> str:
    """The mailbox that this incarnation reads, and no other."""
    return f"worker.{worker.slot}.{worker.incarnation}"


def channel_group(channel: ChannelKey) -> str:
    """The group of a chat channel's events; hashed, since layers allow few letters and fewer than 100."""
    return f"channel.{blake2b(channel.encode(), digest_size=16).hexdigest()}"


class Envelope(NamedTuple):
    """A command with the id by which its outcome comes back."""

    command_id: CommandId
    command: Command


class Commands(NamedTuple):
    """Commands in the order they were given, of one follower; of None where no worker runs (a management command)."""

    worker: WorkerId | None
    envelopes: tuple[Envelope, ...]


class SyncRequest(NamedTuple):
    """A worker asks for a snapshot; with a Hello as long as this epoch's authority may not know it."""

    worker: WorkerId
    hello: Envelope | None = None


class Beat(NamedTuple):
    """A worker's sign of life: where its replica stands, and the last seq it delivered, per channel.

    `whole`: these are all the heads there are, else only those that are others than in the beat before.
    """

    worker: WorkerId
    position: Position
    digest: str
    heads: dict[ChannelKey, int]
    whole: bool = True


class SnapshotAnswer(NamedTuple):
    """A snapshot for one worker, and whether it is of an authority that has had this worker's Hello."""

    snapshot: Snapshot
    is_greeted: bool


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
    return {"v": VERSION, "w": [*request.worker], "hello": packed}


@_reads
def read_sync(body: Mapping[str, Any]) -> SyncRequest:
    hello = None if body["hello"] is None else _envelope_from(body["hello"])
    if hello is not None and not isinstance(hello.command, Hello):
        raise WireError("a sync request carries something else than a Hello")
    return SyncRequest(worker_from(body["w"]), hello)


def beat_body(beat: Beat) -> Body:
    return {
        "v": VERSION,
        "w": [*beat.worker],
        "p": [*beat.position],
        "d": beat.digest,
        "h": beat.heads,
        "all": beat.whole,
    }


@_reads
def read_beat(body: Mapping[str, Any]) -> Beat:
    epoch, revision = map(integer_from, body["p"])
    heads = heads_from(body["h"])
    return Beat(worker_from(body["w"]), Position(epoch, revision), text_from(body["d"]), heads, body["all"] is True)


def revoked_body(revoke: Revoke) -> Body:
    """What accounts says to REVOKED_GROUP; the same three fields, whoever sends them."""
    return {"v": VERSION, "user_id": revoke.user_id, "code": revoke.code, "reason": revoke.reason}


def read_revoked(body: Mapping[str, Any]) -> Revoke:
    """Users whose tokens have died. accounts knows no membership: its body may come without a version."""
    return _read_revoked({"v": VERSION} | dict(body))


@_reads
def _read_revoked(body: Mapping[str, Any]) -> Revoke:
    return Revoke(UserId(text_from(body["user_id"])), integer_from(body["code"]), text_from(body.get("reason") or ""))


# -- authority → workers ------------------------------------------------------------------------------------------


def batch_body(batch: Batch) -> Body:
    outcomes = [o.command_id if o.code is None else [o.command_id, o.code] for o in batch.outcomes]
    changes = [change_to(change) for change in batch.changes]
    return {"v": VERSION, "e": batch.epoch, "r": batch.first_revision, "c": changes, "o": outcomes}


@_reads
def read_batch(body: Mapping[str, Any]) -> Batch:
    return Batch(
        integer_from(body["e"]),
        integer_from(body["r"]),
        tuple(map(change_from, body["c"])),
        tuple(map(_outcome_from, body["o"])),
    )


def _outcome_from(value: Any) -> Outcome:
    if type(value) is str:
        return Outcome(CommandId(value))
    command_id, code = value
    return Outcome(CommandId(text_from(command_id)), text_from(code))


def pack_snapshot(snapshot: Snapshot) -> bytes:
    """A snapshot as bytes, to go beside a body. Channels are written once and referred to by place.

    Compressing takes three quarters of the time, and lets go of the interpreter: run it in a thread where it's large.
    """
    places: dict[ChannelKey, int] = {}
    sessions = []
    for item in snapshot.sessions:
        channels = [places.setdefault(channel, len(places)) for channel in sorted(item.channels)]
        row: list[Any] = [info_to(item.session), item.status, channels]
        if item.lingering_until is not None or item.took_over is not None:
            row += [item.lingering_until, item.took_over, item.heads]
        sessions.append(row)
    return orjson.dumps({"v": VERSION, "p": [*snapshot.position], "k": list(places), "s": sessions})


def unpack_snapshot(data: Mapping[str, Any]) -> Snapshot:
    """The reverse of pack_snapshot, of what was parsed already."""
    epoch, revision = map(integer_from, data["p"])
    keys = [ChannelKey(text_from(key)) for key in data["k"]]
    return Snapshot(Position(epoch, revision), tuple(_snapshot_session(row, keys) for row in data["s"]))


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


def snapshot_body(*, is_greeted: bool) -> Body:
    """What goes beside the snapshot's bytes."""
    return {"v": VERSION, "greeted": is_greeted}


@_reads
def read_snapshot(body: Mapping[str, Any]) -> SnapshotAnswer:
    """`body["blob"]` holds the compressed bytes. Raises WireError."""
    inflate = zlib.decompressobj()
    data = inflate.decompress(body["blob"], MAX_SNAPSHOT_BYTES)
    if not inflate.eof:
        raise WireError("a snapshot is cut short, or larger than any can be")
    parsed = orjson.loads(data)
    if parsed["v"] not in READABLE:
        raise WireError(f"a snapshot of version {parsed['v']!r} can't be read")
    return SnapshotAnswer(unpack_snapshot(parsed), body["greeted"] is True)
