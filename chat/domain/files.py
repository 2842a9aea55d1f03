"""Files that people send: what they are called, of which type they are, and how a message speaks of them. Pure.

Nothing that a stranger says of a file is believed: the type is found from the bytes, the name is made harmless.
Which bytes are kept where is chat.files'.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Sequence
from typing import Annotated, NotRequired, TypedDict
from urllib.parse import quote

from reaktor.errors import InvalidError, NotFoundError
from reaktor.scripts import without_turns
from reaktor.shapes import Count, Ordinal, Uuid

FILES_PER_MESSAGE = 10
HEAD_BYTES = 4_096
"""So much of a file is enough to know its type."""
NAME_BYTES = 255
"""As file systems have it."""
EXTENSION_BYTES = 16
NAMELESS = "file"
THUMB = "thumb"
"""The address of a thumbnail ends so: no file is called that."""
BINARY = "application/octet-stream"
TEXT = "text/plain; charset=utf-8"
IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What is shown in a page. All else is a download."""
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp", "video/mp4"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_ODD = re.compile(r"[^A-Za-z0-9 ._()+-]")
_UNITS = ("bytes", "KiB", "MiB", "GiB")


class FileData(TypedDict):
    """A file of a message. Its bytes are at /api/v1/files/{id}/{name}, for who may read the channel."""

    id: Uuid
    name: str
    type: Annotated[str, "Found from its bytes."]
    size: Annotated[Count, "Bytes."]
    width: NotRequired[Annotated[Ordinal, "Of an image that has a thumbnail: pixels, upright. Absent elsewhere."]]
    height: NotRequired[Annotated[Ordinal, "The same."]]


def type_of(head: bytes) -> str:
    """The media type of a file that begins with these bytes; never one that a browser would run."""
    for offset, magic, found in _MAGIC:
        if head.startswith(magic, offset):
            return found
    if head.startswith(b"RIFF") and head[8:12] in _RIFF:
        return _RIFF[head[8:12]]
    return TEXT if _is_text(head) else BINARY


def _is_text(head: bytes) -> bool:
    """Whether it is UTF-8 without control characters but blanks; the beginning of a file may end within a character."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(head, final=len(head) < HEAD_BYTES)
    except UnicodeDecodeError:
        return False
    return bool(text) and not any(char < " " and char not in "\t\n\r\f\x1b" for char in text)


def file_name(given: str) -> str:
    """The name to store for one that somebody gave: one part of a path, that reads as it is, of at most 255 bytes."""
    name = unicodedata.normalize("NFC", _CONTROLS.sub("", given))
    name = without_turns(name).replace("\\", "/").rpartition("/")[2].strip(" .")
    name = _fitting(name) or NAMELESS
    return f"{name}_" if name.lower() == THUMB else name


def _fitting(name: str) -> str:
    if len(name.encode()) <= NAME_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    end = f".{extension}" if dot and stem and len(extension.encode()) <= EXTENSION_BYTES else ""
    return name.encode()[: NAME_BYTES - len(end.encode())].decode(errors="ignore").strip(" .") + end


def disposition(name: str, *, is_shown: bool) -> str:
    """The header Content-Disposition: shown in the page, or a download, under this name (RFC 6266)."""
    plain = _ODD.sub("_", name)
    kind = "inline" if is_shown else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def check_files(ids: object) -> tuple[str, ...]:
    """The ids of a message's files, as the client gave them. Raises InvalidError."""
    if not isinstance(ids, list | tuple) or not all(isinstance(each, str) for each in ids):
        raise InvalidError("The files must be a list of ids.", fields={"files": "must be a list of ids"})
    if len(ids) > FILES_PER_MESSAGE:
        raise InvalidError(
            f"A message has at most {FILES_PER_MESSAGE} files.", fields={"files": f"at most {FILES_PER_MESSAGE}"}
        )
    if len(set(ids)) < len(ids):
        raise InvalidError("A file is named twice.", fields={"files": "named twice"})
    return tuple(ids)


def no_file() -> NotFoundError:
    """There is none, or none for whoever asks: which of them is nobody's business."""
    return NotFoundError("There is no such file.")


def size_shown(size: int) -> str:
    """`1.5 MiB`"""
    shown, unit = float(size), 0
    while shown >= 1024 and unit < len(_UNITS) - 1:
        shown, unit = shown / 1024, unit + 1
    return f"{size} {_UNITS[0]}" if unit == 0 else f"{shown:.1f} {_UNITS[unit]}"


def text_with_files(text: str, files: Sequence[FileData], page_url: str) -> str:
    """A message's text for clients that know no files: a line for each, with the page that shows it."""
    lines = [f"{each['name']} ({size_shown(each['size'])}) {page_url}/f/{each['id']}" for each in files]
    return "\n".join([text, *lines] if text else lines)
