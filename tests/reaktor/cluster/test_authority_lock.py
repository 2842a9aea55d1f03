"""The lock on the data directory, between processes and within one."""

import os
import signal
import subprocess
import sys

import pytest

from reaktor.cluster import authority_lock
from reaktor.cluster.failures import DataDirError

HOLDER = """
import sys, time
from pathlib import Path
from reaktor.cluster import authority_lock
authority_lock.hold(Path(sys.argv[1]), 8123)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that works in tmp_path."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_second_process_is_told_who_the_first_one_is(holder, tmp_path):
    with pytest.raises(DataDirError, match=rf"{tmp_path} \(process {holder.pid}, port 8123\)\. Give each server"):
        authority_lock.hold(tmp_path, 8000)


def test_a_process_that_was_killed_holds_nothing(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    authority_lock.hold(tmp_path, 8000)
    authority_lock.let_go(tmp_path)


def test_one_process_may_hold_it_twice_and_lets_go_once(tmp_path):
    directory = tmp_path / "new"
    authority_lock.hold(directory, 8000)
    authority_lock.hold(directory, 8000)
    authority_lock.let_go(directory)
    authority_lock.let_go(directory)
    done = subprocess.run(
        [sys.executable, "-c", HOLDER.replace("time.sleep(60)", ""), str(directory)], check=True, capture_output=True
    )
    assert done.stdout == b"held\n"


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"pid": 1}'])
def test_a_holder_that_has_not_said_who_it_is_holds_all_the_same(holder, tmp_path, text):
    (tmp_path / authority_lock.FILE).write_text(text)
    with pytest.raises(DataDirError, match=r"\(it is just starting\)"):
        authority_lock.hold(tmp_path, 8000)


def test_a_directory_that_cannot_be_used_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataDirError, match="can't use"):
        authority_lock.hold(tmp_path / "file" / "data", 8000)


def test_no_child_of_the_holder_inherits_it(tmp_path):
    authority_lock.hold(tmp_path, 8000)
    child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        authority_lock.let_go(tmp_path)
        authority_lock.hold(tmp_path, 8000)
        assert os.path.exists(tmp_path / authority_lock.FILE)
    finally:
        authority_lock.let_go(tmp_path)
        child.kill()
        child.wait()
