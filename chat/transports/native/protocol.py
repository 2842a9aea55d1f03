"""The frames of `reaktor.v1`: reading a client's, writing ours. One registry validates them and documents them.

parse() turns a text frame into a Request or raises BadFrameError; answer(), refusal() and NativeFormat.encode()
return whole WebSocket frames, ready to be joined. Pure. Source: docs/protocol.md.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from chat.domain.events import ByeData, Event, EventType
from chat.transports.native.operations import OPERATIONS, Operation
from reaktor.errors import Bye, InvalidError, ReaktorError, UnknownOperationError
from reaktor.numbers import MAX_INTEGER
from reaktor.web.websocket_frames import text_frame

SUBPROTOCOL = "reaktor.v1"
BEARER_PREFIX = "reaktor.bearer."
MAX_ID_CHARS = 64

RequestId = int | str | None


class BadFrameError(Exception):
    """A frame that is no request. `error` is what to answer, `request_id` what to answer it to (None: unknown)."""

    def __init__(self, error: ReaktorError, request_id: RequestId = None) -> None:
        self.error = error
        self.request_id = request_id
        super().__init__(error.message)


class Request(NamedTuple):
    """One valid request: `data` holds the operation's fields, checked and with their defaults."""

    id: RequestId
    operation: Operation
    channel: str
    data: dict[str, Any]

    @property
    def name(self) -> str:
        return self.operation.name


def parse(text: str | bytes) -> Request:
    """A client's frame. Raises BadFrameError: not JSON, not an object, unknown operation, wrong fields."""
    try:
        frame = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadFrameError(InvalidError("A frame must be JSON.")) from None
    if not isinstance(frame, dict):
        raise BadFrameError(InvalidError("A frame must be a JSON object."))
    request_id = frame.get("id")
    if not _is_id(request_id):
        raise BadFrameError(InvalidError("An id is a whole number or a string of at most 64 characters."))
    name = frame.get("op")
    if not isinstance(name, str):
        raise BadFrameError(InvalidError("A frame needs an op, a string."), request_id)
    operation = OPERATIONS.get(name)
    if operation is None:
        raise BadFrameError(UnknownOperationError(f"There is no operation {name[:64]!r}."), request_id)
    try:
        channel, data = operation.check(frame.get("channel"), frame.get("data"))
    except ReaktorError as error:
        raise BadFrameError(error, request_id) from None
    return Request(request_id, operation, channel, data)


def _is_id(value: object) -> bool:
    if value is None:
        return True
    if isinstance(value, str):
        return len(value) <= MAX_ID_CHARS
    return type(value) is int and abs(value) <= MAX_INTEGER


def answer(request_id: RequestId, data: Any) -> bytes:
    """The frame that grants a request."""
    return text_frame(orjson.dumps({"re": request_id, "ok": True, "data": data}))


def refusal(request_id: RequestId, error: ReaktorError) -> bytes:
    """The frame that refuses one; `re` null answers a frame without an id."""
    return text_frame(orjson.dumps({"re": request_id, "ok": False, "error": error.as_data()}))


def bye(said: Bye) -> bytes:
    """The last frame before a close: why, and when to come back."""
    data: ByeData = {"code": said.code.value, "reason": said.text}
    if said.retry_after_s is not None:
        data["retry_after"] = said.retry_after_s
    if said.terms is not None:
        data["until"] = said.terms.until_text
    return text_frame(orjson.dumps({"event": EventType.BYE.value, "data": data}))


PING = text_frame(b'{"event":"ping"}')


class NativeFormat:
    """The wire format of native sessions: one text frame per event."""

    tells_own_presence = True

    def encode(self, event: Event) -> bytes | None:
        if event.type is EventType.USER_QUIT:
            return None
        frame: dict[str, Any] = {"event": event.type.value}
        if event.channel is not None:
            frame["channel"] = event.channel
        if event.seq is not None:
            frame["seq"] = event.seq
        frame["data"] = event.data
        return text_frame(orjson.dumps(frame))

    def join(self, frames: list[bytes]) -> bytes:
        return b"".join(frames)


FORMAT = NativeFormat()
