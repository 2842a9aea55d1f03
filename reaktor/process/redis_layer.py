"""The Channels layer over Redis: channels_redis's, with lines of our own to each server that it is spread over.

Out: all that is said at once leaves in one write, and its answers are read together. In: a line waits for its socket,
with one timer for many messages.

The library keeps a list of what it is subscribed to and believes it: after an unsubscribe that was cancelled half-way
it takes a group for subscribed for ever after. So here every subscription is said. And it only reads: a connection
whose route has died stays silent, and this process deaf, until the kernel gives up, which without anything to send is
never. A server that was demoted takes what is said, and tells few. So each process hears itself: with what it says goes
now and then a beat of its own, which only a master takes and which must come back. Where it does not, both lines are
closed and made anew, to whoever is the master then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
import uuid
from collections.abc import Sequence
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer, RedisPubSubLoopLayer, RedisSingleShardConnection
from channels_redis.serializers import msgpack  # the library's own
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

logger = logging.getLogger(__name__)

BEAT_S = 0.9
"""With the first thing that is said after so long goes a beat: most processes say something each second."""
QUIET_S = 2.0
"""No beat heard for so long: say one, whether or not there is anything else to say."""
ANSWER_S = 1.0
CONNECT_S = 2.0
RETRY_S = 0.5
ALIVE_MS = 10_000

ROOM_BYTES = 64 * 1024

SET = b"*5\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$1\r\n1\r\n$2\r\nPX\r\n$5\r\n%d\r\n"
"""What a beat begins with, because a server that is no master refuses it; a PUBLISH it would take, and tell few."""
PUBLISH = b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n"
"""As the library would write it, which takes it several times as long: the most of what a small message costs here."""

Said = tuple[str, bytes]
"""A name that Redis publishes under, and what."""


class RedisLayer(RedisPubSubChannelLayer):  # type: ignore[misc]  # untyped library
    """To be named as the BACKEND."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The library makes a packer for each message, and with it 256 KiB of room that are mapped and unmapped: thirty
        # times what packing costs.
        self._serializer.as_bytes = msgpack.Packer().pack

    def _get_layer(self) -> Any:
        loop = asyncio.get_running_loop()
        if loop not in self._layers:
            layer = super()._get_layer()
            layer._shards = [_Shard(shard.host, layer) for shard in layer._shards]
        return self._layers[loop]

    async def group_send_all(self, messages: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """group_send of each (group, message). What one server is told stays in order.

        Raises the error of a server that did not take its part; the others have taken theirs.
        """
        layer = self._get_layer()
        parts: dict[_Shard, list[Said]] = {}
        for group, message in messages:
            name = layer._get_group_channel_name(group)
            parts.setdefault(layer._get_shard(name), []).append((name, self.serialize(message)))
        if len(parts) == 1:
            [(shard, part)] = parts.items()
            await shard.publish_all(part)
            return
        outcomes = await asyncio.gather(
            *(shard.publish_all(part) for shard, part in parts.items()), return_exceptions=True
        )
        for outcome in outcomes:
            if outcome is not None:
                raise outcome


class _Shard(RedisSingleShardConnection):  # type: ignore[misc]  # untyped library
    """One server: a line to speak, kept open, and a line to hear."""

    def __init__(self, host: dict[str, Any], channel_layer: RedisPubSubLoopLayer) -> None:
        # Of the third protocol the library makes a log line of each message, whether or not anybody reads it.
        super().__init__({**host, "protocol": 2}, channel_layer)
        self._speaking = asyncio.Lock()
        self._speaker: Any = None
        self._beat_name = f"{channel_layer.prefix}__beat__{uuid.uuid4().hex}".encode()
        key = f"{channel_layer.prefix}__alive".encode()
        publish = PUBLISH % (len(self._beat_name), self._beat_name, 0, b"")
        self._beat = SET % (len(key), key, ALIVE_MS) + publish
        self._beat_at = -math.inf

    # -- Out --------------------------------------------------------------------------------------------------

    async def publish(self, channel: str, message: bytes) -> None:
        await self.publish_all([(channel, message)])

    async def publish_all(self, said: Sequence[Said]) -> None:
        """In one write, in order. Raises the first refusal once all the answers are read."""
        is_time = self._receive_task is not None and time.monotonic() >= self._beat_at + BEAT_S
        await self._say(said, with_beat=is_time)

    async def _say(self, said: Sequence[Said], *, with_beat: bool) -> None:
        named = [(name.encode(), data) for name, data in said]
        written = b"".join([PUBLISH % (len(name), name, len(data), data) for name, data in named])
        if with_beat:
            self._beat_at = time.monotonic()
            written += self._beat
        async with self._speaking:
            try:
                refusal = await self._write(written, len(said), with_beat=with_beat)
            except (ReadOnlyError, RedisConnectionError, OSError):
                await self._lose_lines()
                raise
        if refusal is not None:
            raise refusal

    async def _write(self, written: bytes, count: int, *, with_beat: bool) -> ResponseError | None:
        """The first refusal of `count` messages. Raises what says that the line is lost, or not a master's."""
        refusal: ResponseError | None = None
        if self._speaker is None:
            self._ensure_redis()
            self._speaker = await self._redis.connection_pool.get_connection()
            _read_by_room(self._speaker)
        elif not self._speaker.is_connected:
            await self._speaker.connect()
            _read_by_room(self._speaker)
        # It ends itself when something goes wrong, or a wait is cancelled: no answer is taken for another's.
        await self._speaker.send_packed_command(written)
        for _ in range(count):
            try:
                await self._speaker.read_response()
            except ResponseError as error:
                refusal = refusal or error
        for _ in range(2 if with_beat else 0):
            try:
                await self._speaker.read_response()
            except ReadOnlyError:
                raise
            except ResponseError as error:
                logger.debug("redis: a beat was refused (%s)", error)
        return refusal

    async def _lose_lines(self) -> None:
        """Where the line to speak is lost the other is, too; whoever reads there finds that it has ended."""
        if self._speaker is not None:
            await self._speaker.disconnect(nowait=True)
        hearing = self._pubsub.connection
        if hearing is not None and hearing.is_connected:
            hearing._writer.transport.abort()

    async def flush(self) -> None:
        sentinel = self._redis and getattr(self._redis.connection_pool, "sentinel_manager", None)
        await super().flush()
        if sentinel is not None:
            await sentinel.aclose()
        self._speaker = None

    # -- In ---------------------------------------------------------------------------------------------------

    async def subscribe(self, channel: str) -> None:
        """Always said: Redis takes a repetition for nothing, and it heals whatever went wrong before."""
        async with self._lock:
            self._ensure_redis()
            await self._pubsub.subscribe(channel)
            self._ensure_receiver()

    async def unsubscribe(self, channel: str) -> None:
        async with self._lock:
            self._ensure_redis()
            await self._pubsub.unsubscribe(channel)
            self._ensure_receiver()

    async def _do_receiving(self) -> None:
        while True:
            try:
                async with self._lock, asyncio.timeout(CONNECT_S):
                    # Says all subscriptions again if it has to.
                    await self._pubsub.connect()
                    await self._pubsub.subscribe(self._beat_name)
                _read_by_room(self._pubsub.connection)
                await self._hear_all()
            except (RedisError, OSError):
                # Whoever speaks says that Redis is away.
                await asyncio.sleep(RETRY_S)
            except Exception:
                logger.exception("redis: a message was not received")
                await asyncio.sleep(RETRY_S)

    async def _hear_all(self) -> None:
        """Until a line is lost."""
        try:
            while True:
                await self._hear_while_it_beats()
                if not await self._hears_itself():
                    break
            logger.warning("redis: not heard myself for %.0f s; connecting anew", QUIET_S + ANSWER_S)
        finally:
            # Where this line is lost the other is, too. Who speaks would find out by losing what they say.
            for line in (self._pubsub.connection, self._speaker):
                if line is not None:
                    await line.disconnect(nowait=True)

    async def _hear_while_it_beats(self) -> None:
        """Take what comes, until no beat of our own has come for QUIET_S."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            # One timer for many messages. It strikes only while nothing is there, so it takes nothing away.
            async with asyncio.timeout(QUIET_S) as limit:
                while True:
                    if await self._hear_next():
                        limit.reschedule(loop.time() + QUIET_S)

    async def _hears_itself(self) -> bool:
        """Say a beat and take what comes until it has come; False if it does not."""
        until = asyncio.get_running_loop().time() + ANSWER_S
        with contextlib.suppress(TimeoutError, RedisError, OSError):
            async with asyncio.timeout_at(until):
                await self._say((), with_beat=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while not await self._hear_next():
                    pass
                return True
        return False

    async def _hear_next(self) -> bool:
        """Take one message; whether it was a beat of our own."""
        try:
            heard = await self._pubsub.connection.read_response(disconnect_on_error=False, push_request=True)
        except ResponseError as error:
            logger.warning("redis: a subscription was refused (%s)", error)
            return False
        if isinstance(heard, list) and heard[0] == b"message":
            if heard[1] == self._beat_name:
                return True
            self._receive_message({"channel": heard[1], "data": heard[2]})
        else:
            await self._pubsub.handle_message(heard)
        return False


class _Room(asyncio.BufferedProtocol):
    """One room for all reads of a line, in place of 256 KiB that asyncio makes for each: these are mapped and unmapped,
    which takes longer than the read. Smaller ones leave holes in the heap. What came is the former protocol's.
    """

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._room = memoryview(bytearray(ROOM_BYTES))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        self._protocol.data_received(self._room[:nbytes])

    def eof_received(self) -> bool | None:
        kept_open: bool | None = self._protocol.eof_received()
        return kept_open

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()


def _read_by_room(line: Any) -> None:
    """Of a line that was just connected."""
    transport = line._writer.transport
    transport.set_protocol(_Room(transport.get_protocol()))
