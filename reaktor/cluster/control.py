"""The control socket: how commands talk to a live supervisor. One JSON object in, one out, each on a line.

Asked: {"v": 1, "do": "status" | "metrics" | "ping" | "reload" | "scale" | "drain" | "hand-over" | "ask-host", "count"?,
"slot"?, "until"?, "host"?, "life"?, "order"?}. ask-host has another host carry `order` out, which is such an object.
Answered: {"ok": true, "result": …} or {"ok": false, "error": "<sentence>"}. The socket's directory is its user's alone,
which is all the access control.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from reaktor.cluster.failures import ONE_PROCESS, ClusterError, NotRunningError, SupervisorError
from reaktor.cluster.rundir import RunDir
from reaktor.cluster.slots import Slots
from reaktor.cluster.supervisor import Supervisor
from reaktor.errors import UnavailableError

logger = logging.getLogger(__name__)

VERSION = 1
MAX_REQUEST_BYTES = 4_096
MAX_ANSWER_BYTES = 4 * 1024 * 1024
REQUEST_S = 5.0
POLL_S = 0.05
FROM_HOSTS = frozenset({"ping", "reload"})
"""What other hosts may order."""
CONNECT_S = 2.0
METRICS_S = 2.0


class Control:
    """Answers requests for as long as run() does."""

    def __init__(
        self,
        run_dir: RunDir,
        supervisor: Supervisor | None,
        views: Mapping[str, Callable[[], dict[str, Any]]],
        boot_s: float,
        *,
        actions: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Any]]] | None = None,
    ) -> None:
        """`views`: what is answered at once and changes nothing, by its name; `actions`: what others of this process
        are asked for, with the request. `supervisor`: None in a server that is one process, which takes no orders."""
        self._path = run_dir.control_socket
        self._supervisor, self._views, self._boot_s = supervisor, views, boot_s
        self._actions = actions or {}

    async def run(self) -> None:
        """Listen until cancelled."""
        server = await asyncio.start_unix_server(self._on_connection, self._path, limit=MAX_REQUEST_BYTES)
        os.chmod(self._path, 0o600)
        async with server:
            await server.serve_forever()

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_S):
                request = json.loads(await reader.readline())
            answer = await self._answer(request)
            writer.write(json.dumps(answer).encode() + b"\n")
            async with asyncio.timeout(REQUEST_S):
                await writer.drain()
        except (TimeoutError, ValueError, OSError) as error:
            logger.debug("control: %s", error)
        finally:
            writer.close()

    async def obey(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out what another host orders; the answer as an asker of the socket has it. Never raises."""
        if order.get("do") not in FROM_HOSTS:
            return {"ok": False, "error": f"It takes no order {order.get('do')!r} from other hosts."}
        return await self._answer({"v": VERSION, **order})

    async def _answer(self, request: Any) -> dict[str, Any]:
        if not isinstance(request, dict) or request.get("v") != VERSION:
            return {"ok": False, "error": "This supervisor speaks another version; restart it."}
        try:
            return {"ok": True, "result": await self._do(request)}
        except ClusterError as error:
            return {"ok": False, "error": str(error)}
        except Exception as error:
            logger.exception("control: %s failed", request.get("do"))
            return {"ok": False, "error": f"It failed: {error!r}"}

    async def _do(self, request: dict[str, Any]) -> Any:
        if (view := self._views.get(str(request.get("do")))) is not None:
            return view()
        if (act := self._actions.get(str(request.get("do")))) is not None:
            return await act(request)
        if self._supervisor is None:
            raise SupervisorError(ONE_PROCESS)
        return await self._order(self._supervisor, request)

    async def _order(self, supervisor: Supervisor, request: dict[str, Any]) -> Any:
        match request.get("do"):
            case "reload":
                found = await self._reload(supervisor, [slot.number for slot in supervisor.slots.wanted])
                if request.get("until") == "serving":
                    await self._all_serving(supervisor.slots)
                return found
            case "ping":
                return {}
            case "drain":
                slot = supervisor.slots.by_number.get(int(request["slot"]))
                if slot is None or slot.is_retiring:
                    raise SupervisorError(f"There is no slot {request['slot']}.")
                return await self._reload(supervisor, [slot.number])
            case "scale":
                supervisor.scale(int(request["count"]))
                return await self._scaled(supervisor.slots)
            case unknown:
                raise SupervisorError(f"There is no order {unknown!r}.")

    async def _reload(self, supervisor: Supervisor, numbers: list[int]) -> dict[str, Any]:
        result = supervisor.reload(numbers)
        try:
            async with asyncio.timeout(self._boot_s * (len(numbers) + 1)):
                return {"reloaded": await result}
        except TimeoutError as error:
            raise SupervisorError("The reload takes too long; it goes on without anyone waiting.") from error

    async def _all_serving(self, slots: Slots) -> None:
        try:
            async with asyncio.timeout(self._boot_s):
                while not all(slot.is_serving for slot in slots.wanted):  # noqa: ASYNC110  as in _scaled
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise SupervisorError("Its workers were replaced, but not each slot serves again; see its log.") from error

    async def _scaled(self, slots: Slots) -> dict[str, Any]:
        """Wait until the workers that are wanted serve."""
        try:
            async with asyncio.timeout(self._boot_s):
                while not slots.is_everyone_serving:  # noqa: ASYNC110  rare, short, and nothing else would wait for it
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise SupervisorError("The new workers are not ready yet; see the log.") from error
        if failed := [f"slot {slot.number}: its worker {slot.gave_up}" for slot in slots.wanted if slot.gave_up]:
            raise SupervisorError(f"Not every worker can start ({'; '.join(failed)}).")
        return {"workers": len(slots.wanted)}


