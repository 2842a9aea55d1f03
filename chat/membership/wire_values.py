"""Commands, Changes and sessions as short JSON arrays, and back; used by wire.py alone.

A command or change is [tag, field, …]. Reading checks every type, as a wrong one would otherwise live on in a roster.
Pure. Raises WireError, or one of JUNK where a shape is wrong: wire.py turns those into WireError too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.domain.sessions import Ending, Grace, LeftReason, SessionInfo, Status, Transport
from chat.membership.messages import (
    AnnouncedSession,
    Block,
    Change,
    Command,
    Connect,
    Connected,
    Disconnect,
    Disconnected,
    DropWorker,
    End,
    Hello,
    Join,
    Joined,
    Leave,
    Left,
    Lingering,
    Revoke,
    SetStatus,
    StatusChanged,
    Tick,
    Unblock,
)


class WireError(ValueError):
    """What came over the bus is no message of this protocol, or of a version that can't be read."""


JUNK = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)

_STATUS = {status.value: status for status in Status}
_ENDING = {ending.value: ending for ending in Ending}
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


def worker_from(value: Any) -> WorkerId:
    slot, incarnation = value
    return WorkerId(integer_from(slot), integer_from(incarnation))


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
    )


def _optional(read: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else read(value)


def _announced_from(value: Any) -> AnnouncedSession:
    info, status, channels = value
    return AnnouncedSession(info_from(info), status_from(status), texts_from(channels))


_COMMAND_TO: Mapping[type, Callable[[Any], list[Any]]] = {
    Connect: lambda c: ["connect", info_to(c.session), c.resume],
    Disconnect: lambda c: ["disconnect", c.session_id, c.ending, c.heads],
    Join: lambda c: ["join", c.session_id, c.channel, *([] if c.head is None else [c.head])],
    Leave: lambda c: ["leave", c.session_id, c.channel],
    SetStatus: lambda c: ["status", c.session_id, c.status],
    Hello: lambda c: [
        "hello",
        [*c.worker],
        [[info_to(item.session), item.status, sorted(item.channels)] for item in c.sessions],
    ],
    DropWorker: lambda c: ["drop", [*c.worker]],
    Block: lambda c: ["block", c.user_id, c.channel, c.until, c.code, c.reason],
    Unblock: lambda c: ["unblock", c.user_id, c.channel],
    Revoke: lambda c: ["revoke", c.user_id, c.code, c.reason],
    End: lambda c: ["end", c.user_id, c.session_id, c.code, c.reason],
    Tick: lambda c: ["tick"],
}

_T, _N, _I = text_from, number_from, integer_from
_COMMAND_FROM: Mapping[str, Callable[..., Command]] = {
    "connect": lambda info, resume: Connect(info_from(info), _optional(_T, resume)),
    "disconnect": lambda session, ending, heads: Disconnect(SessionId(_T(session)), _ENDING[ending], heads_from(heads)),
    "join": lambda session, channel, head=None: Join(
        SessionId(_T(session)), ChannelKey(_T(channel)), _optional(integer_from, head)
    ),
    "leave": lambda session, channel: Leave(SessionId(_T(session)), ChannelKey(_T(channel))),
    "status": lambda session, status: SetStatus(SessionId(_T(session)), status_from(status)),
    "hello": lambda worker, sessions: Hello(worker_from(worker), tuple(map(_announced_from, sessions))),
    "drop": lambda worker: DropWorker(worker_from(worker)),
    "block": lambda user, channel, until, code, reason: Block(
        UserId(_T(user)), _optional(_T, channel), _optional(_N, until), _T(code), _T(reason)
    ),
    "unblock": lambda user, channel: Unblock(UserId(_T(user)), _optional(_T, channel)),
    "revoke": lambda user, code, reason: Revoke(UserId(_T(user)), _I(code), _T(reason)),
    "end": lambda user, session, code, reason: End(UserId(_T(user)), SessionId(_T(session)), _I(code), _T(reason)),
    "tick": lambda: Tick(),
}

_CHANGE_TO: Mapping[type, Callable[[Any], list[Any]]] = {
    Connected: lambda c: ["c", info_to(c.session), sorted(c.channels), c.took_over, c.heads, c.status],
    Lingering: lambda c: ["g", c.session_id, c.until],
    Disconnected: lambda c: ["d", c.session_id, c.reason, c.close_code, c.close_reason],
    Joined: lambda c: ["j", c.session_id, c.channel],
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
    "j": lambda session, channel: Joined(SessionId(_T(session)), ChannelKey(_T(channel))),
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
