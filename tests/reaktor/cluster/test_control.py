"""The control socket: what is answered to whom, and what askers are told when nobody answers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from reaktor.cluster.contract import NO_HOME
from reaktor.cluster.control import Control, ask, ask_metrics, ask_soon
from reaktor.cluster.dispatcher import Dispatcher
from reaktor.cluster.failures import NotRunningError, SupervisorError
from reaktor.cluster.rundir import RunDir
from reaktor.cluster.supervisor import Supervisor
from reaktor.cluster.worker_process import Listener, WorkerProcess, WorkerState
from reaktor.config.model import Cluster
from reaktor.errors import UnavailableError
from tests.support.waiting import until


@pytest.fixture
def run_dir() -> Iterator[RunDir]:
    with tempfile.TemporaryDirectory(prefix="reaktor-control-") as directory:
        yield RunDir(Path(directory))


class Stuck(Supervisor):
    """Real but for its orders: a reload of it never ends."""

    def __init__(self) -> None:
        super().__init__(Cluster(workers=1), Dispatcher(Cluster()), NO_HOME, environment={})
        self.slots.ensure(1, is_routed=True)
        self.scaled: list[int] = []

    def reload(self, numbers: list[int] | None = None) -> asyncio.Future[list[int]]:
        return asyncio.get_running_loop().create_future()

    def scale(self, count: int) -> None:
        self.scaled.append(count)


class Replaced(Stuck):
    """A reload of it is done at once."""

    def reload(self, numbers: list[int] | None = None) -> asyncio.Future[list[int]]:
        done = asyncio.get_running_loop().create_future()
        done.set_result(numbers)
        return done


def fail() -> dict[str, Any]:
    raise ZeroDivisionError("a bug")


@contextlib.asynccontextmanager
async def controlled(run_dir: RunDir, supervisor: Supervisor | None) -> AsyncIterator[None]:
    views = {"status": lambda: {"sessions": 3}, "fail": fail}
    control = asyncio.create_task(Control(run_dir, supervisor, views, 0.05).run())
    await until(run_dir.control_socket.exists)
    try:
        yield
    finally:
        control.cancel()
        await asyncio.gather(control, return_exceptions=True)


async def both(run_dir: RunDir, **request: Any) -> Any:
    """What ask_soon() and ask() answer, which is the same."""
    found: list[Any] = []
    for asking in (ask_soon(run_dir, request, 5.0), asyncio.to_thread(ask, run_dir, request, 5.0)):
        try:
            found.append(await asking)
        except SupervisorError as error:
            found.append(str(error))
    assert found[0] == found[1]
    return found[0]


async def test_views_are_answered_and_the_socket_is_its_users_alone(run_dir: RunDir) -> None:
    async with controlled(run_dir, None):
        assert await both(run_dir, do="status") == {"sessions": 3}
        assert stat.S_IMODE(os.stat(run_dir.control_socket).st_mode) == 0o600


async def test_a_view_that_fails_is_told_so_and_the_next_one_is_answered(
    run_dir: RunDir, caplog: pytest.LogCaptureFixture
) -> None:
    async with controlled(run_dir, None):
        assert await both(run_dir, do="fail") == "It failed: ZeroDivisionError('a bug')"
        assert await both(run_dir, do="status") == {"sessions": 3}
    assert "control: fail failed" in caplog.text


async def test_a_server_that_is_one_process_takes_no_orders(run_dir: RunDir) -> None:
    async with controlled(run_dir, None):
        assert "one process" in await both(run_dir, do="reload")


async def test_orders_that_can_not_be_carried_out_are_refused_in_a_sentence(run_dir: RunDir) -> None:
    supervisor = Stuck()
    async with controlled(run_dir, supervisor):
        assert await both(run_dir, do="dance") == "There is no order 'dance'."
        assert await both(run_dir, do="drain", slot=7) == "There is no slot 7."
        assert "takes too long" in await both(run_dir, do="drain", slot=1)
        assert "takes too long" in await both(run_dir, do="reload")
        assert "not ready yet" in await both(run_dir, do="scale", count=2)
        assert supervisor.scaled == [2, 2]
        supervisor.slots.by_number[1].gave_up = "exited with code 3"
        assert "slot 1: its worker exited with code 3" in await both(run_dir, do="scale", count=1)


async def test_other_hosts_may_order_a_reload_and_nothing_else(run_dir: RunDir) -> None:
    supervisor = Replaced()
    control = Control(run_dir, supervisor, {"status": dict}, 0.2)
    for do in ("scale", "drain", "status", "dance", None):
        assert await control.obey({"do": do}) == {
            "ok": False, "error": f"It takes no order {do!r} from other hosts."
        }  # fmt: skip
    assert await control.obey({"do": "ping"}) == {"ok": True, "result": {}}
    assert await control.obey({"do": "reload"}) == {"ok": True, "result": {"reloaded": [1]}}
    # Its only slot has no worker that serves.
    refused = await control.obey({"do": "reload", "until": "serving"})
    assert "not each slot serves again" in refused["error"]
    supervisor.slots.by_number[1].current = WorkerProcess(Listener(print, print, print, print), state=WorkerState.READY)
    assert await control.obey({"do": "reload", "until": "serving"}) == {"ok": True, "result": {"reloaded": [1]}}
    assert "one process" in (await Control(run_dir, None, {}, 0.2).obey({"do": "reload"}))["error"]


async def test_an_order_for_another_host_is_brought_to_it(run_dir: RunDir) -> None:
    async def ask_host(request: Mapping[str, Any]) -> Any:
        return [request["host"], request["life"], request["order"]]

    control = Control(run_dir, None, {}, 0.2, actions={"ask-host": ask_host})
    answer = await control._answer({"v": 1, "do": "ask-host", "host": 2, "life": 7, "order": {"do": "ping"}})
    assert answer == {"ok": True, "result": [2, 7, {"do": "ping"}]}


async def test_what_is_no_request_is_answered_or_let_go_and_harms_nobody(run_dir: RunDir) -> None:
    async with controlled(run_dir, None):
        for line, answer in ((b'{"v": 9}\n', b"another version"), (b"junk\n", b""), (b"x" * 10_000, b""), (b"", b"")):
            reader, writer = await asyncio.open_unix_connection(str(run_dir.control_socket))
            writer.write(line)
            writer.write_eof()
            with contextlib.suppress(ConnectionError):  # a long line is not read to its end
                said = await asyncio.wait_for(reader.read(), 5)
                assert answer in said
                assert bool(said) == bool(answer)
            writer.close()
        assert await both(run_dir, do="status") == {"sessions": 3}


async def test_without_a_server_there_is_none(run_dir: RunDir) -> None:
    for asking in (ask_soon(run_dir, {"do": "status"}, 5.0), asyncio.to_thread(ask, run_dir, {"do": "status"}, 5.0)):
        with pytest.raises(NotRunningError, match="No live server was found"):
            await asking
    with pytest.raises(UnavailableError):
        await ask_metrics(run_dir)


@pytest.mark.parametrize(
    ("is_silent", "said", "told"),
    [
        (True, b"", "does not answer"),
        (False, b"", "ended before it answered"),
        (False, b"no JSON\n", "ended before it answered"),
        (False, b"[]\n", "ended before it answered"),
        (False, b'{"ok": false, "error": "No."}\n', "No."),
    ],
    ids=["silence", "end", "junk", "list", "refusal"],
)
async def test_whatever_a_supervisor_does_instead_of_answering_is_said_in_a_sentence(
    run_dir: RunDir, is_silent: bool, said: bytes, told: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        if not is_silent:
            writer.write(said)
            writer.close()

    async with await asyncio.start_unix_server(serve, run_dir.control_socket):
        for asking in (
            ask_soon(run_dir, {"do": "status"}, 0.2),
            asyncio.to_thread(ask, run_dir, {"do": "status"}, 0.2),
        ):
            with pytest.raises(SupervisorError, match=told):
                await asking


async def test_a_socket_that_nobody_listens_on_any_more_is_no_server(run_dir: RunDir) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(run_dir.control_socket))
    with pytest.raises(NotRunningError):
        await ask_soon(run_dir, {"do": "status"}, 5.0)
