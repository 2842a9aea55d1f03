"""One answer for all who ask at the same time, and never one that was begun before."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from reaktor.web.joint import Joint


class SeenLock:
    """A lock that tells of everybody who comes to it."""

    def __init__(self) -> None:
        self.lock, self.came = threading.Lock(), threading.Semaphore(0)

    def __enter__(self) -> None:
        self.came.release()
        self.lock.acquire()

    def __exit__(self, *exc: object) -> None:
        self.lock.release()


def test_who_asks_while_an_answer_is_made_shares_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every client asks for the list of channels when it comes back: 8 ms of processor each, in all threads at once."""
    joint: Joint[int] = Joint()
    making = SeenLock()
    monkeypatch.setattr(joint, "_making", making)
    begun, may_end = threading.Event(), threading.Event()
    made: list[int] = []

    def make() -> int:
        made.append(len(made) + 1)
        begun.set()
        assert may_end.wait(10)
        return len(made)

    with ThreadPoolExecutor(6) as threads:
        first = threads.submit(joint.get, make)
        assert begun.wait(10)
        assert making.came.acquire(timeout=10)
        others = [threads.submit(joint.get, make) for _ in range(5)]
        for _ in others:
            assert making.came.acquire(timeout=10)
        may_end.set()
        assert first.result(10) == 1
        assert [each.result(10) for each in others] == [2] * 5
    assert joint.get(make) == 3


def test_an_answer_that_fails_fails_for_those_who_wait_and_is_made_again() -> None:
    joint: Joint[int] = Joint()

    def fail() -> int:
        raise LookupError

    with pytest.raises(LookupError):
        joint.get(fail)
    assert joint.get(lambda: 7) == 7
