"""Which request and which session the running code serves, for the lines that it logs. Pure.

Set where a request or a session begins (reaktor.web.requests, the transports); read by reaktor.observe.logs. Tasks
inherit both; threads are handed them by whoever hands them work: run_in_context(). What serves many sessions at once
runs in nobody's context, since a line with the wrong id is worse than one without.
"""

from __future__ import annotations

import contextvars
import secrets
import string
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

REQUEST_ID: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")
SESSION: contextvars.ContextVar[str] = contextvars.ContextVar("session", default="")

MAX_REQUEST_ID_CHARS = 64
SESSION_CHARS = 8
"""So much of a session's id names it in a log, and is of no use to anybody else."""
_ALLOWED = frozenset(string.ascii_letters + string.digits + "-_.:/=+")


def new_request_id() -> str:
    """One that no other request has."""
    return secrets.token_hex(8)


def accepted_request_id(text: str) -> str:
    """A proxy's id when it is fit for a log line and a header, else empty."""
    return text if 0 < len(text) <= MAX_REQUEST_ID_CHARS and _ALLOWED.issuperset(text) else ""


def run_in_context(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Callable[[], T]:
    """The call, to be made once in another thread, in the context of this moment."""
    return partial(contextvars.copy_context().run, partial(function, *args, **kwargs))
