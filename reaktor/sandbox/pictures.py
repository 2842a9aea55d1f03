"""Small pictures of one that a stranger sent: squares for people, a logo for the server. Made sandboxed.

Called in threads by accounts and chat. What is not taken is an InvalidError that says why.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

from reaktor.errors import InvalidError, TooLargeError
from reaktor.sandbox.sandbox import MIB, Bounds, OverboundError, Sandbox
from reaktor.why import Why

MAX_BYTES = 5 * MIB
MAX_MEGAPIXELS = 40
MAX_PIXELS = MAX_MEGAPIXELS * 1_000_000
"""Of four bytes each, twice while they are scaled: within the memory of Bounds."""
MAX_SIDE = 16_384
CONTENT_TYPE = "image/webp"
_WORK = Path(__file__).with_name("picture_work.py")
_REFUSED = {
    "type": "This is no picture that we know: PNG, JPEG, WebP or GIF.",
    "pixels": f"The picture is too large: at most {MAX_MEGAPIXELS} million pixels, {MAX_SIDE} on a side.",
    "broken": "The picture is damaged, or not complete.",
}
_WHY = {"type": Why.NO_PICTURE, "pixels": Why.PICTURE_TOO_LARGE, "broken": Why.PICTURE_BROKEN}
_COSTLY = "The picture takes too much time or memory to read."

Size = tuple[int, int]


class Thumbnail(NamedTuple):
    """A small picture as WebP; `width` and `height` are the pixels of the whole, upright."""

    data: bytes
    width: int
    height: int


class Pictures:
    """One per process."""

    def __init__(self, bounds: Bounds = Bounds()) -> None:  # noqa: B008  frozen
        self._sandbox = Sandbox(_WORK, bounds)

    def squares(self, source: IO[bytes], sides: Sequence[int]) -> list[bytes]:
        """The middle of the picture as a square of each of these sides, in pixels. `source`: a real file.

        Raises InvalidError, TooLargeError, UnavailableError.
        """
        return self._made(source, [(side, side) for side in sides], is_cropped=True)[0]

    def within(self, source: IO[bytes], size: Size) -> bytes:
        """The whole picture, scaled down to fit. Raises as squares() does."""
        return self._made(source, [size], is_cropped=False)[0][0]

    def thumbnail(self, source: IO[bytes], size: Size, *, max_bytes: int) -> Thumbnail:
        """within(), of a picture of that many bytes at most, and how large the whole is. Raises as squares() does."""
        made, (width, height) = self._made(source, [size], is_cropped=False, max_bytes=max_bytes)
        return Thumbnail(made[0], width, height)

    def _made(
        self, source: IO[bytes], sizes: Sequence[Size], *, is_cropped: bool, max_bytes: int = MAX_BYTES
    ) -> tuple[list[bytes], Size]:
        size = source.seek(0, 2)
        source.seek(0)
        if size > max_bytes:
            raise TooLargeError(
                f"A picture has at most {max_bytes // MIB} MiB.",
                fields={"image": "too large"},
                why=Why.FILE_TOO_LARGE,
                limit=max_bytes,
            )
        wanted = {"sizes": sizes, "is_cropped": is_cropped, "max_pixels": MAX_PIXELS, "max_side": MAX_SIDE}
        try:
            head, _, rest = self._sandbox.run(source, json.dumps(wanted)).partition(b"\n")
            said = json.loads(head)
        except (OverboundError, ValueError):
            raise InvalidError(_COSTLY, fields={"image": _COSTLY}, why=Why.PICTURE_TOO_COSTLY) from None
        if "refused" in said:
            raise _refusal(said["refused"])
        return _cut(rest, said["lengths"]), tuple(said["size"])


def _refusal(what: str) -> InvalidError:
    said, why = _REFUSED[what], _WHY[what]
    limit = MAX_MEGAPIXELS if why is Why.PICTURE_TOO_LARGE else None
    return InvalidError(said, fields={"image": said}, why=why, limit=limit)


def _cut(joined: bytes, lengths: Sequence[int]) -> list[bytes]:
    made, start = [], 0
    for length in lengths:
        made.append(joined[start : start + length])
        start += length
    return made
