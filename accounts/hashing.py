"""Password hashing in a few threads of its own, with a bound on what waits.

One argon2 hash takes 100 MB and a core for a while: more of them at once would be an attack on ourselves. Never called
on the loop. Owned by the app's config; called by accounts.services.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from django.contrib.auth.hashers import make_password, verify_password

from accounts.passwords import forms, opaque
from reaktor.errors import UnavailableError

T = TypeVar("T")

THREADS = 2
WAITING = 64
TIMEOUT_S = 15.0
"""64 waiting at two a tenth of a second are done in four; more means that the machine is starving."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password fits; `upgraded` is its hash by today's hasher when the stored one is older."""

    is_correct: bool
    upgraded: str | None = None


class Hashing:
    """hash() and verify(); the calling thread waits for its turn and the result."""

    def __init__(self, *, threads: int = THREADS, waiting: int = WAITING, timeout_s: float = TIMEOUT_S) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="hashing")
        self._places = threading.BoundedSemaphore(threads + waiting)
        self._timeout_s = timeout_s

    def hash(self, password: str) -> str:
        """The password's hash, ready to store. Raises UnavailableError when too many wait."""
        return self._run(lambda: make_password(opaque(password)))

    def verify(self, password: str, encoded: str | None) -> Verdict:
        """Compare with a stored hash. None (no such account) takes as long as a wrong password, and is one.

        Every outcome costs one hash of today's for each form of the password (nearly always there is one), also where
        the stored one is an old and cheaper one.
        """
        return self._run(lambda: _verify(password, encoded))

    def _run(self, function: Callable[[], T]) -> T:
        if not self._places.acquire(blocking=False):
            raise UnavailableError("Too many are logging in right now; try again.")
        future = self._executor.submit(function)
        future.add_done_callback(lambda _: self._places.release())
        try:
            return future.result(self._timeout_s)
        except TimeoutError:
            future.cancel()
            raise UnavailableError("Too many are logging in right now; try again.") from None


def _verify(password: str, encoded: str | None) -> Verdict:
    verdict = Verdict(is_correct=False)
    for form in forms(password):
        verdict = _verify_form(form, encoded)
        if verdict.is_correct:
            break
    if verdict.is_correct and form != opaque(password):
        return Verdict(is_correct=True, upgraded=make_password(opaque(password)))
    return verdict


def _verify_form(form: str, encoded: str | None) -> Verdict:
    if encoded is None:
        make_password(form)
        return Verdict(is_correct=False)
    is_correct, must_update = verify_password(form, encoded)
    if not must_update:
        return Verdict(is_correct)
    # A wrong password, too, costs a hash of today's: else the time would tell which accounts were imported.
    renewed = make_password(form)
    return Verdict(is_correct, renewed if is_correct else None)
