"""The one file of a multipart/form-data body, taken out of it chunk by chunk: nothing waits for the whole. Pure.

Other fields are passed over. Source: RFC 7578, RFC 2046 (5.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message

from reaktor.errors import InvalidError

HEADERS_BYTES = 8 * 1024
FIELDS_BYTES = 64 * 1024
"""Of all that is no file, together, with what stands between the parts."""
BOUNDARY_CHARS = 70
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{1,%d}" % BOUNDARY_CHARS)
_END = b"\r\n\r\n"


def boundary_of(content_type: str) -> bytes | None:
    """The boundary in a Content-Type of such a form; None: it is none. Raises InvalidError: one without a good one."""
    said = Message()
    said["content-type"] = content_type
    if said.get_content_type() != "multipart/form-data":
        return None
    found = said.get_param("boundary")
    boundary = found.encode("latin-1", "replace") if isinstance(found, str) else b""
    if not _BOUNDARY.fullmatch(boundary):
        raise _broken()
    return boundary


class FileOfForm:
    """feed() gives the bytes of the first part that has a file name; `name` is known from the first of them on."""

    def __init__(self, boundary: bytes) -> None:
        self._mark = b"\r\n--" + boundary
        # The first one has no line before it.
        self._held = b"\r\n"
        self._passed = 0
        self._state = self._preamble
        self.name: str | None = None
        self.is_over = False

    def feed(self, data: bytes) -> list[bytes]:
        """What of the file is in this chunk. Raises InvalidError, whatever is wrong with the form."""
        self._held += data
        found: list[bytes] = []
        while (step := self._state()) is not None:
            found += [each for each in step if each]
        return found

    def finish(self) -> None:
        """The body is over. Raises InvalidError where the file is not."""
        if not self.is_over:
            raise _broken() if self.name is not None else InvalidError("There is no file in the form.")

    # Each state gives what it found of the file, or None: more must come.

    def _preamble(self) -> list[bytes] | None:
        return self._until_mark(is_file=False)

    def _headers(self) -> list[bytes] | None:
        if self._held.startswith(b"--"):
            self._state = self._epilogue
            return []
        end = self._held.find(_END)
        if end < 0:
            if len(self._held) > HEADERS_BYTES:
                raise _broken()
            return None
        head, self._held = self._held[:end], self._held[end + len(_END) :]
        self._count(len(head) + len(_END))
        name = None if self.is_over else _file_name(head)
        self._state = self._preamble if name is None else self._file
        self.name = self.name if name is None else name
        return []

    def _file(self) -> list[bytes] | None:
        return self._until_mark(is_file=True)

    def _epilogue(self) -> list[bytes] | None:
        self._count(len(self._held))
        self._held = b""
        return None

    def _until_mark(self, *, is_file: bool) -> list[bytes] | None:
        at = self._held.find(self._mark)
        if at >= 0:
            found, self._held = self._held[:at], self._held[at + len(self._mark) :]
            self.is_over = self.is_over or is_file
            self._state = self._headers
        else:
            # The mark may have begun.
            cut = max(len(self._held) - len(self._mark) + 1, 0)
            found, self._held = self._held[:cut], self._held[cut:]
            if not found:
                return None
        if not is_file:
            # Parts of nothing are work, too.
            self._count(len(found) + (len(self._mark) if at >= 0 else 0))
            return []
        return [found]

    def _count(self, size: int) -> None:
        self._passed += size
        if self._passed > FIELDS_BYTES:
            raise InvalidError("There is too much in the form beside the file.")


def _file_name(head: bytes) -> str | None:
    for line in _lines(head):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition":
            said = Message()
            said["content-disposition"] = value.decode("utf-8", "replace").strip()
            return said.get_filename()
    return None


def _lines(head: bytes) -> Iterator[bytes]:
    yield from head.strip(b"\r\n").split(b"\r\n")


def _broken() -> InvalidError:
    return InvalidError("The form is damaged, or not complete.")
