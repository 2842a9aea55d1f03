"""/api/v1/files: files that people send, and the addresses of their bytes.

The bytes themselves pass by as a stream (chat.transports.file_bytes), which answers before the first and the last view
here are asked. They are what the document is made of, and what Django says where it is asked alone.
"""

from __future__ import annotations

from typing import ClassVar, cast

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import Claims
from accounts.avatars import WholeBody
from accounts.passes import pass_made
from chat.domain.files import FileData, no_file
from chat.files.giving import COOKIE, COOKIE_PURPOSE, MAX_SIGNED, PATH, SignedData, files_signed
from chat.transports.rest.shapes import UUID, is_uuid
from chat.transports.rest.views import ChatView
from reaktor.errors import UnavailableError
from reaktor.limits.rates import Limit, Unmetered
from reaktor.shapes import ListData
from reaktor.web.api import Input, Text, answers, operation

STREAMED = Unmetered("counted where the bytes are read, by LIMIT_FILE_READS")
NAME = OpenApiParameter("name", str, description="What the file is called. A form says it itself.")
BYTES = {(200, "*/*"): OpenApiTypes.BINARY, (206, "*/*"): OpenApiTypes.BINARY}


class SignInput(Input):
    example: ClassVar = {"ids": ["01af2b6c-7d10-7c3e-8a55-3f1d2e4b5a71"]}
    ids = serializers.ListField(child=Text(pattern=UUID), max_length=MAX_SIGNED)


class FilesView(ChatView):
    parser_classes = (WholeBody,)

    @operation(
        Limit.FILES,
        operation_id="files_create",
        parameters=[NAME],
        request={
            "application/octet-stream": OpenApiTypes.BINARY,
            "multipart/form-data": {
                "type": "object",
                "properties": {"file": {"type": "string", "format": "binary"}},
                "required": ["file"],
            },
        },
        responses=answers({201: FileData}, 403),
        tags=["files"],
    )
    def post(self, request: Request) -> Response:
        """Send a file, as the body or as a form: it can be named by one message then, within a day.

        Its type is found from its bytes. At most 25 MiB unless configured, at least 64 KiB in 10 s, three at once.
        """
        raise UnavailableError("This server can't take files.")


class FilesSignView(ChatView):
    @operation(
        Limit.OPERATIONS,
        operation_id="files_sign",
        body=SignInput,
        is_reading=True,
        responses=answers({200: ListData[SignedData]}),
        tags=["files"],
    )
    def post(self, request: Request) -> Response:
        """Addresses that need no token, for ten minutes; of those files that one may read."""
        found = files_signed(cast(Claims, request.auth), self.me(request), self.wanted["ids"])
        return Response({"results": found, "next": None})


class FilesCookieView(ChatView):
    @operation(
        Limit.OPERATIONS,
        operation_id="files_cookie_set",
        is_reading=True,
        responses=answers({204: None}),
        tags=["files"],
    )
    def post(self, request: Request) -> Response:
        """For pages of this server: from now on files are shown to this browser, as long as the token would be good."""
        claims = cast(Claims, request.auth)
        response = Response(status=204)
        response.set_cookie(
            COOKIE,
            pass_made(claims, COOKIE_PURPOSE, claims.expires_at),
            path=PATH,
            httponly=True,
            samesite="Strict",
            secure=self.app().config.web.is_https,
        )
        return response

    @operation(
        Limit.OPERATIONS,
        operation_id="files_cookie_remove",
        is_reading=True,
        responses=answers({204: None}),
        tags=["files"],
    )
    def delete(self, request: Request) -> Response:
        """No longer."""
        response = Response(status=204)
        response.delete_cookie(COOKIE, path=PATH, samesite="Strict")
        return response


class FileView(ChatView):
    permission_classes = (AllowAny,)

    @operation(
        STREAMED,
        operation_id="files_get",
        parameters=[OpenApiParameter("ticket", str, description="In signed addresses.")],
        responses={**answers({}, 401, 404), **BYTES},
        tags=["files"],
    )
    def get(self, request: Request, file_id: str, name: str) -> Response:
        """The bytes of a file, or its thumbnail as `thumb`; ranges and ETag as usual.

        For who may read its message: by a token, the cookie of a page of this server, or a signed address.
        """
        if not is_uuid(file_id):
            raise no_file()
        raise UnavailableError("This server can't give files.")
