"""One push to one browser: encrypted for it (RFC 8291), signed (RFC 8292), sent to its push service (RFC 8030).

Whatever the service answers is one of four outcomes. It is not believed further than that: no redirect is followed, and
of its answer only a little is read. The connection goes to an address that chat.notices.targets has looked at.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import uuid
from collections.abc import Callable, Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any, NamedTuple

import http_ece
import httpcore
import orjson
from cryptography.hazmat.primitives.asymmetric import ec

from chat.notices.subscriptions import Subscription
from chat.notices.targets import CheckedBackend, Targets
from chat.notices.vapid import Vapid
from reaktor.config.model import KIB, Config

SEND_S = 10.0
KEEP_ALIVE_S = 30.0
MAX_CONNECTIONS = 32
ANSWER_BYTES = 4 * KIB
TTL_S = 86_400
"""How long a service keeps a push for a browser that is off."""
GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class Outcome(StrEnum):
    SENT = "sent"
    GONE = "gone"
    """There is no such browser any more."""
    LATER = "later"
    """Not now: the service is away, or has too much to do."""
    REFUSED = "refused"
    """The service does not want it, and will not."""


class Sent(NamedTuple):
    """How one push went. `asked_s`: when the service wants it again; `problem`: for the operator, without secrets."""

    outcome: Outcome
    problem: str = ""
    asked_s: float | None = None


class WebPush:
    """An open door to the push services; to be closed. `tls`: whom to believe (None: those of the system)."""

    def __init__(self, targets: Targets, vapid: Vapid, tls: ssl.SSLContext | None = None) -> None:
        self._targets = targets
        self._vapid = vapid
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or ssl.create_default_context(),
            max_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEP_ALIVE_S,
            network_backend=CheckedBackend(allows_private=targets.allows_private),
        )

    async def close(self) -> None:
        await self._pool.aclose()

    async def send(self, to: Subscription, content: bytes, *, topic: str, is_urgent: bool) -> Sent:
        """Push `content` (at most 3,992 bytes). `topic`: of those that wait with the same, the newest counts."""
        if not self._targets.allows(to.endpoint):
            return Sent(Outcome.REFUSED, "its host is not in PUSH_HOSTS any more")
        headers: dict[bytes | str, bytes | str] = {
            "Authorization": self._vapid.authorization(to.endpoint),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(TTL_S),
            "Topic": topic,
            "Urgency": "high" if is_urgent else "normal",
        }
        try:
            body = encrypted(content, to)
            async with asyncio.timeout(SEND_S):
                return await self._post(to.endpoint, headers, body)
        except (TimeoutError, httpcore.TimeoutException):
            return Sent(Outcome.LATER, "the push service did not answer in time")
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError) as error:
            return Sent(Outcome.LATER, f"the push service can't be reached: {error}")

    async def _post(self, endpoint: str, headers: Mapping[bytes | str, bytes | str], body: bytes) -> Sent:
        async with self._pool.stream("POST", endpoint, headers=headers, content=body) as answer:
            read = 0
            async for part in answer.aiter_stream():
                read += len(part)
                if read > ANSWER_BYTES:
                    break
            return outcome_of(answer.status, dict(answer.headers).get(b"retry-after", b""))


def push_opener(config: Config, vapid_key: str) -> Callable[[], WebPush] | None:
    """What opens the door; None without a key."""
    return (lambda: WebPush(Targets(config.push), vapid_of(config, vapid_key))) if vapid_key else None


def vapid_of(config: Config, vapid_key: str) -> Vapid:
    """The contact is the public address, unless another one is given; services want https or mailto."""
    return Vapid(vapid_key, config.push.contact or (config.web.public_url if config.web.is_https else ""))


def outcome_of(status: int, retry_after: bytes = b"") -> Sent:
    """What an answer with this status means. A redirect is a refusal."""
    if 200 <= status < 300:
        return Sent(Outcome.SENT)
    problem = f"the push service answered {status}"
    if status in GONE:
        return Sent(Outcome.GONE, problem)
    if status in LATER or status >= 500:
        asked_s = float(retry_after) if retry_after.isdigit() and len(retry_after) < 6 else None
        return Sent(Outcome.LATER, problem, asked_s)
    return Sent(Outcome.REFUSED, problem)


def encrypted(content: bytes, to: Subscription) -> bytes:
    """The body of a push that this browser alone can read."""
    body: bytes = http_ece.encrypt(
        content,
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=_bytes(to.p256dh),
        auth_secret=_bytes(to.auth),
        version="aes128gcm",
    )
    return body


def topic_of(message_id: uuid.UUID) -> str:
    """A message's id as the 32 characters that a Topic may have at most."""
    return message_id.hex


def content_of(shown: dict[str, Any]) -> bytes:
    return orjson.dumps(shown)


def _bytes(text: str) -> bytes:
    bare = text.rstrip("=")
    return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
