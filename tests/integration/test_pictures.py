"""Pictures that are sent to a real server: their paths take more than a usual body, and no other path does."""

from __future__ import annotations

import httpx
from PIL import Image

from tests.support.pictures import encoded
from tests.support.server import LiveServer

MIB = 1024 * 1024
AVATAR = "/api/v1/me/avatar"


def photo(size: int) -> bytes:
    """A JPEG of about that many bytes."""
    picture = encoded(Image.effect_noise((900, 900), 90).convert("RGB"), "JPEG", quality=95)
    # What stands behind the end is part of the file, and of no picture.
    return picture + bytes(size - len(picture))


def test_a_photo_of_megabytes_is_taken_where_pictures_are_sent_and_nowhere_else(server: LiveServer) -> None:
    headers = {"Authorization": f"Bearer {server.account()[1]}"}
    with httpx.Client(base_url=server.url, timeout=60, headers=headers) as http:
        taken = http.put(AVATAR, content=photo(4 * MIB), headers={"Content-Type": "image/jpeg"})
        assert taken.status_code == 200, taken.text
        shown = http.get(taken.json()["avatar_url"])
        assert (shown.status_code, shown.headers["content-type"]) == (200, "image/webp")
        assert shown.headers["cache-control"] == "public, max-age=31536000, immutable"
        form = http.put(AVATAR, files={"image": ("me.jpg", photo(4 * MIB), "image/jpeg")})
        assert form.status_code == 200, form.text
        assert http.put(AVATAR, content=photo(6 * MIB)).status_code == 413
        assert http.patch("/api/v1/me", content=bytes(MIB)).status_code == 413
        assert http.put(f"{AVATAR}s", content=bytes(MIB)).status_code == 413
        nobody = http.put(AVATAR, content=photo(MIB), headers={"Authorization": "Bearer x"})
        assert nobody.status_code == 401
