"""The sid: names the worker that has the session, and is the only credential of a polling client.

`<host>.<life>.<slot>.<incarnation>.<24 random characters>`, URL-safe; 144 bits from the system's generator. Never
logged.
Source: Engine.IO protocol, "Handshake"; OWASP ASVS 5.0, 7.2.3.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

_RANDOM_BYTES = 18
_SID = re.compile(r"([0-9]{1,5})\.([0-9]{1,12})\.([0-9]{1,4})\.([0-9]{1,12})\.[A-Za-z0-9_-]{24}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker by the number of its host, which life of that host, its slot, and which life of that slot's worker."""

    host: int
    life: int
    slot: int
    incarnation: int


def new_sid(worker: Worker) -> str:
    """A fresh sid for a session of `worker`."""
    names = f"{worker.host}.{worker.life}.{worker.slot}.{worker.incarnation}"
    return f"{names}.{secrets.token_urlsafe(_RANDOM_BYTES)}"


def worker_of(sid: str) -> Worker | None:
    """The worker that a sid names, or None when no worker of ours made it."""
    match = _SID.fullmatch(sid)
    return Worker(*map(int, match.groups())) if match else None
