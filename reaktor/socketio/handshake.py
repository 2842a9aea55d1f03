"""How a client came: what its Engine.IO session says about that, as one value for the application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qsl

from reaktor.engineio.engine_session import EngineSession


@dataclass(frozen=True, slots=True)
class Handshake:
    """How a client came. `headers` have lower-case names; `address` is the TCP peer's.

    `revision` is Engine.IO's, 3 or 4. `notes` is the application's own: what admit() found out is there in connect().
    """

    query: Mapping[str, str]
    headers: Mapping[str, str]
    address: str | None
    transport: str
    revision: int
    notes: dict[str, Any]

    @property
    def marks(self) -> str:
        """Equal for two handshakes of one client over one transport, and mostly not for those of two different ones:
        the program's name and languages, the names of its headers and of its parameters in their order.
        """
        told = [self.headers.get(name, "") for name in ("user-agent", "accept-language")]
        return blake2b("\0".join([*told, *self.headers, "", *self.query]).encode(), digest_size=6).hexdigest()


def handshake_of(session: EngineSession, namespace_query: str = "") -> Handshake:
    """The handshake of a session; of two parameters with one name the request's wins over the namespace's."""
    request = session.request
    handshake = Handshake(
        query=request.query,
        headers=request.headers,
        address=request.address,
        transport=request.transport,
        revision=session.revision,
        notes=request.notes,
    )
    if not namespace_query:
        return handshake
    try:
        extra = dict(parse_qsl(namespace_query, keep_blank_values=True, max_num_fields=20))
    except ValueError:
        return handshake
    return replace(handshake, query={**extra, **request.query})
