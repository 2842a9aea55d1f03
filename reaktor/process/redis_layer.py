"""The Channels layer over Redis: channels_redis's, with lines of our own to each server that it is spread over.

Out: all that is said at once leaves in one write, and its answers are read together. In: a line waits for its socket,
with one timer for many messages.

The library keeps a list of what it is subscribed to and believes it: after an unsubscribe that was cancelled half-way
it takes a group for subscribed for ever after. So here every subscription is said. And it only reads: a connection
whose route has died stays silent, and this process deaf, until the kernel gives up, which without anything to send is
never. So here a silent line is asked whether it lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer, RedisPubSubLoopLayer, RedisSingleShardConnection
from channels_redis.serializers import msgpack  # the library's own
from redis.exceptions import RedisError, ResponseError

logger = logging.getLogger(__name__)

QUIET_S = 3.0
"""Nothing heard for so long, on a bus with a beat each second: ask."""
ANSWER_S = 3.0
CONNECT_S = 5.0
RETRY_S = 1.0

ROOM_BYTES = 64 * 1024

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

    # -- Out --------------------------------------------------------------------------------------------------

    async def publish(self, channel: str, message: bytes) -> None:
        await self.publish_all([(channel, message)])

    async def publish_all(self, said: Sequence[Said]) -> None:
        """In one write, in order. Raises the first refusal once all the answers are read."""
        named = [(name.encode(), data) for name, data in said]
        written = b"".join([PUBLISH % (len(name), name, len(data), data) for name, data in named])
        refusal: ResponseError | None = None
        async with self._speaking:
            if self._speaker is None:
                self._ensure_redis()
                self._speaker = await self._redis.connection_pool.get_connection()
                _read_by_room(self._speaker)
            elif not self._speaker.is_connected:
                await self._speaker.connect()
                _read_by_room(self._speaker)
            # It ends itself when something goes wrong, or a wait is cancelled: no answer is taken for another's.
            await self._speaker.send_packed_command(written)
            for _ in said:
                try:
                    await self._speaker.read_response()
                except ResponseError as error:
                    refusal = refusal or error
        if refusal is not None:
            raise refusal

    async def flush(self) -> None:
        await super().flush()
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
                _read_by_room(self._pubsub.connection)
                await self._hear_all()
            except (RedisError, OSError):
                # Whoever speaks says that Redis is away.
                await asyncio.sleep(RETRY_S)
            except Exception:
                logger.exception("redis: a message was not received")
                await asyncio.sleep(RETRY_S)

    async def _hear_all(self) -> None:
        """Until the line is lost."""
        try:
            while await self._is_alive():
                pass
            logger.warning("redis: nothing heard for %.0f s, not even an answer; connecting anew", QUIET_S + ANSWER_S)
        finally:
            # Where this line is lost the other is, too. Who speaks would find out by losing what they say.
            for line in (self._pubsub.connection, self._speaker):
                if line is not None:
                    await line.disconnect(nowait=True)

    async def _is_alive(self) -> bool:
        """Hear what comes. Returns now and then, and False when the line is silent even when it is asked."""
        if await self._hear(QUIET_S):
            return True
        async with asyncio.timeout(ANSWER_S):
            await self._pubsub.ping()
        return await self._hear(ANSWER_S)

    async def _hear(self, seconds: float) -> bool:
        """Take what comes for so long; whether anything did."""
        has_heard = False
        with contextlib.suppress(TimeoutError):
            # One for many messages. It strikes only while nothing is there, so it takes nothing away.
            async with asyncio.timeout(seconds):
                while True:
                    await self._hear_next()
                    has_heard = True
        return has_heard

    async def _hear_next(self) -> None:
        try:
            heard = await self._pubsub.connection.read_response(disconnect_on_error=False, push_request=True)
        except ResponseError as error:
            logger.warning("redis: a subscription was refused (%s)", error)
            return
        if isinstance(heard, list) and heard[0] == b"message":
            self._receive_message({"channel": heard[1], "data": heard[2]})
        else:
            await self._pubsub.handle_message(heard)


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
