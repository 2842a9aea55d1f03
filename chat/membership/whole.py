"""Whole: all that an authority knows, as one value: what replicas show, and what only the authority remembers.

MembershipState makes one and becomes what one says. It goes to the servers that stand by, so that one of them can go on
where the authority ended. From version to version its rows may get longer at their end. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.membership import wire
from chat.membership.keep import Deaths, Kept
from chat.membership.protocol import Block, Mandate, Position, SnapshotSession

K = TypeVar("K")
Heads = dict[ChannelKey, int]


@dataclass(frozen=True, slots=True)
class Whole:
    """Everything, at a position."""

    position: Position
    term: str
    sessions: tuple[SnapshotSession, ...] = ()
    kept: tuple[Kept, ...] = ()
    ended: tuple[tuple[SessionId, float], ...] = ()
    silent: tuple[tuple[SessionId, UserId, float], ...] = ()
    deaths: Deaths = field(default_factory=Deaths)
    heads: tuple[tuple[WorkerId, Heads], ...] = ()
    joined_at: tuple[tuple[SessionId, Heads], ...] = ()
    blocks: tuple[Block, ...] = ()

    @property
    def mandate(self) -> Mandate:
        return Mandate(self.position.epoch, self.term)


def pack_whole(whole: Whole) -> bytes:
    """As bytes, to go beside a body."""
    deaths = whole.deaths
    return orjson.dumps(
        {
            "p": [*whole.position],
            "t": whole.term,
            "s": [_session_to(each) for each in whole.sessions],
            "k": [_kept_to(each) for each in whole.kept],
            "e": whole.ended,
            "q": whole.silent,
            "d": [deaths.lives, deaths.dead, deaths.below],
            "h": [[[*worker], heads] for worker, heads in whole.heads],
            "j": whole.joined_at,
            "b": [wire.command_to(block) for block in whole.blocks],
        }
    )


def unpack_whole(data: bytes) -> Whole:
    """The reverse of pack_whole(). Raises WireError."""
    try:
        return _whole_from(orjson.loads(data))
    except wire.WireError:
        raise
    except wire.JUNK as error:
        raise wire.WireError(f"a whole can't be read: {type(error).__name__}: {error}") from error


def _whole_from(value: Mapping[str, Any]) -> Whole:
    epoch, revision = map(wire.integer_from, value["p"])
    lives, dead, below = value["d"]
    return Whole(
        Position(epoch, revision),
        wire.text_from(value["t"]),
        tuple(map(_session_from, value["s"])),
        tuple(map(_kept_from, value["k"])),
        tuple((SessionId(wire.text_from(key)), wire.number_from(until)) for key, until in value["e"]),
        tuple((_session_id(key), UserId(wire.text_from(user)), wire.number_from(at)) for key, user, at in value["q"]),
        Deaths(
            tuple((wire.integer_from(host), wire.integer_from(life)) for host, life in lives),
            tuple((int(host), int(slot), tuple(map(wire.integer_from, each))) for host, slot, each in dead),
            tuple((int(host), int(slot), int(lowest)) for host, slot, lowest in below),
        ),
        _heads_by(wire.worker_from, value["h"]),
        _heads_by(_session_id, value["j"]),
        tuple(map(_block_from, value["b"])),
    )


def _session_id(value: Any) -> SessionId:
    return SessionId(wire.text_from(value))


def _heads_by(read: Callable[[Any], K], rows: Sequence[Any]) -> tuple[tuple[K, Heads], ...]:
    return tuple((read(key), wire.heads_from(heads)) for key, heads in rows)


def _block_from(value: Any) -> Block:
    command = wire.command_from(value)
    if not isinstance(command, Block):
        raise wire.WireError("a block is missing")
    return command


def _session_to(item: SnapshotSession) -> list[Any]:
    row: list[Any] = [wire.info_to(item.session), item.status, sorted(item.channels)]
    if item.lingering_until is not None or item.took_over is not None:
        row += [item.lingering_until, item.took_over, item.heads]
    return row


def _session_from(row: Sequence[Any]) -> SnapshotSession:
    info, status, channels, *rest = row
    until, took_over, heads, *_ = rest or (None, None, {})
    return SnapshotSession(
        wire.info_from(info),
        wire.status_from(status),
        wire.texts_from(channels),
        None if until is None else wire.number_from(until),
        None if took_over is None else _session_id(took_over),
        wire.heads_from(heads),
    )


def _kept_to(kept: Kept) -> list[Any]:
    return [
        wire.info_to(kept.session),
        kept.heads,
        kept.ended_at,
        kept.until,
        kept.status,
        sorted(kept.channels),
        kept.only_named,
        kept.copied_to,
    ]


def _kept_from(row: Sequence[Any]) -> Kept:
    info, heads, ended_at, until, status, channels, only_named, copied_to, *_ = row
    return Kept(
        wire.info_from(info),
        wire.heads_from(heads),
        wire.number_from(ended_at),
        wire.number_from(until),
        wire.status_from(status),
        wire.texts_from(channels),
        only_named is True,
        None if copied_to is None else _session_id(copied_to),
    )
