"""The sid: names the worker that has the session, and is the only credential of a polling client.

`<slot>.<incarnation>.<24 random characters>`, URL-safe; 144 bits from the system's generator. Never logged.
Source: Engine.IO protocol, "Handshake"; OWASP ASVS 5.0, 7.2.3.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

_RANDOM_BYTES = 18
_SID = re.compile(r"([0-9]{1,4})\.([0-9]{1,12})\.[A-Za-z0-9_-]{24}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker by slot (its number) and incarnation (which life of it)."""

    slot: int
    incarnation: int


def new_sid(worker: Worker) -> str:
    """A fresh sid for a session of `worker`."""
    return f"{worker.slot}.{worker.incarnation}.{secrets.token_urlsafe(_RANDOM_BYTES)}"


def worker_of(sid: str) -> Worker | None:
    """The worker that a sid names, or None when no worker of ours made it."""
    match = _SID.fullmatch(sid)
    return Worker(int(match[1]), int(match[2])) if match else None
