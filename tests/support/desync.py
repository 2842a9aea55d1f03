"""Requests of which two servers might think differently where they end: what attackers smuggle others into. Pure.

Each holds SMUGGLED, the request that must not be answered, where a careless reader would find one.
"""

from __future__ import annotations

HOST = b"Host: x\r\n"
MARK = b"smuggled7719"


def inner(path: bytes = b"/who/" + MARK) -> bytes:
    """The request that is hidden."""
    return b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"


SMUGGLED = inner()


_AS_CHUNK = b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)


def post(headers: bytes, body: bytes, *, line: bytes = b"POST /echo HTTP/1.1") -> bytes:
    return line + b"\r\n" + HOST + headers + b"\r\n" + body


def _sized(headers: bytes) -> bytes:
    """With a body of five bytes, and the hidden request behind it."""
    return post(headers, b"hello" + SMUGGLED)


def _chunked(header: bytes) -> bytes:
    """Empty if its chunks are read; by its length the hidden request is the body."""
    body = b"0\r\n\r\n" + SMUGGLED
    return post(b"Content-Length: %d\r\n" % len(body) + header + b"\r\n", body)


def _chunks(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked\r\n", body + SMUGGLED)


_WITHOUT_KEY = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
_UPGRADE = _WITHOUT_KEY + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

REFUSED: dict[str, bytes] = {
    "CL.TE": _chunked(b"Transfer-Encoding: chunked"),
    "TE.CL": post(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", _AS_CHUNK),
    "TE.TE, another word": _chunked(b"Transfer-Encoding: xchunked"),
    "TE.TE, two headers": _chunked(b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked"),
    "TE.TE, chunked first": _chunked(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x"),
    "TE.TE, a list": post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    "TE.TE, chunked twice": post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    "TE.TE, identity": post(b"Transfer-Encoding: identity\r\n", SMUGGLED),
    "TE.TE, quoted": _chunked(b'Transfer-Encoding: "chunked"'),
    "TE.TE, a parameter": _chunked(b"Transfer-Encoding: chunked;q=1"),
    "TE.TE, a vertical tab": _chunked(b"Transfer-Encoding: \x0bchunked"),
    "TE.TE, a NUL": _chunked(b"Transfer-Encoding: chunked\x00"),
    "TE.TE, space before the colon": _chunked(b"Transfer-Encoding : chunked"),
    "TE.TE, tab before the colon": _chunked(b"Transfer-Encoding\t: chunked"),
    "TE.TE, behind a bare LF": _chunked(b"X: x\nTransfer-Encoding: chunked"),
    "TE.TE, behind a bare CR": _chunked(b"X: x\rTransfer-Encoding: chunked"),
    "TE.TE, LF before the colon": _chunked(b"Transfer-Encoding\n: chunked"),
    "TE.TE, folded": _chunked(b"Transfer-Encoding:\r\n chunked"),
    "TE, indented": _chunked(b" Transfer-Encoding: chunked"),
    "TE, indented at the top": b"GET /who HTTP/1.1\r\n Transfer-Encoding: chunked\r\n" + HOST + b"\r\n" + SMUGGLED,
    "CL.CL, different": _sized(b"Content-Length: 5\r\nContent-Length: 99\r\n"),
    "CL.CL, different the other way": _sized(b"Content-Length: 99\r\nContent-Length: 5\r\n"),
    "CL.CL, the same": _sized(b"Content-Length: 5\r\nContent-Length: 5\r\n"),
    "CL, a list": _sized(b"Content-Length: 5, 5\r\n"),
    "CL, a sign": _sized(b"Content-Length: +5\r\n"),
    "CL, negative": _sized(b"Content-Length: -5\r\n"),
    "CL, hexadecimal": _sized(b"Content-Length: 0x5\r\n"),
    "CL, two words": _sized(b"Content-Length: 5 5\r\n"),
    "CL, an underscore": _sized(b"Content-Length: 0_5\r\n"),
    "CL, empty": _sized(b"Content-Length:\r\n"),
    "CL, a vertical tab": _sized(b"Content-Length: \x0b5\r\n"),
    "CL, other digits": _sized("Content-Length: ٥\r\n".encode()),
    "CL, a fraction": _sized(b"Content-Length: 5.0\r\n"),
    "CL, space before the colon": _sized(b"Content-Length : 5\r\n"),
    "CL, thousands of digits": _sized(b"Content-Length: " + b"0" * 5_000 + b"5\r\n"),
    "CL, a number that is too large": _sized(b"Content-Length: 18446744073709551621\r\n"),
    "a chunk with a sign": _chunks(b"+5\r\nhello\r\n0\r\n\r\n"),
    "a negative chunk": _chunks(b"-5\r\nhello\r\n0\r\n\r\n"),
    "a chunk with 0x": _chunks(b"0x5\r\nhello\r\n0\r\n\r\n"),
    "a chunk with an underscore": _chunks(b"0_5\r\nhello\r\n0\r\n\r\n"),
    "a chunk with a space": _chunks(b"5 \r\nhello\r\n0\r\n\r\n"),
    "a chunk without a size": _chunks(b"\r\nhello\r\n0\r\n\r\n"),
    "a chunk that is longer than it says": _chunks(b"5\r\nhello, world\r\n0\r\n\r\n"),
    "a chunk ended by LF": _chunks(b"5\r\nhello\n0\r\n\r\n"),
    "an extension with a LF": _chunks(b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    "a chunk of 2^64 + 5": _chunks(b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "a size of a thousand digits": _chunks(b"0" * 2_000 + b"5\r\nhello\r\n0\r\n\r\n"),
    "no host": b"POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello" + SMUGGLED,
    "two hosts": _sized(b"Host: y\r\nContent-Length: 5\r\n"),
    "another version": post(b"Content-Length: 5\r\n", b"hello" + SMUGGLED, line=b"POST /echo HTTP/1.2"),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED,
    "no version": b"GET /who\r\n\r\n" + SMUGGLED,
    "two spaces": post(b"", SMUGGLED, line=b"GET  /who HTTP/1.1"),
    "a tab": post(b"", SMUGGLED, line=b"GET\t/who HTTP/1.1"),
    "words behind the version": post(b"", SMUGGLED, line=b"GET /who HTTP/1.1 x"),
    "a NUL in the path": post(b"", SMUGGLED, line=b"GET /who\x00 HTTP/1.1"),
    "a LF in the path": post(b"", SMUGGLED, line=b"GET /who\n HTTP/1.1"),
    "no name": post(b": x\r\n", SMUGGLED, line=b"GET /who HTTP/1.1"),
    "a NUL in a header": post(b"X: \x00\r\n", SMUGGLED, line=b"GET /who HTTP/1.1"),
    "an absolute target with a user": post(b"", SMUGGLED, line=b"GET http://x@y/who HTTP/1.1"),
    "CONNECT": post(b"", SMUGGLED, line=b"CONNECT x:443 HTTP/1.1"),
    "a WebSocket of no version": post(_UPGRADE.replace(b"13", b"777"), SMUGGLED, line=b"GET /echo HTTP/1.1"),
    "a WebSocket without a key": post(_WITHOUT_KEY, SMUGGLED, line=b"GET /echo HTTP/1.1"),
    "a WebSocket by POST": post(_UPGRADE + b"Content-Length: 0\r\n", SMUGGLED),
}  # fmt: skip
"""None of these is answered but by a refusal, which ends the connection."""

WHOLE: dict[str, bytes] = {
    "a body that is a request": post(b"Connection: close\r\nContent-Length: %d\r\n" % len(SMUGGLED), SMUGGLED),
    "chunks that are a request": post(b"Connection: close\r\nTransfer-Encoding: chunked\r\n", _AS_CHUNK),
    "an extension": post(
        b"Connection: close\r\nTransfer-Encoding: chunked\r\n", b'5;name="value"\r\nhello\r\n0\r\n\r\n' + SMUGGLED
    ),
    "trailers": post(
        b"Connection: close\r\nTransfer-Encoding: chunked\r\n",
        b"5\r\nhello\r\n0\r\nContent-Length: 0\r\nHost: y\r\n\r\n" + SMUGGLED,
    ),
    "CHUNKED": post(b"Connection: close\r\nTransfer-Encoding: CHUNKED\r\n", b"0\r\n\r\n" + SMUGGLED),
    "the last one": post(b"Connection: close\r\nContent-Length: 5\r\n", b"hello" + SMUGGLED),
    "HTTP/1.0": post(b"Content-Length: 5\r\n", b"hello" + SMUGGLED, line=b"POST /echo HTTP/1.0"),
}
"""These are one request, whatever stands in it or behind it."""
