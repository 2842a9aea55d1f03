"""What must not outlive its parent does not: held by the kernel, and where the kernel has no such thing by a look."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from reaktor.cluster import leash, worker
from tests.support.ports import wait_for

SLEEP = "import time; print('up', flush=True); time.sleep(60)"
# A parent that puts SLEEP on the leash, with or without what the kernel has for it.
PARENT = f"""
import subprocess, sys
from reaktor.cluster import leash
command = leash.leashed(sys.executable, "-I", "-S", "-c", {SLEEP!r})
if not {{by_kernel}}:
    code = "from reaktor.cluster import leash; leash.ask_death_signal = lambda number: False; leash.main()"
    command = (sys.executable, "-c", code, *command[4:])
child = subprocess.Popen(command, start_new_session=True)
print(child.pid, flush=True)
child.wait()
print("ended", child.returncode, flush=True)
"""
KINDS = {"held by the kernel": True, "watched": False}


@pytest.fixture(params=KINDS)
def parent(request):
    """A process that has started SLEEP on the leash, and the processes below it: the command is the last of them."""
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(by_kernel=KINDS[request.param])],
        stdout=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
    lines = [process.stdout.readline(), process.stdout.readline()]
    assert "up\n" in lines
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) == (1 if KINDS[request.param] else 2)
    yield process, family
    process.kill()
    process.wait()
    for each in family:
        if each.is_running():
            each.kill()


def wait_gone(family):
    wait_for(lambda: not [each for each in family if each.is_running() and each.status() != "zombie"], 10, "the end")


def test_the_command_ends_when_its_parent_is_killed(parent):
    process, family = parent
    process.kill()
    wait_gone(family)


def test_the_command_ends_when_it_is_told_to_and_its_parent_learns_of_it(parent):
    process, family = parent
    leash.kill(family[0].pid)
    assert process.stdout.readline() == "ended -9\n"
    wait_gone(family)
    leash.kill(family[0].pid)


def test_when_the_command_dies_its_parent_learns_of_it(parent):
    process, family = parent
    family[-1].kill()
    assert process.stdout.readline() in {"ended -9\n", "ended 137\n"}


def test_what_is_watched_gives_its_exit_code():
    assert leash.watch_over(os.getppid(), [sys.executable, "-I", "-S", "-c", "raise SystemExit(3)"]) == 3


class Library:
    """A C library that knows no prctl, as that of macOS."""


def test_a_kernel_without_a_death_signal_is_no_error(monkeypatch):
    monkeypatch.setattr(leash.ctypes, "CDLL", lambda *arguments, **options: Library())
    assert leash.ask_death_signal(signal.SIGKILL) is False


def test_a_worker_without_a_death_signal_sees_that_it_has_another_parent(monkeypatch):
    monkeypatch.setattr(worker, "ORPHAN_LOOK_S", 0.01)
    began, parents = time.monotonic(), iter([7, 7, 7, 1])
    monkeypatch.setattr(worker.os, "getppid", lambda: next(parents))
    worker.wait_for_new_parent(7)
    assert time.monotonic() - began < 5
    assert list(parents) == []
