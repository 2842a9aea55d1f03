"""Whole HTTP/1.1 answers as bytes, for the places that refuse before an application is asked.

The body has the shape of every other error of the server. Pure.
"""

from __future__ import annotations

import json
from http import HTTPStatus

from reaktor.errors import ErrorCode


def error_body(code: ErrorCode, message: str, retry_after_s: int | None = None) -> bytes:
    """The JSON object of an error."""
    error: dict[str, object] = {"code": code.value, "message": message}
    if retry_after_s is not None:
        error["retry_after"] = retry_after_s
    return json.dumps({"error": error}).encode()


def json_response(status: HTTPStatus, code: ErrorCode, message: str, retry_after_s: int | None = None) -> bytes:
    """Status line, headers and body of an answer after which the connection ends."""
    body = error_body(code, message, retry_after_s)
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    if retry_after_s is not None:
        lines.append(f"Retry-After: {retry_after_s}")
    return "\r\n".join([*lines, "", ""]).encode() + body
