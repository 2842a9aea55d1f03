"""Identifiers sort by the time they were made, and no two are alike."""

from __future__ import annotations

import time
import uuid

from reaktor.db.ids import uuid7, uuid7s


def test_ids_are_uuids_of_version_7_with_the_millisecond_in_front() -> None:
    before = time.time_ns() // 1_000_000
    found = [uuid7(), *uuid7s(3), uuid7()]
    after = time.time_ns() // 1_000_000
    assert {(each.version, each.variant) for each in found} == {(7, uuid.RFC_4122)}
    moments = [each.int >> 80 for each in found]
    assert moments == sorted(moments)
    assert before <= moments[0] <= moments[-1] <= after


def test_no_two_are_alike_and_all_their_other_bits_are_random() -> None:
    found = uuid7s(1_000)
    assert len({each.int & 0x3FFFFFFFFFFFFFFF for each in found}) == 1_000
    ever_set, always_set = 0, (1 << 128) - 1
    for each in found:
        ever_set, always_set = ever_set | each.int, always_set & each.int
    random_bits = 0xFFF << 64 | 0x3FFFFFFFFFFFFFFF
    assert (ever_set & random_bits, always_set & random_bits) == (random_bits, 0)


def test_none_is_none() -> None:
    assert uuid7s(0) == []
