"""`GET /socket.io/socket.io.js`: where the client library is, for pages that expect it from the server.

Other servers of Socket.IO bring the file along. This one says in words where it is, since it serves the clients of
every generation, and only the page knows which it was written for. Pure.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from reaktor.web.reply import NO_STORE, Reply, text_reply
from reaktor.web.scope import Scope

_FILE = re.compile(r"/socket\.io/socket\.io(?:\.msgpack|\.esm)?(?:\.min)?\.js(?:\.map)?")
WORDS = (
    "The client library is not served here. Serve the file socket.io.min.js of the npm package socket.io-client with "
    "your page: version 4 for new pages; every version from 1 on is understood.\n"
)


def client_file_reply(scope: Scope) -> Reply | None:
    """The answer to a request for the library; None for any other request."""
    if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"} or not _FILE.fullmatch(scope["path"]):
        return None
    return text_reply(HTTPStatus.NOT_FOUND, WORDS, NO_STORE, (b"access-control-allow-origin", b"*"))
