"""Journal: what changed the authority's state, entry by entry, for the servers that stand by.

The state is pure: the same entries in the same order make the same state anywhere. So whoever has a Whole and all
entries after it can go on where the authority ended. Nothing is noted while nobody stands by. Pure.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from chat.domain.ids import ChannelKey, WorkerId
from chat.membership import wire
from chat.membership.protocol import Command, Mandate
from chat.membership.state import MembershipState
from chat.membership.whole import Whole, pack_whole, unpack_whole

SHADOWS_GROUP = "membership.shadows"
SHADOW = "membership.shadow"
JOURNAL = "membership.journal"
WHOLE = "membership.whole"
MAX_WHOLE_BYTES = 1024**3


class Decided(NamedTuple):
    """A command that was accepted, and when."""

    at: float
    command: Command


class Delivered(NamedTuple):
    """What a worker's BEAT said of heads."""

    worker: WorkerId
    heads: Mapping[ChannelKey, int]
    is_whole: bool


Entry = Decided | Delivered


class Part(NamedTuple):
    """Entries first, first + 1, …, and what the state is after the last of them."""

    mandate: Mandate
    first: int
    entries: tuple[Entry, ...]
    revision: int
    digest: str


class Following(NamedTuple):
    """A server says that it stands by, and whether it needs a Whole."""

    mailbox: str
    needs_whole: bool


def carry_out(state: MembershipState, entry: Entry) -> None:
    """Make of the state what the authority made of its own."""
    match entry:
        case Decided(at, command):
            state.apply(command, at)
        case Delivered(worker, heads, is_whole):
            state.note_heads(worker, heads, whole=is_whole)


class Journal:
    """The authority's end."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._first = 1
        self._is_kept = False

    @property
    def next_entry(self) -> int:
        return self._first + len(self._entries)

    def keep(self, is_kept: bool) -> None:
        """Whether somebody stands by. What was not noted meanwhile shows as a missing entry."""
        if self._is_kept and not is_kept:
            self._first = self.next_entry + 1
            self._entries = []
        self._is_kept = is_kept

    def add(self, entry: Entry) -> None:
        if self._is_kept:
            self._entries.append(entry)

    def collect(self, state: MembershipState) -> Part | None:
        """All since the last call; None where there is nothing."""
        if not self._entries:
            return None
        mandate = Mandate(state.epoch, state.term)
        part = Part(mandate, self._first, tuple(self._entries), state.revision, state.digest())
        self._first, self._entries = self.next_entry, []
        return part


# -- on the bus ---------------------------------------------------------------------------------------------------


def part_body(part: Part) -> wire.Body:
    entries = [_entry_to(entry) for entry in part.entries]
    position = {"n": part.first, "r": part.revision, "d": part.digest}
    return {"v": wire.VERSION, "m": [*part.mandate], "j": entries, **position}


def read_part(body: Mapping[str, Any]) -> Part:
    """Raises WireError."""
    _check_version(body)
    try:
        epoch, term = body["m"]
        return Part(
            Mandate(wire.integer_from(epoch), wire.text_from(term)),
            wire.integer_from(body["n"]),
            tuple(map(_entry_from, body["j"])),
            wire.integer_from(body["r"]),
            wire.text_from(body["d"]),
        )
    except wire.WireError:
        raise
    except wire.JUNK as error:
        raise wire.WireError(f"a journal can't be read: {type(error).__name__}: {error}") from error


def _entry_to(entry: Entry) -> list[Any]:
    match entry:
        case Decided(at, command):
            return [at, wire.command_to(command)]
        case Delivered(worker, heads, is_whole):
            return [[*worker], heads, is_whole]


def _entry_from(value: list[Any]) -> Entry:
    if len(value) == 2:
        at, command = value
        return Decided(wire.number_from(at), wire.command_from(command))
    worker, heads, is_whole = value
    return Delivered(wire.worker_from(worker), wire.heads_from(heads), is_whole is True)


def following_body(following: Following) -> wire.Body:
    return {"v": wire.VERSION, "m": following.mailbox, "w": following.needs_whole}


def read_following(body: Mapping[str, Any]) -> Following:
    """Raises WireError."""
    _check_version(body)
    return Following(wire.text_from(body.get("m")), body.get("w") is True)


def whole_body(next_entry: int) -> wire.Body:
    """What goes beside the packed Whole."""
    return {"v": wire.VERSION, "n": next_entry}


def read_whole(body: Mapping[str, Any]) -> tuple[int, Whole]:
    """(the number of the first entry that is not in it, the Whole). Raises WireError."""
    _check_version(body)
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(body["blob"], MAX_WHOLE_BYTES)
    except (KeyError, TypeError, zlib.error) as error:
        raise wire.WireError(f"a whole can't be read: {type(error).__name__}: {error}") from error
    if not inflate.eof:
        raise wire.WireError("a whole is cut short, or larger than any can be")
    return wire.integer_from(body.get("n")), unpack_whole(data)


def pack(whole: Whole) -> bytes:
    """As whole_body() is to go with. Takes its time: run it in a thread where it is large."""
    return zlib.compress(pack_whole(whole), 1)


def _check_version(body: Mapping[str, Any]) -> None:
    if body.get("v") not in wire.READABLE:
        raise wire.WireError(f"version {body.get('v')!r} can't be read")
