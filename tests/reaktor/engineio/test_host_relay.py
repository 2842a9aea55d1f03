"""The way to another host, from the worker's side: how long it is tried, and what becomes of what is open."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from reaktor.config.model import RelayTls
from reaktor.engineio import host_relay, neighbours
from reaktor.engineio.engine import WorkerGoneError
from reaktor.engineio.host_relay import HostRelay
from reaktor.engineio.sid import Worker
from reaktor.process import relay_tls
from reaktor.process.relay_pass import GO_ON, PASS_BYTES, Doorkeeper, Refusal
from tests.support.certificates import certificates

KEY = b"k" * 32
WORKER = Worker(2, 5, 1, 1)
REQUEST = b"GET / HTTP/1.1\r\n\r\n"


class OtherHost:
    """Listens for the relay. `says`: how it answers each pass (None: not at all)."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls, self.is_hung = tls, False
        self.says: bytes | None = GO_ON
        self.heard: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        if self._tls is not None:
            await self._serve_encrypted(reader, writer, self._tls)
            return
        self.heard.append(await reader.readexactly(PASS_BYTES + len(REQUEST)))
        if self.says is not None:
            writer.write(self.says)

    async def _serve_encrypted(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: ssl.SSLContext
    ) -> None:
        self.heard.append(await reader.readexactly(PASS_BYTES))
        # The next thing in clear is a greeting of TLS, and nothing of the request.
        writer.write(GO_ON)
        if self.is_hung:
            return
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await writer.start_tls(tls)
            self.heard.append(await reader.readexactly(len(REQUEST)))
            writer.write(b"answer")
        writer.close()

    async def stop(self) -> None:
        self._server.close()
        for writer in self.writers:
            writer.close()


@pytest_asyncio.fixture
async def other() -> AsyncIterator[OtherHost]:
    host = OtherHost()
    await host.start()
    yield host
    await host.stop()


@pytest.fixture
def relay(other: OtherHost) -> HostRelay:
    found = HostRelay(KEY, max_open=2)
    found.tell([(2, 5, "127.0.0.1", other.port)])
    return found


async def send(relay: HostRelay, worker: Worker = WORKER) -> bytes:
    """What comes behind the word to go on."""
    async with relay.sent(worker, REQUEST, is_open=False) as (reader, _):
        return await reader.read()


async def test_the_request_follows_a_pass_and_the_answer_follows_the_word_to_go_on(
    relay: HostRelay, other: OtherHost
) -> None:
    async with relay.sent(WORKER, REQUEST, is_open=True) as (reader, _):
        other.writers[0].write(b"answer")
        assert await reader.readexactly(6) == b"answer"
        assert len(relay) == 1
    assert len(relay) == 0
    (heard,) = other.heard
    given = Doorkeeper(KEY, max_bytes=100).admit(heard[:PASS_BYTES], time.time(), 0.0)
    assert given.worker == (2, 5, 1, 1)
    assert given.is_open
    assert given.fits(heard[PASS_BYTES:])


@pytest.mark.parametrize("worker", [Worker(2, 4, 1, 1), Worker(3, 5, 1, 1)])
async def test_who_lives_no_more_is_not_asked(relay: HostRelay, other: OtherHost, worker: Worker) -> None:
    with pytest.raises(WorkerGoneError):
        await send(relay, worker)
    assert other.writers == []


async def test_one_that_says_nothing_is_tried_once_and_then_left_alone(
    relay: HostRelay, other: OtherHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_relay, "TRY_S", 0.2)
    monkeypatch.setattr(neighbours, "REFUSE_S", 0.5)
    other.says = None
    began = time.monotonic()
    with pytest.raises(WorkerGoneError):
        await send(relay)
    assert 0.15 < time.monotonic() - began < 0.4
    other.says = GO_ON
    began = time.monotonic()
    with pytest.raises(WorkerGoneError):
        await send(relay)
    assert time.monotonic() - began < 0.1
    assert len(other.heard) == 1
    await asyncio.sleep(0.6)
    async with relay.sent(WORKER, REQUEST, is_open=False):
        pass
    assert relay.metrics()["counters"] == {"host_relays_sent": 1, "host_relays_failed": 2}


