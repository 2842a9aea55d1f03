"""What a file is called and of which type it is, whatever a stranger says of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.domain.files import (
    NAME_BYTES,
    TEXT,
    check_files,
    disposition,
    file_name,
    size_shown,
    text_with_files,
    type_of,
)
from reaktor.errors import InvalidError


@given(st.text(max_size=400))
def test_a_name_is_one_part_of_a_path_that_reads_as_it_is(given_name: str) -> None:
    name = file_name(given_name)
    assert 0 < len(name.encode()) <= NAME_BYTES
    assert not set(name) & set("/\\\x00\r\n\u202e\u2066")
    assert name not in {".", "..", "thumb"}
    assert file_name(name) == name


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ada\\tea.png", "tea.png"),
        ("tea\u202egnp.exe", "teagnp.exe"),
        ("a\x00b.txt", "ab.txt"),
        ("..", "file"),
        ("", "file"),
        ("thumb", "thumb_"),
        ("ä" * 200 + ".tar", "ä" * 125 + ".tar"),
    ],
)
def test_names_are_made_harmless(given_name: str, name: str) -> None:
    assert file_name(given_name) == name


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"%PDF-1.7", "application/pdf"),
        (b"\x00\x00\x00\x18ftypmp42", "video/mp4"),
        (b"<html><script>alert(1)</script>", TEXT),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", TEXT),
        (b"-" + "ü".encode() * 2_047 + b"\xc3", TEXT),
        (b"\xff\xfe<\x00s\x00c\x00r\x00", "application/octet-stream"),
        (b"MZ\x90\x00", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_the_type_is_what_the_bytes_say(head: bytes, kind: str) -> None:
    assert type_of(head) == kind


@given(st.binary(max_size=200))
def test_no_type_is_one_that_a_browser_would_run(head: bytes) -> None:
    assert not {"html", "svg", "xml", "javascript"} & set(type_of(head).replace("+", "/").split("/"))


@given(st.text(min_size=1, max_size=60))
def test_a_download_has_a_header_of_one_line(name: str) -> None:
    said = disposition(file_name(name), is_shown=False)
    assert said.startswith("attachment; ")
    assert said.isascii()
    assert said.isprintable()
    assert said.count('"') == 2


def test_old_clients_read_a_line_for_each_file() -> None:
    file = {"id": "7", "name": "tea.png", "type": "image/png", "size": 1536}
    assert text_with_files("look", [file], "https://chat.example") == (  # type: ignore[list-item]
        "look\ntea.png (1.5 KiB) https://chat.example/f/7"
    )
    assert text_with_files("", [file], "") == "tea.png (1.5 KiB) /f/7"  # type: ignore[list-item]
    assert [size_shown(size) for size in (0, 1023, 25 * 2**20)] == ["0 bytes", "1023 bytes", "25.0 MiB"]


@pytest.mark.parametrize("ids", ["x", [1], ["a"] * 2, [str(each) for each in range(11)]])
def test_what_is_no_list_of_files_is_refused(ids: object) -> None:
    with pytest.raises(InvalidError):
        check_files(ids)
