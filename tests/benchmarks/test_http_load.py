"""Answers are told apart by their length, however they are cut."""

from __future__ import annotations

from benchmarks.http_load import bearer, request, whole_answer

ANSWER = b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello"


def test_an_answer_counts_when_its_last_byte_is_there() -> None:
    buffer = bytearray()
    seen = []
    for byte in ANSWER:
        buffer.append(byte)
        seen.append(whole_answer(buffer))
    assert seen == [""] * (len(ANSWER) - 1) + ["201"]
    assert buffer == b""


def test_an_answer_in_chunks_ends_with_the_empty_one() -> None:
    buffer = bytearray(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    assert whole_answer(buffer) == ""
    buffer += b"0\r\n\r\n"
    assert whole_answer(buffer) == "200"


def test_a_request_says_who_asks_and_how_long_its_body_is() -> None:
    said = request(8000, "POST", "/channels", bearer("abc"), b"{}")
    assert said.startswith(b"POST /channels HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nAuthorization: Bearer abc\r\n")
    assert said.endswith(b"Content-Length: 2\r\n\r\n{}")
