"""The file of a form, however its bytes are cut; and forms that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaktor.errors import InvalidError
from reaktor.web.multipart import FIELDS_BYTES, FileOfForm, boundary_of

BOUNDARY = b"abc"


def form(content: bytes, name: str = "tea.txt") -> bytes:
    return (
        b'--abc\r\nContent-Disposition: form-data; name="x"\r\n\r\nhello\r\n'
        b'--abc\r\nContent-Disposition: form-data; name="f"; filename="' + name.encode() + b'"\r\n'
        b"Content-Type: text/html\r\n\r\n" + content + b"\r\n--abc--\r\n"
    )


def fed(body: bytes, size: int) -> tuple[FileOfForm, bytes]:
    reader = FileOfForm(BOUNDARY)
    found = b"".join(part for start in range(0, len(body), size) for part in reader.feed(body[start : start + size]))
    return reader, found


@given(st.binary(max_size=300).filter(lambda data: b"\r\n--abc" not in data), st.integers(1, 400))
def test_the_file_comes_out_however_the_body_is_cut(content: bytes, size: int) -> None:
    reader, found = fed(form(content), size)
    reader.finish()
    assert (reader.name, found) == ("tea.txt", content)


@given(st.binary(max_size=400), st.integers(1, 50))
def test_junk_is_refused_or_passed_over(junk: bytes, size: int) -> None:
    with pytest.raises(InvalidError):
        fed(junk, size)[0].finish()


def test_a_form_that_ends_early_is_refused() -> None:
    with pytest.raises(InvalidError):
        fed(form(b"tea")[:-20], 10)[0].finish()


def test_there_is_not_much_beside_the_file() -> None:
    with pytest.raises(InvalidError):
        fed(b"--abc\r\nContent-Disposition: form-data; name=x\r\n\r\n" + bytes(FIELDS_BYTES + 1), 1000)


def test_parts_of_nothing_are_not_passed_over_for_ever() -> None:
    form = FileOfForm(b"a")
    with pytest.raises(InvalidError, match="too much"):
        form.feed(b"--a" + b"\r\n\r\n\r\n--a" * 8_000)


def test_the_boundary_is_in_the_type() -> None:
    assert boundary_of('multipart/form-data; boundary="a b"') == b"a b"
    assert boundary_of("image/png") is None
    assert boundary_of("") is None
    for wrong in ("multipart/form-data", "multipart/form-data; boundary=" + "a" * 71):
        with pytest.raises(InvalidError):
            boundary_of(wrong)
