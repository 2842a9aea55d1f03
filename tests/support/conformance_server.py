"""Starts tests.support.conformance as a real process: our Daphne or the stock one, as one of several workers."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.ports import free_port, is_listening, wait_for

ROOT = Path(__file__).parents[2]
# No ping comes while a test runs, so none can answer a poll in place of what the test waits for.
CALM = {
    "ENGINEIO_PING_INTERVAL": "25s",
    "ENGINEIO_PING_TIMEOUT": "20s",
    "ENGINEIO_CONNECT_TIMEOUT": "1s",
    "ENGINEIO_UPGRADE_TIMEOUT": "1s",
    "ENGINEIO_MAX_PAYLOAD": "1000000",
}
PING_INTERVAL_S = 0.3
PING_TIMEOUT_S = 0.5
# The order of magnitude of the published suites; with a longer timeout, so that a busy machine is no dead client.
HASTY = {**CALM, "ENGINEIO_PING_INTERVAL": "300ms", "ENGINEIO_PING_TIMEOUT": "500ms"}


@dataclass(frozen=True)
class ConformanceServer:
    """Where it listens."""

    port: int
    pid: int

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}"


@contextmanager
def conformance_server(*arguments: str, timings: dict[str, str] = CALM) -> Iterator[ConformanceServer]:
    """A running server; ends its process."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.conformance", str(port), *arguments],
        cwd=ROOT,
        env={**os.environ, **timings},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: is_listening(port) or process.poll() is not None, 30, "the conformance server listens")
        assert process.poll() is None, process.stderr.read().decode() if process.stderr else ""
        yield ConformanceServer(port, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        if process.stderr is not None:
            process.stderr.close()


async def become(text: str, ask: Callable[[], Awaitable[httpx.Response]], timeout_s: float = 5.0) -> None:
    """Ask again until the answer is this text. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while (await ask()).text != text:  # noqa: ASYNC110  the event is in another process
            await asyncio.sleep(0.01)


def sid_of(open_packet: str) -> str:
    """The sid in an open packet, or in a payload of revision 3 that begins with one."""
    start = open_packet.index("{")
    sid: str = json.JSONDecoder().raw_decode(open_packet[start:])[0]["sid"]
    return sid
