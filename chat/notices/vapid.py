"""VAPID (RFC 8292): how a push service sees that a push comes from the server for which its browser subscribed.

The key pair is made of VAPID_KEY, a secret text like the others: the same text gives the same pair on each host.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256: private keys are the numbers from 1 to one less."""
SCALAR_BYTES = 48
"""Half as long again as a key, so that none is likelier than another (FIPS 186-5, A.2.1)."""
LIFETIME_S = 12 * 3_600
RENEW_S = 6 * 3_600
MAX_KEPT = 100


class Vapid:
    """The key pair, and what is signed with it. `contact`: a mailto: or https: address of who runs the server."""

    def __init__(self, secret: str, contact: str, clock: Callable[[], float] = time.time) -> None:
        derived = HKDF(hashes.SHA256(), SCALAR_BYTES, salt=None, info=b"reaktor vapid").derive(secret.encode())
        self._private = ec.derive_private_key(int.from_bytes(derived) % (ORDER - 1) + 1, ec.SECP256R1())
        self._contact = contact
        self._clock = clock
        self._kept: dict[str, tuple[float, str]] = {}
        point = self._private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public_key = base64.urlsafe_b64encode(point).rstrip(b"=").decode()
        """In base64url, as a browser takes it for `applicationServerKey`."""

    def authorization(self, endpoint: str) -> str:
        """The value of the Authorization header for a push to this endpoint."""
        parts = urlsplit(endpoint)
        origin, now = f"{parts.scheme}://{parts.netloc}", self._clock()
        made_at, value = self._kept.get(origin, (0.0, ""))
        if now - made_at > RENEW_S:
            claims = {"aud": origin, "exp": int(now) + LIFETIME_S, **({"sub": self._contact} if self._contact else {})}
            value = f"vapid t={jwt.encode(claims, self._private, 'ES256')}, k={self.public_key}"
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[origin] = (now, value)
        return value
