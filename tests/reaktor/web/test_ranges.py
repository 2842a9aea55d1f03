"""Which part of a body is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaktor.web.ranges import UnsatisfiableError, has_tag, range_of


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        (None, None),
        ("bytes=0-", (0, 10)),
        ("bytes=2-4", (2, 3)),
        ("bytes=8-99", (8, 2)),
        ("bytes=-3", (7, 3)),
        ("bytes=-99", (0, 10)),
        ("bytes=4-2", None),
        ("bytes=0-0,2-2", None),
        ("bytes=" + ",".join(["0-"] * 1_000), None),
        ("rows=1-2", None),
        ("bytes=x", None),
    ],
)
def test_one_range_is_served_and_the_rest_is_all_of_it(asked: str | None, part: tuple[int, int] | None) -> None:
    assert range_of(asked, 10) == part


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=-0", "bytes=99-100"])
def test_what_is_not_there_is_refused(asked: str) -> None:
    with pytest.raises(UnsatisfiableError):
        range_of(asked, 10)


@given(st.text(max_size=40), st.integers(1, 10**6))
def test_a_part_is_within_the_body(asked: str, size: int) -> None:
    try:
        part = range_of(f"bytes={asked}", size)
    except UnsatisfiableError:
        return
    assert part is None or (0 <= part[0] < size and 0 < part[1] <= size - part[0])


def test_versions() -> None:
    assert has_tag('"a", W/"b"', '"b"')
    assert has_tag("*", '"b"')
    assert not has_tag('"a"', '"b"')
    assert not has_tag(None, '"b"')
