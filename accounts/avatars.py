"""Pictures of people over HTTP: `PUT` and `DELETE /api/v1/me/avatar`, and the pictures themselves, for everybody.

The address of a picture is the hash of its bytes: nobody guesses it who was not shown it, and what is there never
changes. So it needs no token, and every cache may keep it.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from typing import IO, Any, cast

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from drf_spectacular.types import OpenApiTypes
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services
from accounts.api import UserView
from accounts.models import Picture
from accounts.profiles import SIDES, avatar_remove, avatar_set
from accounts.selectors import MeData, me_data
from reaktor.errors import InvalidError
from reaktor.limits.rates import Limit
from reaktor.sandbox.pictures import CONTENT_TYPE
from reaktor.web.api import answers, operation

_DIGEST = re.compile(r"[0-9a-f]{64}")
_COLUMNS = {side: column for column, side in SIDES.items()}
HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
"""Of a picture that strangers chose: a browser shows it, keeps it, and runs nothing of it."""


class WholeBody(BaseParser):
    """Whatever it is, in a file: what it says it is, nobody believes."""

    media_type = "*/*"

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None) -> Any:
        source = tempfile.TemporaryFile()  # noqa: SIM115  it is closed with the request's last reference
        shutil.copyfileobj(stream, source)
        return {"image": source}


class AvatarView(UserView):
    parser_classes = (MultiPartParser, WholeBody)

    @operation(
        Limit.PICTURES,
        operation_id="me_avatar_set",
        request={
            "image/*": OpenApiTypes.BINARY,
            "multipart/form-data": {
                "type": "object",
                "properties": {"image": {"type": "string", "format": "binary"}},
                "required": ["image"],
            },
        },
        responses=answers({200: MeData}, 403),
        tags=["me"],
    )
    def put(self, request: Request) -> Response:
        """One's picture: PNG, JPEG, WebP or GIF, at most 5 MiB, as the body or as `image` of a form.

        Its middle is kept as a square in 48, 96 and 256 pixels, upright, and nothing else of it.
        """
        with picture_in(request.data) as source:
            user = avatar_set(self.user(request), source, services.app().pictures)
        return Response(me_data(user))

    @operation(Limit.PROFILE, operation_id="me_avatar_remove", responses=answers({200: MeData}, 403), tags=["me"])
    def delete(self, request: Request) -> Response:
        """No picture any more."""
        return Response(me_data(avatar_remove(self.user(request))))


def picture_in(data: Any) -> IO[bytes]:
    """The file `image` of a request, as a real file. Raises InvalidError."""
    found = data.get("image") if isinstance(data, Mapping) else None
    if found is None or isinstance(found, str):
        raise InvalidError("Send a picture.", fields={"image": "missing"})
    if not hasattr(found, "chunks"):
        return cast(IO[bytes], found)
    source = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
    for chunk in found.chunks():
        source.write(chunk)
    return source


@require_safe
def avatar(request: HttpRequest, digest: str, side: int) -> HttpResponse:
    """GET /avatars/<hash>/<side>.webp"""
    column = _COLUMNS.get(side)
    if column is None or not _DIGEST.fullmatch(digest):
        raise Http404
    found = Picture.objects.filter(hash=digest).values_list(column, flat=True).first()
    if found is None:
        raise Http404
    return HttpResponse(bytes(found), content_type=CONTENT_TYPE, headers=HEADERS)
