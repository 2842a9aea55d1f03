"""Errors from before an application, as a reply and byte for byte."""

from __future__ import annotations

import re
from http import HTTPStatus

from reaktor.cluster.replies import error_bytes, error_reply
from reaktor.errors import ErrorCode


def test_an_error_says_how_long_its_body_is_and_when_to_come_back() -> None:
    reply = error_reply(429, ErrorCode.RATE_LIMITED, "Too many.", 5)
    assert reply.body == b'{"error": {"code": "rate_limited", "message": "Too many.", "retry_after": 5}}'
    assert dict(reply.headers) == {
        b"content-type": b"application/json",
        b"content-length": str(len(reply.body)).encode(),
        b"retry-after": b"5",
    }


def test_the_seed_contract_has_a_sentence() -> None:
    reply = error_reply(413, ErrorCode.TOO_LARGE, "Too much.", is_flat=True)
    assert reply.body == b'{"error": "Too much.", "code": "too_large"}'


def test_as_bytes_it_is_a_whole_answer_that_ends_the_connection() -> None:
    answer = error_bytes(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, "Later.", 2)
    dated = re.compile(rb"\r\nDate: (\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT)")
    assert len(dated.findall(answer)) == 1
    assert dated.sub(b"", answer) == (
        b"HTTP/1.1 503 Service Unavailable\r\n"
        b"Content-Type: application/json\r\n"
        b"Content-Length: 73\r\n"
        b"Cache-Control: no-store\r\n"
        b"Connection: close\r\n"
        b"Retry-After: 2\r\n"
        b"\r\n"
        b'{"error": {"code": "unavailable", "message": "Later.", "retry_after": 2}}'
    )
    assert b"Retry-After" not in error_bytes(HTTPStatus.BAD_REQUEST, ErrorCode.INVALID, "No.")
