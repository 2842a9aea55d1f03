"""Every frame that a test client got, checked against the AsyncAPI document; and a record of which kinds were seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import jsonschema
from jsonschema.protocols import Validator

from chat.domain.events import EventType
from chat.transports.native.asyncapi import answer_schema, document, event_schema, refusal_schema
from chat.transports.native.operations import OPERATIONS

SEEN: set[str] = set()
"""Names of events, `<operation> answer`s and `refusal` seen in this run."""


_OTHER_RELEASE: ContextVar[bool] = ContextVar("other_release", default=False)


@contextmanager
def other_release() -> Iterator[None]:
    """Clients that come within are of hosts of another release, too: our document does not describe its frames."""
    token = _OTHER_RELEASE.set(True)
    try:
        yield
    finally:
        _OTHER_RELEASE.reset(token)


@cache
def _validator(name: str) -> Validator:
    if name == "refusal":
        schema = refusal_schema()
    elif name.endswith(" answer"):
        reply = OPERATIONS[name.removesuffix(" answer")].reply
        assert reply is not None
        schema = answer_schema(reply)
    else:
        schema = event_schema(EventType(name))
    whole = {**schema, "components": {"schemas": document()["components"]["schemas"]}}
    return jsonschema.Draft202012Validator(whole)


def check_frame(frame: dict[str, Any], operation: str | None) -> None:
    """Raises jsonschema.ValidationError for a frame that the document does not describe."""
    if _OTHER_RELEASE.get():
        return
    if "event" in frame:
        name = str(frame["event"])
    elif frame["ok"]:
        assert operation is not None, f"an answer to nothing: {frame}"
        name = f"{operation} answer"
    else:
        name = "refusal"
    SEEN.add(name)
    _validator(name).validate(frame)
