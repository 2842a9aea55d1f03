"""Pictures for tests, as people and strangers send them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image

RED, GREEN, BLUE = (255, 0, 0), (0, 128, 0), (0, 0, 255)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def plain(kind: str = "PNG", size: tuple[int, int] = (300, 200), colour: Any = RED, mode: str = "RGB") -> bytes:
    """A picture of one colour."""
    return encoded(Image.new(mode, size, colour), kind)


def halves(left: Any, right: Any, size: tuple[int, int] = (200, 200)) -> Image.Image:
    """Two colours side by side."""
    image = Image.new("RGB", size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


def png_that_says(width: int, height: int) -> bytes:
    """A PNG of that many grey pixels, all black: deflated, they take next to nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    squeeze = zlib.compressobj(9)
    rows = b"".join(squeeze.compress(bytes(width + 1)) for _ in range(height)) + squeeze.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def pixel(picture: bytes, at: tuple[int, int]) -> tuple[int, ...]:
    with Image.open(io.BytesIO(picture)) as image:
        found = image.convert("RGB").getpixel(at)
    assert isinstance(found, tuple)
    return found


def is_close(one: tuple[int, ...], other: tuple[int, ...], within: int = 24) -> bool:
    """Whether two colours are the same but for what encoding makes of them."""
    return all(abs(a - b) <= within for a, b in zip(one, other, strict=True))
