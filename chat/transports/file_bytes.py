"""The bytes of files over HTTP, in and out: `POST /api/v1/files`, `GET /api/v1/files/{id}/{name}` and `…/thumb`.

FileBytes stands between the gate and Django, whose requests and answers are whole in memory. Here a chunk is in memory
at a time: reading from the client waits for the disk, and reading from the disk for the client. Who may: chat.files.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from http.cookies import CookieError, SimpleCookie
from typing import Any, TypeVar, cast
from urllib.parse import parse_qs

from accounts.authentication import BearerAuthentication, Claims, user_for_claims
from accounts.passes import pass_claims
from chat.domain.files import IMAGES, THUMB, FileData, disposition, no_file
from chat.domain.ids import UserId
from chat.files import giving, receiving
from chat.files.receiving import Upload
from chat.files.storage import MissingError, Opened
from chat.live.runtime import Runtime, current
from chat.models import File
from chat.transports.fast_replies import is_served_host
from chat.transports.rest.files import FilesView
from reaktor.config.model import KIB, Files
from reaktor.errors import (
    InvalidError,
    NotAuthenticatedError,
    ReaktorError,
    UnavailableError,
)
from reaktor.limits.rates import Limit
from reaktor.observe.logcontext import run_in_context
from reaktor.sandbox.pictures import Pictures
from reaktor.web.edge import Edge
from reaktor.web.gate import ASKED, Application, Asked
from reaktor.web.multipart import FIELDS_BYTES, FileOfForm, boundary_of
from reaktor.web.ranges import UnsatisfiableError, has_tag, range_of
from reaktor.web.refusals import refusal
from reaktor.web.reply import Header, json_reply
from reaktor.web.scope import Receive, Scope, Send, header, until_gone

logger = logging.getLogger(__name__)
T = TypeVar("T")

CHUNK_BYTES = 64 * KIB
THREADS = 8
SETTLING = 2
"""Files that are looked at and kept at the same time: to an object storage each has a part in memory."""
KEPT_HOSTS = 200
READERS = 256
READERS_PER_USER = 64
ALIVE_EVERY_S = 20.0
ASKING = 2
"""Questions to the database at the same time: a page of thumbnails asks for all of them at once."""
TURN_S = 10.0
"""So long one waits for one's turn at the database, where that is slow."""
RESTS = 4
"""Of the disk's time, and of this process's, a fifth is for files: the rest is for those who post."""
REST_S = 0.25
"""At most; a disk that takes longer for one write is no longer spared by it."""
SLOW_BYTES = 64 * KIB
SLOW_S = 10.0
"""Whoever sends fewer bytes in that time is cut off. Time that the disk takes is not theirs."""
_PATH = re.compile(rf"{giving.PATH}/([0-9A-Fa-f-]{{36}})/([^/]+)")
_SANDBOX: Header = (b"content-security-policy", b"default-src 'none'; sandbox")
_PRIVATE: Header = (b"cache-control", b"private, no-cache")


class GoneError(Exception):
    """The client went away."""


