"""Socket.IO packets of revisions 4 and 5, as text: parse and serialize, with bounds on everything a client chooses.

`<type>[<n attachments>-][<namespace>,][<ack id>][<json>]`. Attachments themselves: attachments.py. Pure.
Source: Socket.IO protocol, revisions 4 and 5, "Packet encoding"; socket.io-parser 2.3, 3.4 and 4.2.
"""

from __future__ import annotations

import json
import math
import re
from enum import IntEnum
from typing import Any, NamedTuple, NoReturn

import orjson

from reaktor.engineio.packets import ReadyPacket, well_formed

ROOT = "/"
MAX_JSON_DEPTH = 64
MAX_ATTACHMENTS = 10
MAX_NAMESPACE_CHARS = 256
MAX_EVENT_NAME_CHARS = 128
# Ids are JavaScript numbers; 15 digits are always whole there.
MAX_ID_DIGITS = 15

# Names that clients and servers emit to themselves; from the wire they would be forged.
RESERVED_EVENTS = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)


class PacketError(Exception):
    """Text that is no valid packet here and now; the connection is to be closed."""


class PacketType(IntEnum):
    """The digit that a packet begins with."""

    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


_TYPES = {str(kind.value): kind for kind in PacketType}
BINARY_TYPES = frozenset({PacketType.BINARY_EVENT, PacketType.BINARY_ACK})


class Packet(NamedTuple):
    """One packet. `data` is the JSON value, None for none; `attachments` says how many binaries follow.

    `query` is what revision 4 writes behind a namespace when it connects, `40/chat?token=x,`.
    """

    type: PacketType
    namespace: str = ROOT
    data: Any = None
    id: int | None = None
    attachments: int = 0
    query: str = ""


_HEAD = re.compile(
    # The type, how many attachments, the namespace, the ack id.
    rf"([0-6])(?:([0-9]{{1,3}})-)?(?:(/[^,]*)(?:,|\Z))?([0-9]{{1,{MAX_ID_DIGITS}}})?",
    re.ASCII | re.DOTALL,
)
# Possessive, and happy without the closing quote: looking for one twice would cost the square of the text's length.
_BRACKETS_OR_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


def parse(text: str, revision: int) -> Packet:
    """The packet in an Engine.IO text message; `revision` is Socket.IO's, 4 or 5. Raises PacketError.

    Takes both `40/admin` (1.x) and `40/admin,`.
    """
    head = _HEAD.match(text)
    if head is None:
        raise PacketError("unknown packet type")
    digit, attachments, where, number = head.groups()
    kind = _TYPES[digit]
    namespace, query = ROOT, ""
    if where is not None:
        if len(where) > MAX_NAMESPACE_CHARS:
            raise PacketError("the namespace is too long")
        namespace, _, query = where.partition("?")
    rest = text[head.end() :]
    packet = Packet(
        kind,
        namespace,
        load_json(rest) if rest else None,
        int(number) if number else None,
        _attachments(kind, attachments, revision) if attachments is not None or kind in BINARY_TYPES else 0,
        query,
    )
    _check(packet, revision)
    return packet


def serialize(packet: Packet, *, ascii_only: bool) -> str:
    """The packet's text. `ascii_only` escapes everything else, as clients of Engine.IO 3 need it.

    Raises TypeError or ValueError when `data` is no JSON value.
    """
    attachments = f"{packet.attachments}-" if packet.type in BINARY_TYPES else ""
    namespace = f"{packet.namespace}," if packet.namespace != ROOT else ""
    number = "" if packet.id is None else str(packet.id)
    data = "" if packet.data is None else dump_json(packet.data, ascii_only=ascii_only)
    return f"{packet.type.value}{attachments}{namespace}{number}{data}"


def ready_event(name: str, *args: Any, namespace: str = ROOT) -> ReadyPacket:
    """An event for many sockets of both revisions, encoded once. Raises TypeError: no JSON, bytes among others.

    A fan-out encodes each event here. So this takes the quickest encoder, and writes the head by hand: serialize()
    would take three times as long.
    """
    head = "2" if namespace == ROOT else f"2{namespace},"
    return ReadyPacket(head + orjson.dumps([name, *args]).decode())


def ready_ack(number: int, *args: Any, namespace: str = ROOT) -> ReadyPacket:
    """The answer to a client's event `number`, to be sent among ready events. Raises TypeError: no JSON.

    Written by hand as ready_event() is: each post has one.
    """
    head = "3" if namespace == ROOT else f"3{namespace},"
    return ReadyPacket(f"{head}{number}{orjson.dumps(args).decode()}")


_ASCII_JSON = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False)
_UTF8_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def dump_json(value: Any, *, ascii_only: bool) -> str:
    """Compact JSON. Raises TypeError (bytes among others), ValueError."""
    return (_ASCII_JSON if ascii_only else _UTF8_JSON).encode(value)


def load_json(text: str) -> Any:
    """The JSON value in `text`, at most 64 levels deep, lone surrogates replaced. Raises PacketError."""
    _check_depth(text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        # Only an escape can bring a lone surrogate in, which orjson refuses.
        if "\\ud" not in text and "\\uD" not in text:
            raise PacketError("the payload is not JSON") from error
    try:
        return _without_surrogates(_DECODER.decode(text))
    except (ValueError, RecursionError) as error:
        raise PacketError("the payload is not JSON") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def _check_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= MAX_JSON_DEPTH:
        return
    depth = 0
    for match in _BRACKETS_OR_STRING.finditer(text):
        bracket = match[0]
        if bracket in "[{":
            depth += 1
            if depth > MAX_JSON_DEPTH:
                raise PacketError("the payload is nested too deeply")
        elif bracket in "]}":
            depth -= 1


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {well_formed(key): _without_surrogates(item) for key, item in value.items()}
    return value


def _attachments(kind: PacketType, digits: str | None, revision: int) -> int:
    if kind not in BINARY_TYPES:
        raise PacketError("attachments on a packet that has none")
    # Clients of revision 4 may announce none at all.
    count = int(digits) if digits else -1
    if not (0 if revision == 4 else 1) <= count <= MAX_ATTACHMENTS:
        raise PacketError("the number of attachments is not valid")
    return count


def _check(packet: Packet, revision: int) -> None:
    """What the packet's type demands of its payload. Raises PacketError."""
    data = packet.data
    match packet.type:
        case PacketType.EVENT | PacketType.BINARY_EVENT:
            valid = isinstance(data, list) and bool(data) and _is_event_name(data[0])
        case PacketType.CONNECT:
            valid = packet.id is None and (data is None or isinstance(data, dict))
        case PacketType.DISCONNECT:
            valid = packet.id is None and data is None
        case PacketType.ACK | PacketType.BINARY_ACK:
            valid = packet.id is not None and isinstance(data, list)
        case _:
            # Only servers send errors.
            valid = False
    if not valid:
        raise PacketError(f"the payload does not fit a packet of type {packet.type.name}")


def _is_event_name(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_EVENT_NAME_CHARS and value not in RESERVED_EVENTS
    return isinstance(value, int | float) and not isinstance(value, bool)
