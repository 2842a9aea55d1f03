"""A ReaktorError as a whole answer, for who refuses a request that Django has not seen.

refusal() gives the same status, body and headers as a view that raised the error.
"""

from __future__ import annotations

from reaktor.errors import ReaktorError
from reaktor.web.edge import Edge
from reaktor.web.reply import Reply, json_reply
from reaktor.web.rest import error_headers, flat, nested
from reaktor.web.scope import Scope, header


def refusal(error: ReaktorError, scope: Scope, edge: Edge) -> Reply:
    """The answer to the request of this scope."""
    path, origin = scope["path"], header(scope, b"origin") or ""
    said = [(name.lower().encode(), value.encode()) for name, value in error_headers(error).items()]
    shape = flat if edge.has_flat_errors(path) else nested
    reply = json_reply(error.status, shape(error), *said, *edge.headers(path, origin))
    return Reply(reply.status, [*reply.headers, (b"content-length", b"%d" % len(reply.body))], reply.body)