class FileBytes:
    """One per process that serves; scopes of type http that a Gate has let through."""

    def __init__(self, application: Application, edge: Edge, config: Files, pictures: Pictures) -> None:
        self._application = application
        self._edge = edge
        self._config = config
        self._pictures = pictures
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="files")
        # One thread: what several write at once fills the disk's queue, in which the commits of those who post wait.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="files-in")
        self._settling = asyncio.Semaphore(SETTLING)
        # Who posts waits for one row of a file at most: when many begin or end at once, theirs would come all before.
        self._row = asyncio.Semaphore(1)
        self._asking = asyncio.Semaphore(ASKING)
        self._readers: Counter[str] = Counter()
        self._is_host = lru_cache(KEPT_HOSTS)(is_served_host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = self._call(scope)
        runtime = current()
        if call is None or runtime is None:
            await self._application(scope, receive, send)
            return
        try:
            await call(runtime, scope, receive, send)
        except GoneError:
            return
        except ReaktorError as error:
            await refusal(error, scope, self._edge).send(scope, send)

    def _call(self, scope: Scope) -> Callable[[Runtime, Scope, Receive, Send], Any] | None:
        """What answers; None: it is for Django, which has a word for every other method, host or scheme."""
        path, method = scope["path"], scope["method"]
        if not path.startswith(giving.PATH) or (self._edge.hsts_s and scope.get("scheme") != "https"):
            return None
        if not self._is_host((header(scope, b"host") or "").encode("latin-1")):
            return None
        asked: Asked | None = scope.get(ASKED)
        if path == giving.PATH and method == "POST" and asked is not None and asked.view is FilesView:
            return self._receive
        if method in ("GET", "HEAD") and _PATH.fullmatch(path):
            return self._give
        return None

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        """In a thread of files' own. What has begun goes on when its caller is gone."""
        return await _made(self._executor, function, *args)

    async def _write(self, function: Callable[..., T], *args: Any) -> T:
        """The same in the thread that writes: the next call of the same upload comes after this one."""
        return await _made(self._writer, _with_rest, function, *args)

    async def _note(self, runtime: Runtime, function: Callable[..., T], *args: Any) -> T:
        """A write of the database. Raises UnavailableError."""
        return await _in_turn(self._row, runtime.database.write, function, *args)

    async def _ask(self, runtime: Runtime, function: Callable[..., T], *args: Any) -> T:
        """A read of the database. Raises UnavailableError."""
        return await _in_turn(self._asking, runtime.database.read, function, *args)

    # -- In ---------------------------------------------------------------------------------------------------

    async def _receive(self, runtime: Runtime, scope: Scope, receive: Receive, send: Send) -> None:
        claims = cast(Claims, scope[ASKED].claims)
        claims.check_write()
        await self._ask(runtime, user_for_claims, claims)
        if runtime.rates.check_here(Limit.FILES, claims.user_id):
            await runtime.database.read_once(runtime.rates.check_elsewhere, Limit.FILES, claims.user_id)
        boundary = boundary_of(header(scope, b"content-type") or "")
        form = FileOfForm(boundary) if boundary is not None else None
        length = _length(scope, self._config, is_form=form is not None)
        name = _named(scope)
        reserve = partial(
            receiving.file_reserve, user_id=UserId(claims.user_id), size=length, name=name, config=self._config
        )
        file_id = await self._note(runtime, reserve)
        upload: Upload | None = None
        stored: FileData | None = None
        try:
            upload = await self._write(Upload, file_id, runtime.file_storage, self._config, length)
            body = _Body(receive, lambda: self._note(runtime, receiving.file_alive, file_id))
            async for chunk in body:
                for part in form.feed(chunk) if form is not None else (chunk,):
                    await self._write(upload.take, part)
            if form is not None:
                form.finish()
                name = form.name or ""
            await self._write(upload.sync)
            async with self._settling:
                settled = await self._run(upload.settle, name, self._pictures)
            stored = await self._note(runtime, receiving.file_store, file_id, settled)
        except OSError as error:
            logger.error("a file can't be kept: %s", error)
            raise UnavailableError("The file can't be kept now.") from error
        finally:
            if stored is None:
                await asyncio.shield(self._give_up(runtime, upload, file_id))
        headers = self._edge.headers(scope["path"], header(scope, b"origin") or "")
        await json_reply(201, stored, *headers).send(scope, send)

    async def _give_up(self, runtime: Runtime, upload: Upload | None, file_id: Any) -> None:
        if upload is not None:
            with contextlib.suppress(OSError):
                await self._write(upload.discard)
        with contextlib.suppress(UnavailableError):  # the sweeper sees to it
            await self._note(runtime, receiving.file_give_up, file_id)

    # -- Out --------------------------------------------------------------------------------------------------

    async def _give(self, runtime: Runtime, scope: Scope, receive: Receive, send: Send) -> None:
        found = _PATH.fullmatch(scope["path"])
        assert found is not None  # noqa: S101  _call() has looked
        claims, is_signed = _asking(scope, found[1])
        runtime.rates.check_here(Limit.FILE_READS, claims.user_id)
        file = await self._ask(runtime, giving.file_readable, claims, found[1])
        is_thumb = found[2] == THUMB
        if is_thumb and file.width is None:
            raise no_file()
        etag = f'"{file.digest[:32]}{"-t" if is_thumb else ""}"'
        headers = self._headers(scope, file, etag, is_thumb=is_thumb, is_signed=is_signed)
        if has_tag(header(scope, b"if-none-match"), etag):
            await _answer(send, 304, headers)
            return
        with self._reading(claims.user_id):
            await self._stream(runtime, scope, receive, send, file, headers, etag, is_thumb=is_thumb)

    async def _stream(
        self,
        runtime: Runtime,
        scope: Scope,
        receive: Receive,
        send: Send,
        file: File,
        headers: list[Header],
        etag: str,
        *,
        is_thumb: bool,
    ) -> None:
        wanted = header(scope, b"range") if header(scope, b"if-range") in (None, etag) else None
        try:
            part = None if is_thumb else range_of(wanted, file.size)
        except UnsatisfiableError:
            await _answer(send, 416, [*headers, (b"content-range", b"bytes */%d" % file.size)])
            return
        start = part[0] if part is not None else 0
        try:
            opened = await self._run(_opened, runtime, file, start, is_thumb)
        except MissingError:
            logger.error("the bytes of file %s are not there", file.pk)
            raise no_file() from None
        except OSError as error:
            logger.error("file %s can't be read: %s", file.pk, error)
            raise UnavailableError("The file can't be read now.") from error
        try:
            left = part[1] if part is not None else opened.size
            headers = [*headers, (b"content-length", b"%d" % left)]
            if part is not None:
                headers.append((b"content-range", b"bytes %d-%d/%d" % (start, start + left - 1, opened.size)))
            await send({"type": "http.response.start", "status": 206 if part is not None else 200, "headers": headers})
            if scope["method"] != "HEAD":
                await self._pass_on(receive, send, opened, left)
            await send({"type": "http.response.body", "body": b""})
        finally:
            await asyncio.shield(self._run(opened.stream.close))

    async def _pass_on(self, receive: Receive, send: Send, opened: Opened, left: int) -> None:
        gone = asyncio.create_task(until_gone(receive), name="the reader of a file")
        try:
            while left:
                chunk = await self._run(opened.stream.read, min(left, CHUNK_BYTES))
                if not chunk:
                    raise ConnectionError("a file is shorter than it was")
                left -= len(chunk)
                # Returns when the client has taken most of what was written before.
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                if gone.done():
                    raise GoneError
        finally:
            gone.cancel()

    def _headers(self, scope: Scope, file: File, etag: str, *, is_thumb: bool, is_signed: bool) -> list[Header]:
        general = self._edge.headers(scope["path"], header(scope, b"origin") or "")
        is_shown = is_thumb or (file.type in IMAGES and file.width is not None)
        found = [each for each in general if each[0] != _SANDBOX[0]]
        found += [
            _SANDBOX,
            _PRIVATE,
            (b"content-type", b"image/webp" if is_thumb else file.type.encode()),
            (b"content-disposition", disposition(file.name, is_shown=is_shown).encode("latin-1")),
            (b"etag", etag.encode()),
            (b"accept-ranges", b"none" if is_thumb else b"bytes"),
        ]
        if not is_signed:
            # Pages of other origins have signed addresses.
            found.append((b"cross-origin-resource-policy", b"same-origin"))
        return found

    @contextmanager
    def _reading(self, user_id: str) -> Iterator[None]:
        if self._readers.total() >= READERS or self._readers[user_id] >= READERS_PER_USER:
            raise UnavailableError("Too many files are being read.")
        self._readers[user_id] += 1
        try:
            yield
        finally:
            self._readers[user_id] -= 1
            if not self._readers[user_id]:
                del self._readers[user_id]


class _Body:
    """The chunks of a request, none of them empty. Raises InvalidError: they come too slowly; GoneError."""

    def __init__(self, receive: Receive, alive: Callable[[], Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._receive, self._alive, self._clock = receive, alive, clock
        self._waited_s = 0.0
        self._bytes = 0
        self._said_at = clock()
        self._is_over = False

    def __aiter__(self) -> _Body:
        return self

    async def __anext__(self) -> bytes:
        while not self._is_over:
            message = await self._next()
            if message["type"] == "http.disconnect":
                raise GoneError
            self._is_over = not message.get("more_body", False)
            if self._clock() - self._said_at > ALIVE_EVERY_S:
                self._said_at = self._clock()
                await self._alive()
            chunk = bytes(message.get("body", b""))
            self._bytes += len(chunk)
            if chunk:
                return chunk
        raise StopAsyncIteration

    async def _next(self) -> Any:
        began = self._clock()
        while True:
            try:
                async with asyncio.timeout(max(SLOW_S - self._waited_s, 0.0)):
                    message = await self._receive()
            except TimeoutError:
                if self._bytes < SLOW_BYTES:
                    raise InvalidError("The file came too slowly.") from None
                self._waited_s, self._bytes, began = 0.0, 0, self._clock()
                continue
            self._waited_s += self._clock() - began
            return message


async def _made(executor: ThreadPoolExecutor, function: Callable[..., T], *args: Any) -> T:
    future = asyncio.get_running_loop().run_in_executor(executor, run_in_context(function, *args))
    # Asked for, since whoever waited may be gone: asyncio would log it as an error.
    future.add_done_callback(lambda done: None if done.cancelled() else done.exception())
    return await asyncio.shield(future)


async def _in_turn(turns: asyncio.Semaphore, call: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Raises UnavailableError where one waits for too long."""
    try:
        async with asyncio.timeout(TURN_S):
            await turns.acquire()
    except TimeoutError:
        raise UnavailableError from None
    try:
        return await call(*args)
    finally:
        turns.release()


def _with_rest(function: Callable[..., T], *args: Any) -> T:
    """And do nothing for RESTS times as long as that took."""
    began = time.monotonic()
    try:
        return function(*args)
    finally:
        time.sleep(min(RESTS * (time.monotonic() - began), REST_S))


def _opened(runtime: Runtime, file: File, start: int, is_thumb: bool) -> Opened:
    return runtime.file_storage.open(file.pk, start, is_thumb=is_thumb)


async def _answer(send: Send, status: int, headers: list[Header]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def _length(scope: Scope, config: Files, *, is_form: bool) -> int | None:
    """What the body says of its size; None: nothing. Raises InvalidError, TooLargeError."""
    said = header(scope, b"content-length")
    if said is None:
        return None
    if not said.isascii() or not said.isdigit():
        raise InvalidError("The length is no number.")
    length = int(said)
    if length > config.max_bytes + (FIELDS_BYTES if is_form else 0):
        raise receiving.too_large(config)
    return min(length, config.max_bytes)


def _named(scope: Scope) -> str:
    """The name that a raw body is given by its address; a form has its own."""
    try:
        query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=10, encoding="utf-8", errors="replace")
    except ValueError:
        raise InvalidError("There are too many parameters.") from None
    return str(query.get("name", [""])[0])


def _asking(scope: Scope, file_id: str) -> tuple[Claims, bool]:
    """Who asks, and whether by a signed address: by a header, by an address, or from a page of ours by its cookie.

    Raises NotAuthenticatedError.
    """
    claims = BearerAuthentication.claims_in(header(scope, b"authorization") or "")
    if claims is not None:
        return claims, False
    ticket = parse_qs(scope["query_string"].decode("latin-1")).get("ticket", [""])[0]
    if ticket:
        return pass_claims(ticket, giving.purpose_of(file_id.lower())), True
    try:
        cookie = SimpleCookie(header(scope, b"cookie") or "").get(giving.COOKIE)
    except CookieError:
        cookie = None
    if cookie is None:
        raise NotAuthenticatedError
    return pass_claims(cookie.value, giving.COOKIE_PURPOSE), False