async def test_one_that_can_not_be_reached_is_left_alone_too(relay: HostRelay, other: OtherHost) -> None:
    await other.stop()
    for _ in range(2):
        with pytest.raises(WorkerGoneError):
            await send(relay)
    assert len(relay) == 0


async def test_what_is_open_to_a_host_that_is_gone_is_cut(relay: HostRelay, other: OtherHost) -> None:
    waiting = asyncio.create_task(send(relay))
    async with asyncio.timeout(5):
        while relay.sent_total == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        relay.tell([(2, 5, "127.0.0.1", other.port)])
        await asyncio.sleep(0.05)
        assert not waiting.done()
        relay.tell([(2, 6, "127.0.0.1", other.port)])
        assert await waiting == b""
    assert len(relay) == 0


async def test_no_more_are_open_than_may_be(relay: HostRelay) -> None:
    async with relay.sent(WORKER, REQUEST, is_open=False), relay.sent(WORKER, REQUEST, is_open=False):
        with pytest.raises(WorkerGoneError):
            await send(relay)
    async with relay.sent(WORKER, REQUEST, is_open=False):
        assert len(relay) == 1


@pytest.mark.parametrize(
    ("refusal", "complaint"), [(Refusal.STALE, "its clock differs"), (Refusal.GONE, ""), (Refusal.BUSY, "too much")]
)
async def test_a_refusal_is_no_silence_and_is_told_once(
    relay: HostRelay, other: OtherHost, caplog: pytest.LogCaptureFixture, refusal: Refusal, complaint: str
) -> None:
    other.says = refusal.byte
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with pytest.raises(WorkerGoneError):
                await send(relay)
    assert len(other.heard) == 3
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == (1 if complaint else 0)
    assert all(complaint in line for line in said)


# TLS


@pytest.fixture
def files(tmp_path: Path) -> RelayTls:
    authority, certificate, key = certificates(tmp_path)
    return RelayTls(str(certificate), str(key), str(authority))


@pytest_asyncio.fixture
async def encrypted(files: RelayTls) -> AsyncIterator[OtherHost]:
    host = OtherHost(relay_tls.for_callers(files))
    await host.start()
    yield host
    await host.stop()


def relay_by_tls(files: RelayTls, host: OtherHost) -> HostRelay:
    found = HostRelay(KEY, max_open=2, tls=relay_tls.for_calls(files))
    found.tell([(2, 5, "127.0.0.1", host.port)])
    return found


async def test_by_tls_the_request_is_said_behind_the_pass_once_the_certificate_is_seen(
    encrypted: OtherHost, files: RelayTls
) -> None:
    assert await send(relay_by_tls(files, encrypted)) == b"answer"
    assert [len(each) for each in encrypted.heard] == [PASS_BYTES, len(REQUEST)]
    assert encrypted.heard[1] == REQUEST


async def test_nothing_is_said_to_who_has_no_good_certificate_and_the_log_says_why(
    tmp_path: Path, encrypted: OtherHost, other: OtherHost, files: RelayTls, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    authority, *_ = certificates(stranger)
    relay = relay_by_tls(RelayTls(files.cert_file, files.key_file, str(authority)), encrypted)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with pytest.raises(WorkerGoneError):
                await send(relay)
    assert [len(each) for each in encrypted.heard] == [PASS_BYTES] * 2
    said = [record.getMessage() for record in caplog.records if record.name == host_relay.__name__]
    assert len(said) == 1
    assert "host 2 takes nothing from this one: its certificate is not good (" in said[0]
    # A host whose worker does not speak TLS lives all the same: it is tried again at once.
    assert relay.metrics()["counters"] == {"host_relays_sent": 0, "host_relays_failed": 2}
    assert len(relay) == 0


async def test_a_worker_that_says_nothing_more_is_given_up_and_its_host_is_not(
    encrypted: OtherHost, files: RelayTls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_relay, "TRY_S", 0.2)
    relay = relay_by_tls(files, encrypted)
    encrypted.is_hung = True
    with pytest.raises(WorkerGoneError):
        await send(relay)
    monkeypatch.undo()
    encrypted.is_hung = False
    assert await send(relay) == b"answer"