async def ask_soon(run_dir: RunDir, request: dict[str, Any], timeout_s: float) -> Any:
    """ask() for a loop. Raises the same."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_unix_connection(str(run_dir.control_socket), limit=MAX_ANSWER_BYTES)
            try:
                writer.write(json.dumps({"v": VERSION, **request}).encode() + b"\n")
                line = await reader.readline()
            finally:
                writer.close()
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NotRunningError(f"No live server was found in {run_dir.path}.") from error
    except (TimeoutError, OSError, ValueError) as error:
        raise SupervisorError(f"The supervisor does not answer ({error}).") from error
    return _result(line)


async def ask_metrics(run_dir: RunDir) -> dict[str, Any]:
    """The metrics of the whole cluster, for a worker whose /metrics is read. Raises UnavailableError.

    Asked when somebody reads: figures are as fresh as the last beats, nothing is sent that nobody reads, and a
    supervisor that hangs costs a scrape and nothing else.
    """
    try:
        found: dict[str, Any] = await ask_soon(run_dir, {"do": "metrics"}, METRICS_S)
    except ClusterError as error:
        raise UnavailableError(str(error)) from error
    return found


def ask(run_dir: RunDir, request: dict[str, Any], timeout_s: float) -> Any:
    """Send one request to the live supervisor of a run directory and wait for the result. For commands: blocks.

    Raises NotRunningError when none lives there, SupervisorError with its sentence when it refuses.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with connection:
        connection.settimeout(CONNECT_S)
        try:
            connection.connect(str(run_dir.control_socket))
        except OSError as error:
            raise NotRunningError(f"No live server was found in {run_dir.path}.") from error
        connection.settimeout(timeout_s)
        try:
            connection.sendall(json.dumps({"v": VERSION, **request}).encode() + b"\n")
            with connection.makefile("rb") as stream:
                line = stream.readline()
        except OSError as error:
            raise SupervisorError(f"The supervisor does not answer ({error}).") from error
    return _result(line)


def _result(line: bytes) -> Any:
    answer: Any = None
    with suppress(ValueError):
        answer = json.loads(line)
    if not isinstance(answer, dict):
        raise SupervisorError("The supervisor ended before it answered.")
    if not answer.get("ok"):
        raise SupervisorError(str(answer.get("error")))
    return answer.get("result")
