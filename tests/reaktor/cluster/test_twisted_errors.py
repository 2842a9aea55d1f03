"""What goes wrong inside Twisted is told, and ends nothing that goes on for ever."""

import os
import signal
import socket
import subprocess
import sys

import pytest
from twisted.python.failure import Failure

from reaktor.cluster.twisted_errors import AGAIN_S, TwistedErrors
from tests.support.ports import free_port, is_listening, wait_for


def failure_of(error: Exception) -> dict[str, object]:
    try:
        raise error
    except Exception:  # noqa: BLE001  it is what is asked for
        return {"log_format": "Unhandled error in Deferred", "log_failure": Failure()}


def test_an_error_of_twisted_is_logged_with_its_traceback_and_its_repeats_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever Twisted had to say about errors was thrown away."""
    now = 0.0
    observer = TwistedErrors(clock=lambda: now)
    observer({"log_format": "a line of an access log"})
    for _ in range(3):
        observer(failure_of(ValueError("broken")))
    now = AGAIN_S
    observer(failure_of(ValueError("broken")))
    first, second = caplog.records
    assert first.getMessage() == "Unhandled error in Deferred: ValueError('broken')"
    assert first.exc_info is not None
    assert second.getMessage().endswith(", 2 times more since it was last told")


def test_an_error_in_the_sweep_is_logged_and_ends_neither_it_nor_the_timeouts_of_others(tmp_path) -> None:
    """One exception in the sweep ended the header and body time-outs of its process for good."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.faulty_serve", str(port)],
        env={**os.environ, "DATA_DIR": str(tmp_path), "HEADER_TIMEOUT": "0.5s"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: is_listening(port), what="the server's port")
        with _silent(port, "127.0.0.66"), _silent(port, "127.0.0.1") as good:
            assert _is_cut(good)
        with _silent(port, "127.0.0.1") as later:
            assert _is_cut(later)
    finally:
        process.send_signal(signal.SIGKILL)
        _, said = process.communicate()
    assert "the sweep met this" in said
    assert "ZeroDivisionError" in said


def _silent(port: int, source: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5.0, source_address=(source, 0))


def _is_cut(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
