"""The sending half of one WebSocket: ready-made frames straight to the socket, or ASGI messages where that can't be.

With a FrameSink (our Daphne) everything leaves at once. Without one, a task drains the session's outbox for as long as
there is something in it; the outbox itself is the queue and has the bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from reaktor.engineio.packets import Codec, Outgoing, ReadyPacket
from reaktor.engineio.sounding import Sounding
from reaktor.engineio.tasks import Tasks
from reaktor.web.close_codes import NORMAL
from reaktor.web.frame_sink import FrameSink
from reaktor.web.scope import Send
from reaktor.web.websocket_frames import binary_frame, text_frame


class Pipe:
    """Pulls packets from `source` when woken, until close(). `sounding`: another worker stands before the client."""

    __slots__ = (
        "_allow_binary",
        "_close_code",
        "_codec",
        "_draining",
        "_is_closed",
        "_own",
        "_send",
        "_tasks",
        "sink",
        "sounding",
        "source",
    )

    def __init__(
        self,
        codec: Codec,
        send: Send,
        sink: FrameSink | None,
        tasks: Tasks,
        *,
        allow_binary: bool,
        sounding: Sounding | None = None,
    ) -> None:
        self.sink = sink
        self.sounding = sounding
        self.source: Callable[[], Iterable[Outgoing]] = tuple
        self._codec = codec
        self._send = send
        self._tasks = tasks
        self._own: list[Outgoing] = []
        self._allow_binary = allow_binary
        self._close_code: int | None = None
        self._draining = self._is_closed = False

    def wake(self) -> None:
        """There is something in the source."""
        if self.sink is not None:
            for packet in self._pull():
                self.sink.write(self._frame(packet))
        elif not self._draining and not self._is_closed:
            self._draining = True
            self._tasks.spawn(self._drain())

    def sound(self, now: float) -> None:
        """Ask who stands between whether what was sent has come, if nobody has a moment ago."""
        if self.sounding is not None and self.sink is not None and (ping := self.sounding.ping(now)) is not None:
            self.sink.write(ping)

    def say(self, packet: Outgoing) -> None:
        """Send one packet of the pipe's own, before what the source has: for a socket that still probes."""
        self._own.append(packet)
        self.wake()

    def close(self, code: int = NORMAL) -> None:
        """Send what is left, then the closing handshake; may be repeated.

        Codes: 1000 or 3000 to 4999; plain Daphne can send no others.
        """
        if self._close_code is not None:
            return
        self._close_code = code
        self.wake()
        if self.sink is not None:
            self._tasks.spawn(self._say_close(code))

    def abort(self) -> None:
        """Cut it without waiting for a client that does not read; may be repeated."""
        if self.sink is None:
            self.close()
            return
        self._close_code = NORMAL
        self.sink.abort()

    def lost(self) -> None:
        """The socket is gone: send nothing any more."""
        self._is_closed = True
        self.source = tuple
        self._close_code = NORMAL

    def _pull(self) -> list[Outgoing]:
        packets = [*self._own, *self.source()]
        self._own.clear()
        return packets

    def _frame(self, packet: Outgoing) -> bytes:
        if isinstance(packet, ReadyPacket):
            return packet.frame(self._codec.revision)
        message = self._codec.encode_frame(packet, allow_binary=self._allow_binary)
        return text_frame(message.encode()) if isinstance(message, str) else binary_frame(message)

    async def _drain(self) -> None:
        try:
            while packets := self._pull():
                for packet in packets:
                    message = self._codec.encode_frame(packet, allow_binary=self._allow_binary)
                    kind = "text" if isinstance(message, str) else "bytes"
                    await self._send({"type": "websocket.send", kind: message})
        finally:
            self._draining = False
        if self._close_code is not None:
            await self._say_close(self._close_code)

    async def _say_close(self, code: int) -> None:
        if not self._is_closed:
            self._is_closed = True
            await self._send({"type": "websocket.close", "code": code})
