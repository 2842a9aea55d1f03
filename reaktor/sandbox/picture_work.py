"""Makes small pictures of one that a stranger sent. Runs sandboxed, by launch.py; imports Pillow and nothing of ours.

The picture comes by standard input. Argument: JSON, {"sizes": [[width, height] …], "is_cropped", "max_pixels",
"max_side"}. It answers with a line of JSON, {"lengths": [bytes of each picture], "size": [width, height]} (of the
whole, upright) and the pictures, as WebP, or with {"refused": why}. Nothing but pixels gets through: no EXIF, no place,
no comment, no second picture behind the first.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any

from PIL import ExifTags, Image, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
ORIENTATION = ExifTags.Base.Orientation
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
UPRIGHT = (5, 6, 7, 8)
"""The turns that make width of height."""
QUALITY = 82


class RefusedError(Exception):
    """The picture is not taken, because …"""


def opened(source: Any, max_pixels: int, max_side: int) -> Image.Image:
    """The picture, of which only the head was read. Its size is looked at before a pixel is made."""
    try:
        image = Image.open(source, formats=FORMATS)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise RefusedError("type") from None
    if image.width * image.height > max_pixels or max(image.size) > max_side:
        raise RefusedError("pixels")
    return image


def coloured(image: Image.Image) -> Image.Image:
    """The first frame in eight bits of red, green, blue, and of transparency where it has some."""
    if image.mode.startswith("I"):
        # Sixteen bits of grey; Pillow would cut what is above 255.
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    is_clear = "A" in image.getbands() or "transparency" in image.info
    return image.convert("RGBA" if is_clear else "RGB")


def fitted(image: Image.Image, size: tuple[int, int], turn: int, *, is_cropped: bool) -> Image.Image:
    """Cropped to the middle and scaled to that size; or whole, and scaled down into it. Upright."""
    width, height = image.size
    if is_cropped:
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        made = image.resize(size, Image.Resampling.LANCZOS, box=(left, top, left + side, top + side), reducing_gap=3.0)
    else:
        most = (size[1], size[0]) if turn >= 5 else size
        scale = min(most[0] / width, most[1] / height, 1.0)
        to = (max(round(width * scale), 1), max(round(height * scale), 1))
        made = image.resize(to, Image.Resampling.LANCZOS, reducing_gap=3.0)
    if turn in TURNS:
        made = made.transpose(TURNS[turn])
    made.info.clear()
    return made


def encoded(image: Image.Image) -> bytes:
    written = io.BytesIO()
    image.save(written, "WEBP", quality=QUALITY, method=4)
    return written.getvalue()


def answer(source: Any, sizes: list[list[int]], is_cropped: bool, max_pixels: int, max_side: int) -> bytes:
    """What goes to standard output."""
    try:
        image = opened(source, max_pixels, max_side)
        wanted = max(max(size) for size in sizes)
        try:
            width, height = image.size
            turn = image.getexif().get(ORIENTATION, 1)
            # A JPEG can be read at a half, a quarter or an eighth of its size, which saves most of the work.
            image.draft("RGB", (2 * wanted, 2 * wanted))
            whole = coloured(image)
            made = [
                encoded(fitted(whole, (side_w, side_h), turn if isinstance(turn, int) else 1, is_cropped=is_cropped))
                for side_w, side_h in sizes
            ]
            full = (height, width) if turn in UPRIGHT else (width, height)
        except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
            raise RefusedError("broken") from None
    except RefusedError as refused:
        return json.dumps({"refused": str(refused)}).encode() + b"\n"
    return json.dumps({"lengths": [len(each) for each in made], "size": full}).encode() + b"\n" + b"".join(made)


if __name__ == "__main__":
    Image.MAX_IMAGE_PIXELS = None  # `opened` looks, by our own bound
    sys.stdout.buffer.write(answer(sys.stdin.buffer, **json.loads(sys.argv[1])))
