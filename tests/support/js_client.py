"""Real JavaScript clients from Python: a wrapper of tests/interop/driver.cjs, one node process for many of them."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.node_packages import install_packages

INTEROP = Path(__file__).parents[1] / "interop"
LIBRARIES = ("sio17", "sio25", "sio31", "sio48")
WAIT_S = 10.0
LINE_LIMIT = 8 * 1024 * 1024

Line = dict[str, Any]


class JsClient:
    """One client inside the driver. Lines are taken in order: expect() drops what comes before the one it waits for.

    `history`: all lines that ever came.
    """

    def __init__(self, driver: JsDriver, name: str) -> None:
        self._driver = driver
        self._lines: asyncio.Queue[Line] = asyncio.Queue()
        self._refs = itertools.count(1)
        self.history: list[Line] = []
        self.name = name

    def on_line(self, line: Line) -> None:
        self._lines.put_nowait(line)
        self.history.append(line)

    def do(self, command: str, **fields: Any) -> None:
        """Send one command for this client; see driver.cjs."""
        self._driver.send({"do": command, "client": self.name, **fields})

    def emit(self, name: str, *args: Any) -> None:
        self.do("emit", name=name, args=args)

    async def call(self, name: str, *args: Any) -> list[Any]:
        """Emit with an ack, and return the ack's arguments; other lines that come meanwhile stay in order."""
        ref = next(self._refs)
        self.do("emit", name=name, args=args, ref=ref)
        kept: list[Line] = []
        try:
            async with asyncio.timeout(WAIT_S):
                while True:
                    line = await self._lines.get()
                    if line["type"] == "ack" and line["ref"] == ref:
                        answer: list[Any] = line["args"]
                        return answer
                    kept.append(line)
        finally:
            rest = [self._lines.get_nowait() for _ in range(self._lines.qsize())]
            for line in (*kept, *rest):
                self._lines.put_nowait(line)

    async def next_line(self, timeout_s: float = WAIT_S) -> Line:
        """The next line, whatever it is. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            return await self._lines.get()

    async def expect(self, kind: str, timeout_s: float = WAIT_S, **fields: Any) -> Line:
        """The next line of this type whose fields have these values. Raises TimeoutError, which tells all that came."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    line = await self._lines.get()
                    if line["type"] == kind and all(line.get(key) == value for key, value in fields.items()):
                        return line
        except TimeoutError:
            came = "\n".join(map(str, self.history))
            raise TimeoutError(
                f"{self.name}: no {kind} {fields} within {timeout_s:g} s; all that came:\n{came}"
            ) from None

    async def expect_event(self, name: str, timeout_s: float = WAIT_S) -> list[Any]:
        """The arguments of the next event of this name."""
        args: list[Any] = (await self.expect("event", timeout_s, name=name))["args"]
        return args

    def count(self, kind: str) -> int:
        """How many lines of this type have come so far."""
        return sum(1 for line in self.history if line["type"] == kind)

    async def state(self) -> Line:
        """id, connected, recovered, transport, as of now."""
        self.do("state")
        return await self.expect("state")


class JsDriver:
    """The node process. Use js_driver()."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._clients: dict[str, JsClient] = {}
        self._names = itertools.count(1)

    def send(self, command: Line) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    def open(self, library: str, url: str, **options: Any) -> JsClient:
        """A new client of this library, one of LIBRARIES, with socket.io-client's own options."""
        client = self._add(library)
        client.do("open", library=library, url=url, options=options)
        return client

    def join(self, other: JsClient, namespace: str, **options: Any) -> JsClient:
        """Another namespace over the connection of `other`."""
        client = self._add(other.name)
        client.do("join", **{"from": other.name}, namespace=namespace, options=options)
        return client

    def _add(self, prefix: str) -> JsClient:
        client = JsClient(self, f"{prefix}-{next(self._names)}")
        self._clients[client.name] = client
        return client

    async def read(self) -> None:
        """Hand lines to their clients until the process ends."""
        assert self._process.stdout is not None
        while raw := await self._process.stdout.readline():
            line: Line = json.loads(raw)
            if line["client"] in self._clients:
                self._clients[line["client"]].on_line(line)


@asynccontextmanager
async def js_driver() -> AsyncIterator[JsDriver]:
    """A running driver; ends its node process, and with it every client."""
    await asyncio.to_thread(install_packages, INTEROP)
    node = shutil.which("node")
    if node is None:
        raise RuntimeError("the interop tests need node")
    process = await asyncio.create_subprocess_exec(
        node,
        "driver.cjs",
        cwd=INTEROP,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_LIMIT,
    )
    driver = JsDriver(process)
    reader = asyncio.ensure_future(driver.read())
    try:
        yield driver
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reader


def binary(data: bytes) -> dict[str, str]:
    """Binary data as the driver writes and reads it."""
    import base64

    return {"$base64": base64.b64encode(data).decode()}
