"""Pictures of strangers: what comes out is upright, square and nothing but pixels; what is hostile is refused."""

from __future__ import annotations

import io
import tempfile
import threading
from pathlib import Path

import pytest
from PIL import Image

from reaktor.errors import InvalidError, TooLargeError, UnavailableError
from reaktor.sandbox.pictures import MAX_BYTES, Pictures
from reaktor.sandbox.sandbox import Bounds, OverboundError, Sandbox
from tests.support.pictures import BLUE, GREEN, RED, encoded, halves, is_close, pixel, plain, png_that_says

SIDES = (48, 96, 256)


def squares(picture: bytes, sides: tuple[int, ...] = SIDES) -> list[bytes]:
    with tempfile.TemporaryFile() as source:
        source.write(picture)
        return Pictures().squares(source, sides)


def refusal(picture: bytes) -> str:
    with pytest.raises(InvalidError) as caught:
        squares(picture)
    return caught.value.message


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_picture_becomes_squares_of_each_size(kind: str) -> None:
    made = squares(plain(kind))
    for side, picture in zip(SIDES, made, strict=True):
        with Image.open(io.BytesIO(picture)) as image:
            assert (image.format, image.size) == ("WEBP", (side, side))
        assert is_close(pixel(picture, (side // 2, side // 2)), RED)
    assert sum(map(len, made)) < 40 * 1024


def test_it_is_cropped_to_the_middle() -> None:
    image = Image.new("RGB", (300, 100), RED)
    image.paste(BLUE, (100, 0, 200, 100))
    (made,) = squares(encoded(image, "PNG"), (96,))
    assert all(is_close(pixel(made, at), BLUE) for at in ((2, 2), (93, 93), (48, 48)))


def test_a_photo_that_was_taken_sideways_stands_upright_and_says_no_more_where_it_was_taken() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees to the right
    exif[0x010E] = "at home"
    exif.get_ifd(0x8825)[1] = "N"
    photo = encoded(halves(RED, BLUE), "JPEG", exif=exif, quality=95)
    assert b"at home" in photo
    made = squares(photo)
    assert is_close(pixel(made[2], (128, 20)), RED)
    assert is_close(pixel(made[2], (128, 236)), BLUE)
    for each in made:
        with Image.open(io.BytesIO(each)) as image:
            assert not image.getexif()
            assert {"exif", "icc_profile", "xmp"}.isdisjoint(image.info)
        assert b"at home" not in each


def test_a_jpeg_for_printers_has_its_colours() -> None:
    assert is_close(pixel(squares(plain("JPEG", mode="CMYK", colour=(0, 255, 255, 0)))[1], (48, 48)), RED, 60)


def test_sixteen_bits_of_grey_keep_their_shades() -> None:
    image = Image.new("I;16", (100, 100), 0x8000)
    assert is_close(pixel(squares(encoded(image, "PNG"))[1], (48, 48)), (128, 128, 128))


def test_what_is_clear_stays_clear() -> None:
    for kind, mode, colour in (
        ("PNG", "RGBA", (255, 0, 0, 0)),
        ("WEBP", "RGBA", (255, 0, 0, 0)),
        ("PNG", "LA", (9, 0)),
    ):
        with Image.open(io.BytesIO(squares(plain(kind, colour=colour, mode=mode))[0])) as image:
            assert image.convert("RGBA").getpixel((20, 20))[3] == 0  # type: ignore[index]


def test_of_an_animation_only_the_first_picture_is_taken() -> None:
    frames = [Image.new("P", (400, 400), 0) for _ in range(50)]
    for number, frame in enumerate(frames):
        frame.putpalette([0, 128, 0] if number == 0 else [number, 0, 255])
        frame.putpixel((number, 0), 1)
    animation = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=20)
    with Image.open(io.BytesIO(animation)) as image:
        assert image.n_frames == 50  # type: ignore[attr-defined]
    made = squares(animation)
    assert is_close(pixel(made[2], (128, 128)), GREEN)
    with Image.open(io.BytesIO(made[2])) as image:
        assert getattr(image, "n_frames", 1) == 1


def test_a_bomb_is_refused_by_its_pixels_before_they_are_made() -> None:
    bomb = png_that_says(20_000, 3_000)
    assert len(bomb) < 100_000
    assert "million pixels" in refusal(bomb)


def test_a_picture_that_is_all_length_is_refused() -> None:
    assert "on a side" in refusal(png_that_says(1, 30_000))


def test_one_that_ends_too_early_is_refused() -> None:
    for kind in ("PNG", "JPEG", "WEBP"):
        noise = Image.effect_noise((300, 300), 80).convert("RGB")
        whole = encoded(noise, kind)
        assert refusal(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    "bytes_",
    [
        b"",
        b"GIF89a",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"<!doctype html><script>alert(1)</script>",
        plain("BMP"),
        plain("TIFF"),
        plain("ICO", size=(32, 32)),
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    ],
    ids=["nothing", "a head", "svg", "html", "bmp", "tiff", "ico", "pdf"],
)
def test_what_is_no_picture_of_ours_is_refused(bytes_: bytes) -> None:
    assert refusal(bytes_)


def test_what_hides_behind_a_picture_does_not_come_through() -> None:
    hidden = b"PK\x03\x04<script>alert(1)</script>"
    for kind in ("PNG", "JPEG", "GIF"):
        made = squares(plain(kind) + hidden)
        assert all(b"script" not in each and b"PK\x03\x04" not in each for each in made)


def test_more_bytes_than_a_picture_may_have_are_not_even_looked_at() -> None:
    with pytest.raises(TooLargeError):
        squares(plain() + bytes(MAX_BYTES))


def test_a_logo_stays_whole() -> None:
    with tempfile.TemporaryFile() as source:
        source.write(plain(size=(2_000, 500)))
        made = Pictures().within(source, (512, 256))
    with Image.open(io.BytesIO(made)) as image:
        assert image.size == (512, 128)


# -- The process itself


def sandbox(tmp_path: Path, code: str, **bounds: float) -> Sandbox:
    work = tmp_path / "work.py"
    work.write_text(code)
    return Sandbox(work, Bounds(**bounds))  # type: ignore[arg-type]


def run(made: Sandbox) -> bytes:
    with tempfile.TemporaryFile() as source:
        return made.run(source)


@pytest.mark.parametrize(
    ("code", "bounds"),
    [
        ("while True: pass", {"cpu_s": 1}),
        ("import time; time.sleep(600)", {"wall_s": 0.5}),
        ("held = bytearray(400_000_000)", {"memory_bytes": 200_000_000}),
        ("import sys\nsys.stdout.buffer.write(bytes(2_000_000))\nsys.stdout.flush()", {"output_bytes": 1_000}),
        ("raise SystemExit(3)", {}),
        ("import os; os.kill(os.getpid(), 9)", {}),
    ],
    ids=["cpu", "clock", "memory", "output", "exit", "killed"],
)
def test_work_beyond_its_bounds_ends(tmp_path: Path, code: str, bounds: dict[str, float]) -> None:
    with pytest.raises(OverboundError):
        run(sandbox(tmp_path, code, **bounds))


def test_it_knows_nothing_of_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "secret")
    code = (
        "import os, sys\nprint('SECRET_KEY' in os.environ, len(os.listdir('/dev/fd')) <= 4, 'reaktor' in sys.modules)"
    )
    assert run(sandbox(tmp_path, code)) == b"False True False\n"


def test_its_bounds_are_hard(tmp_path: Path) -> None:
    code = "import resource as r\ntry: r.setrlimit(r.RLIMIT_CPU, (100, 100))\nexcept ValueError: print('no')"
    with tempfile.TemporaryFile() as source:
        said = sandbox(tmp_path, code, cpu_s=5).run(source)
    import os

    assert said == b"no\n" or os.geteuid() == 0


def test_only_so_many_run_and_wait_at_once(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    code = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)"
    made = sandbox(tmp_path, code, running=1, waiting=1, wall_s=60, wait_s=60)
    ended: list[bool] = []
    threads = [threading.Thread(target=lambda: ended.append(run(made) == b"")) for _ in range(2)]
    for each in threads:
        each.start()
    while made._places._value:  # type: ignore[attr-defined]  # until both have their places
        threads[0].join(0.01)
    with pytest.raises(UnavailableError):
        run(made)
    gate.touch()
    for each in threads:
        each.join(60)
    assert ended == [True, True]
