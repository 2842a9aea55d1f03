"""The pass before a request between hosts: who has the key is let in, once, and in time."""

from __future__ import annotations

import pytest

from reaktor.process.relay_pass import (
    MAX_SKEW_S,
    PASS_BYTES,
    Doorkeeper,
    Pass,
    PassError,
    Refusal,
    hkdf,
    relay_key,
    seal,
)

KEY = relay_key("a secret", "cluster")
WORKER = (2, 70_000_000_000, 3, 4)
REQUEST = b"POST /socket.io/?sid=x HTTP/1.1\r\n\r\nbody"
NOW = 1_800_000_000.0


def sealed(key: bytes = KEY, *, now: float = NOW, is_open: bool = False) -> bytes:
    return seal(key, WORKER, REQUEST, is_open=is_open, now=now)


def doorkeeper(**options: int) -> Doorkeeper:
    return Doorkeeper(KEY, **{"max_bytes": 1_000, **options})


def refusal(door: Doorkeeper, given: bytes, now: float = NOW, elapsed: float = 0.0) -> Refusal | None:
    try:
        door.admit(given, now, elapsed)
    except PassError as error:
        return error.refusal
    return None


def test_hkdf_is_the_one_of_the_standard() -> None:
    """Source: RFC 5869, A.1, the first 32 of 42 bytes."""
    found = hkdf(b"\x0b" * 22, salt=bytes(range(13)), info=bytes(range(0xF0, 0xFA)))
    assert found.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"


def test_the_key_is_of_one_secret_and_one_cluster() -> None:
    assert len({KEY, relay_key("a secret", "other"), relay_key("another", "cluster"), b"a secret"}) == 4


def test_what_was_sealed_is_read_back_and_fits_its_request_alone() -> None:
    given = sealed(is_open=True)
    assert len(given) == PASS_BYTES
    found = doorkeeper().admit(given, NOW, 0.0)
    assert found == Pass(WORKER, True, len(REQUEST), found.digest)
    assert found.fits(REQUEST)
    assert not found.fits(REQUEST + b"x")
    assert not found.fits(REQUEST.replace(b"body", b"b0dy"))


def test_no_bit_of_a_pass_can_be_changed() -> None:
    given = sealed()
    for place in range(PASS_BYTES):
        changed = bytearray(given)
        changed[place] ^= 1
        assert refusal(doorkeeper(), bytes(changed)) is Refusal.FORGED, place
    assert refusal(doorkeeper(), sealed(relay_key("another", "cluster"))) is Refusal.FORGED


def test_clocks_may_differ_by_a_minute() -> None:
    for skew in (-MAX_SKEW_S, MAX_SKEW_S):
        assert refusal(doorkeeper(), sealed(now=NOW + skew)) is None
        assert refusal(doorkeeper(), sealed(now=NOW + 1.1 * skew)) is Refusal.STALE


def test_a_pass_is_good_once_for_as_long_as_its_time_is() -> None:
    door = doorkeeper()
    given = sealed(now=NOW + MAX_SKEW_S)
    assert refusal(door, given) is None
    for passed in (0.0, 1.0, MAX_SKEW_S, 2 * MAX_SKEW_S):
        assert refusal(door, given, NOW + passed, passed) is Refusal.REPLAYED
    # Then its own time refuses it, and it need not be remembered.
    late = 2 * MAX_SKEW_S + 1
    assert refusal(door, sealed(now=NOW + late), NOW + late, late) is None
    assert len(door) == 1
    assert refusal(door, given, NOW + late, late) is Refusal.STALE


def test_what_is_remembered_is_bounded_and_nothing_is_forgotten_for_it() -> None:
    door = doorkeeper(max_nonces=3)
    first, *others = [sealed() for _ in range(3)]
    assert [refusal(door, given) for given in (first, *others)] == [None] * 3
    assert refusal(door, sealed()) is Refusal.BUSY
    assert refusal(door, first) is Refusal.REPLAYED
    assert len(door) == 3


def test_who_has_no_key_fills_no_memory() -> None:
    door = doorkeeper()
    for given in (sealed(b"x" * 32), sealed(now=NOW - 2 * MAX_SKEW_S)):
        with pytest.raises(PassError):
            door.admit(given, NOW, 0.0)
    assert len(door) == 0


def test_a_request_that_is_too_large_is_not_read() -> None:
    assert refusal(doorkeeper(max_bytes=len(REQUEST) - 1), sealed()) is Refusal.TOO_LARGE
