"""Hashing is bounded, what does not fit is refused at once, and its time tells nothing of the account."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import bcrypt
import pytest
from django.contrib.auth.hashers import get_hasher, make_password

from accounts.hashing import Hashing, Verdict
from accounts.models import User
from accounts.passwords import opaque
from reaktor.errors import UnavailableError


def test_beyond_the_bound_a_hash_is_refused_and_places_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    started, go_on = threading.Semaphore(0), threading.Event()

    def slow(password: str) -> str:
        started.release()
        assert go_on.wait(10)
        return password.upper()

    monkeypatch.setattr("accounts.hashing.make_password", slow)
    hashing = Hashing(threads=1, waiting=1)
    results: list[str] = []
    callers = [threading.Thread(target=lambda name=name: results.append(hashing.hash(name))) for name in ("a", "b")]
    callers[0].start()
    assert started.acquire(timeout=10)
    callers[1].start()
    while hashing._places._value:  # the second has taken its place
        pass
    with pytest.raises(UnavailableError) as caught:
        hashing.hash("c")
    assert caught.value.retry_after_s
    go_on.set()
    for caller in callers:
        caller.join(10)
    assert sorted(results) == ["A", "B"]
    assert hashing.hash("d") == "D"


def test_who_waits_too_long_is_told_so_and_the_place_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    monkeypatch.setattr("accounts.hashing.make_password", lambda password: go_on.wait(10) and password)
    hashing = Hashing(threads=1, waiting=0, timeout_s=0.05)
    with pytest.raises(UnavailableError):
        hashing.hash("a")
    go_on.set()
    deadline = threading.Event()
    for _ in range(100):
        try:
            assert hashing.hash("b") == "b"
            return
        except UnavailableError:
            deadline.wait(0.02)
    pytest.fail("the place of the hash that took too long never came back")


def test_an_error_while_hashing_reaches_the_caller_and_frees_the_place() -> None:
    hashing = Hashing(threads=1, waiting=0)
    for _ in range(3):
        with pytest.raises(TypeError):
            hashing.hash(42)  # type: ignore[arg-type]  # on purpose


def counted(made: list[str], real: Callable[..., Any]) -> Callable[..., Any]:
    """The same, noting each outermost call: some hashers compare by hashing."""
    inside = []

    def call(*args: Any, **kwargs: Any) -> Any:
        if not inside:
            made.append(real.__name__)
        inside.append(True)
        try:
            return real(*args, **kwargs)
        finally:
            inside.pop()

    return call


IMPORTED = "bcrypt_imported$" + bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode("ascii")


@pytest.mark.parametrize("password", ["right", "wrong"])
@pytest.mark.parametrize("stored", ["today's", IMPORTED, "!", None], ids=["today", "imported", "unusable", "unknown"])
def test_whatever_the_account_and_the_password_it_costs_one_hash_of_todays(
    password: str, stored: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An imported hash is cheaper to compare with; alone it told in a tenth of the time that the account was old."""
    encoded = make_password("right") if stored == "today's" else stored
    preferred, made = get_hasher(), []
    for name in ("encode", "verify"):
        monkeypatch.setattr(preferred, name, counted(made, getattr(preferred, name)))
    verdict = Hashing().verify(password, encoded)
    assert len(made) == 1
    assert verdict.is_correct == (password == "right" and stored in {"today's", IMPORTED})
    assert (verdict.upgraded is not None) == (verdict.is_correct and stored == IMPORTED)


TYPED = {"two characters for one": "cafe\u0301 au lait 7", "another blank": "caf\u00e9\u00a0au\u3000lait 7"}
ONE_FORM = "caf\u00e9 au lait 7"


@pytest.mark.parametrize("typed", TYPED.values(), ids=TYPED.keys())
def test_a_password_is_one_whatever_keyboard_it_was_typed_on(typed: str) -> None:
    """Registered on a telephone, refused on a computer: the same letters, in another form."""
    hashing = Hashing()
    for first, second in ((typed, ONE_FORM), (ONE_FORM, typed), (typed, typed)):
        assert hashing.verify(second, hashing.hash(first)) == Verdict(is_correct=True)


@pytest.mark.parametrize("typed", TYPED.values(), ids=TYPED.keys())
def test_a_hash_of_what_was_typed_still_fits_and_is_replaced_by_one_of_the_one_form(typed: str) -> None:
    hashing = Hashing()
    verdict = hashing.verify(typed, make_password(typed))
    assert verdict.is_correct
    assert verdict.upgraded is not None
    assert hashing.verify(ONE_FORM, verdict.upgraded) == Verdict(is_correct=True)
    assert not hashing.verify("Caf\u00e9 au lait 7", verdict.upgraded).is_correct


def test_case_width_and_ligatures_are_told_apart() -> None:
    assert opaque("\uff21\ufb01Ss") == "\uff21\ufb01Ss"


def test_a_user_made_by_django_s_own_means_logs_in() -> None:
    user = User(username="ada")
    user.set_password(TYPED["two characters for one"])
    assert Hashing().verify(ONE_FORM, user.password).is_correct
