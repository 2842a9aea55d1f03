"""The pass that goes before each request which one host relays to another: to whom, when, of what, and an HMAC over it.

seal() makes one, PASS_BYTES long, for the bytes of a request that follow it; Doorkeeper.admit() reads it back at the
other host, or raises PassError. Nothing of the request has to be read for that: the pass holds its size and its
SHA-256, which `Pass.fits()` compares when it is there. So method, target, headers and body are all covered.

Times are Unix times of two machines, and may differ by MAX_SKEW_S. Pure. Source: RFC 2104, RFC 5869.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from collections import deque
from dataclasses import dataclass
from enum import Enum

MAGIC = b"RKR1"
"""What a pass begins with; another one once the pass, or what is relayed behind it, has another form."""
MAX_SKEW_S = 60.0
MAX_NONCES = 200_000
"""So many passes are remembered, for twice MAX_SKEW_S: 1,600 relayed requests a second, for some 30 MiB."""
GO_ON = b"+"
"""What the other host says before the answer of its worker. Anything else is a Refusal."""

_FIELDS = struct.Struct("!4sIQIQQ16s?I32s")
_MAC = "sha256"
_MAC_BYTES = 32
PASS_BYTES = _FIELDS.size + _MAC_BYTES


class Refusal(Enum):
    """Why a pass, or who holds it, is not let in: the byte that says so, and the word that counts it."""

    FORGED = (b"f", "forged")
    STALE = (b"s", "stale")
    REPLAYED = (b"r", "replayed")
    BUSY = (b"b", "busy")
    TOO_LARGE = (b"l", "too_large")
    GONE = (b"g", "gone")

    @property
    def byte(self) -> bytes:
        return self.value[0]

    @property
    def word(self) -> str:
        return self.value[1]


class PassError(Exception):
    """A pass that is not good."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.word)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Pass:
    """To which worker (host, life, slot, incarnation), and what follows: its size in bytes, its SHA-256.

    `is_open`: after the request more is to come from the client, as frames of a WebSocket.
    """

    worker: tuple[int, int, int, int]
    is_open: bool
    size: int
    digest: bytes

    def fits(self, request: bytes) -> bool:
        """Whether these are the bytes that were sealed."""
        return len(request) == self.size and hmac.compare_digest(hashlib.sha256(request).digest(), self.digest)


def relay_key(secret: str, cluster_id: str) -> bytes:
    """The key of a cluster, from its SECRET_KEY."""
    return hkdf(secret.encode(), salt=cluster_id.encode(), info=b"reaktor relay between hosts 1")


def hkdf(secret: bytes, *, salt: bytes, info: bytes) -> bytes:
    """HKDF-SHA256, the first 32 bytes of it: one round of its second step. Source: RFC 5869."""
    return hmac.digest(hmac.digest(salt, secret, _MAC), info + b"\x01", _MAC)


def seal(key: bytes, worker: tuple[int, int, int, int], request: bytes, *, is_open: bool, now: float) -> bytes:
    """The pass for a request to that worker. `now`: Unix time, s."""
    host, life, slot, incarnation = worker
    digest = hashlib.sha256(request).digest()
    sent, nonce = int(now * 1000), secrets.token_bytes(16)
    fields = _FIELDS.pack(MAGIC, host, life, slot, incarnation, sent, nonce, is_open, len(request), digest)
    return fields + hmac.digest(key, fields, _MAC)


class Doorkeeper:
    """Lets each good pass in once. `max_bytes`: of a request.

    Only passes of those who have the key are remembered, so nobody else can fill the memory. When it is full, the next
    one is refused: to forget one would let it in again.
    """

    def __init__(self, key: bytes, *, max_bytes: int, max_nonces: int = MAX_NONCES) -> None:
        self._key, self._max_bytes, self._max_nonces = key, max_bytes, max_nonces
        self._nonces: set[bytes] = set()
        self._oldest: deque[tuple[float, bytes]] = deque()

    def __len__(self) -> int:
        """Passes that are remembered."""
        return len(self._nonces)

    def admit(self, sealed: bytes, now: float, elapsed: float) -> Pass:
        """The pass in these PASS_BYTES. `now`: Unix time; `elapsed`: seconds of a clock that never jumps.

        Raises PassError.
        """
        fields = sealed[: _FIELDS.size]
        if not hmac.compare_digest(hmac.digest(self._key, fields, _MAC), sealed[_FIELDS.size :]):
            raise PassError(Refusal.FORGED)
        magic, host, life, slot, incarnation, sent, nonce, is_open, size, digest = _FIELDS.unpack(fields)
        if magic != MAGIC:
            raise PassError(Refusal.FORGED)
        if abs(now - sent / 1000) > MAX_SKEW_S:
            raise PassError(Refusal.STALE)
        if size > self._max_bytes:
            raise PassError(Refusal.TOO_LARGE)
        self._remember(nonce, elapsed)
        return Pass((host, life, slot, incarnation), is_open, size, digest)

    def _remember(self, nonce: bytes, elapsed: float) -> None:
        # The sender's clock may be ahead by one MAX_SKEW_S, and then it is good for two.
        while self._oldest and self._oldest[0][0] < elapsed - 2 * MAX_SKEW_S:
            self._nonces.discard(self._oldest.popleft()[1])
        if nonce in self._nonces:
            raise PassError(Refusal.REPLAYED)
        if len(self._nonces) >= self._max_nonces:
            raise PassError(Refusal.BUSY)
        self._nonces.add(nonce)
        self._oldest.append((elapsed, nonce))
