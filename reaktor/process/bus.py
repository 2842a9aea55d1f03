"""The bus: what the processes of one server say to each other, over the Channels layer.

A *mailbox* has one reader, a *group* many. Bodies are JSON objects in one versioned envelope, encoded once here,
so the layer only ever moves bytes (the in-memory layer deep-copies what it carries; bytes cost it nothing).
Every send stands in a timeout and raises BusError instead of hanging. Knows nothing of chat or of Django.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import orjson

logger = logging.getLogger(__name__)

ENVELOPE_VERSION = 1
ENVELOPE_TYPE = "reaktor.bus"
INBOX_SIZE = 50_000
OVERFLOW = "bus.overflow"
RESUBSCRIBE_S = 60.0
"""A layer may lose subscriptions without a word, with its server. So one that must last is said again after so long."""
MAX_RETRY_S = 1.0


class BusError(Exception):
    """The bus did not take a message or a subscription in time; what was to be said is not said."""


class Saying(NamedTuple):
    """What a group is told."""

    group: str
    kind: str
    body: Mapping[str, Any]


class Layer(Protocol):
    """The part of a Channels layer that the bus uses. RedisLayer has group_send_all besides, for many at once."""

    async def send(self, channel: str, message: dict[str, Any]) -> None: ...
    async def receive(self, channel: str) -> dict[str, Any]: ...
    async def group_add(self, group: str, channel: str) -> None: ...
    async def group_discard(self, group: str, channel: str) -> None: ...
    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...


def pack(kind: str, body: Mapping[str, Any], *, not_to: str = "", blob: bytes | None = None) -> dict[str, Any]:
    """The layer's message for one bus message: kind names it, body is JSON-ready, `not_to` is a Bus that drops it.

    `blob`: bytes that are too many for JSON; they go beside the body.
    """
    message = {"type": ENVELOPE_TYPE, "v": ENVELOPE_VERSION, "kind": kind, "not_to": not_to, "body": orjson.dumps(body)}
    return message if blob is None else message | {"blob": blob}


def unpack(message: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """(kind, body) of a layer message, a blob as body["blob"]; None when it is not ours to read (version, junk)."""
    try:
        if message["v"] != ENVELOPE_VERSION:
            return None
        body = orjson.loads(message["body"])
        if not isinstance(body, dict):
            return None
        if "blob" in message:
            body["blob"] = message["blob"]
        return str(message["kind"]), body
    except (KeyError, TypeError, orjson.JSONDecodeError):
        return None


class Bus:
    """send, broadcast, subscribe and listen, with timeouts; one instance per process and loop.

    `scope` begins each mailbox and group, so that clusters on one Redis do not hear each other.
    `is_up`: whether it took what it was last given. A process that beats on it each second need not ask otherwise.
    """

    def __init__(self, layer: Layer, *, scope: str = "", timeout_s: float = 2.0) -> None:
        self._layer = layer
        self._scope = scope
        self._timeout_s = timeout_s
        self._identity = uuid.uuid4().hex
        self.dropped = 0
        self.is_up = True

    async def send(self, mailbox: str, kind: str, body: Mapping[str, Any], *, blob: bytes | None = None) -> None:
        """Put one message into a mailbox; `blob` arrives as body["blob"]. Raises BusError."""
        await self._bounded(self._layer.send(self._scope + mailbox, pack(kind, body, blob=blob)))

    async def broadcast(self, group: str, kind: str, body: Mapping[str, Any], *, to_self: bool = True) -> None:
        """Say one thing to every process subscribed to the group, the own one included unless told. Raises BusError."""
        not_to = "" if to_self else self._identity
        await self._bounded(self._layer.group_send(self._scope + group, pack(kind, body, not_to=not_to)))

    async def broadcast_all(self, sayings: Sequence[Saying], *, to_self: bool = False) -> None:
        """broadcast() of each to the other processes, in order and at once, in one timeout.

        Raises BusError where not all of it was taken.
        """
        not_to = "" if to_self else self._identity
        messages = [(self._scope + group, pack(kind, body, not_to=not_to)) for group, kind, body in sayings]
        await self._bounded(getattr(self._layer, "group_send_all", self._one_by_one)(messages))

    async def _one_by_one(self, messages: Sequence[tuple[str, dict[str, Any]]]) -> None:
        for group, message in messages:
            await self._layer.group_send(group, message)

    async def subscribe(self, group: str, mailbox: str) -> None:
        """What is said to the group comes to the mailbox too; listen() must run on it first. Raises BusError."""
        await self._bounded(self._layer.group_add(self._scope + group, self._scope + mailbox))

    async def keep_subscribed(
        self, group: str, mailbox: str, *, first_s: float, subscribed: asyncio.Event | None = None
    ) -> None:
        """subscribe() until cancelled: again after RESUBSCRIBE_S, for a bus that lost it, and sooner if it was refused.

        Then the first pause is twice `first_s`, and each one twice the last, up to MAX_RETRY_S. `subscribed` is set
        each time that the bus took it.
        """
        pause_s = first_s
        while True:
            try:
                await self.subscribe(group, mailbox)
                if subscribed is not None:
                    subscribed.set()
                pause_s = RESUBSCRIBE_S
            except BusError:
                # Either the mailbox is not read yet (a matter of milliseconds) or the bus is gone.
                pause_s = min(pause_s * 2, MAX_RETRY_S)
            await asyncio.sleep(pause_s)

    async def unsubscribe(self, group: str, mailbox: str) -> None:
        """End a subscription; unknown ones are ignored. Raises BusError."""
        await self._bounded(self._layer.group_discard(self._scope + group, self._scope + mailbox))

    async def _bounded(self, call: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await call
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self.is_up = False
            raise BusError(f"{type(error).__name__}: {error}") from error
        self.is_up = True

    async def listen(self, mailbox: str) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
        """(kind, body) of everything that comes to the mailbox, for as long as it is iterated.

        One task drains the layer into a bounded inbox (a receive() that is cancelled loses the mailbox's
        subscription, so it never stands in a timeout). When the inbox is full the whole of it is dropped, counted in
        `dropped`, and one ("bus.overflow", {}) is delivered: the reader then resyncs.
        """
        inbox: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue(INBOX_SIZE)
        drainer = asyncio.create_task(self._drain(self._scope + mailbox, inbox), name=f"bus {mailbox}")
        try:
            while True:
                kind, body = await inbox.get()
                yield kind, body
                if "blob" in body:
                    # It took a while to read, and the next may be here already: others have their turn first.
                    await asyncio.sleep(0)
        finally:
            drainer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await drainer

    async def _drain(self, mailbox: str, inbox: asyncio.Queue[tuple[str, dict[str, Any]]]) -> None:
        while True:
            try:
                message = await self._layer.receive(mailbox)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001  a layer that lost its server comes back; so do we
                logger.warning("bus: can't read %s (%s), trying again", mailbox, error)
                # channels_redis.pubsub notes a mailbox before it subscribes to it; when that fails it would take it
                # for subscribed ever after, and a process that starts before its Redis would stay deaf.
                getattr(self._layer, "channels", {}).pop(mailbox, None)
                self._put(inbox, (OVERFLOW, {}))
                await asyncio.sleep(0.5)
                continue
            if message.get("not_to") == self._identity:
                continue
            unpacked = unpack(message)
            if unpacked is None:
                continue
            self._put(inbox, unpacked)

    def _put(self, inbox: asyncio.Queue[tuple[str, dict[str, Any]]], unpacked: tuple[str, dict[str, Any]]) -> None:
        if inbox.full():
            self.dropped += inbox.qsize()
            while not inbox.empty():
                inbox.get_nowait()
            unpacked = (OVERFLOW, {})
        inbox.put_nowait(unpacked)
