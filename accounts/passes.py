"""Passes: what opens one thing only, in the name of a log-in, where no Authorization header can be sent.

An image in a page asks without one. So the server signs who asks, by which log-in, for what, and until when; that the
log-in is still good is looked up each time, as with the token that it stands for (accounts.authentication).
"""

from __future__ import annotations

import time
import uuid

from django.core import signing

from accounts.authentication import Claims, TokenKind
from reaktor.errors import NotAuthenticatedError

MAX_CHARS = 2_048
_SALT = "accounts.passes"


def pass_made(claims: Claims, purpose: str, expires_at: int) -> str:
    """For whoever showed a token with these claims; good for this purpose until then, and no longer than the token."""
    said = [
        purpose,
        min(expires_at, claims.expires_at),
        claims.user_id,
        claims.username,
        claims.token_version,
        claims.kind.value,
        str(claims.login),
        list(claims.came_by),
        claims.digest,
    ]
    return signing.Signer(salt=_SALT).sign_object(said)


def pass_claims(raw: str, purpose: str) -> Claims:
    """The claims, which are good for reading alone. CPU only. Raises NotAuthenticatedError.

    The caller still asks user_for_claims().
    """
    try:
        if len(raw) > MAX_CHARS:
            raise NotAuthenticatedError("The pass is not valid.")
        found, expires_at, user_id, username, version, kind, login, came_by, digest = signing.Signer(
            salt=_SALT
        ).unsign_object(raw)
        claims = Claims(
            user_id,
            username,
            version,
            expires_at,
            TokenKind(kind),
            uuid.UUID(login),
            tuple(came_by),
            can_write=False,
            digest=digest,
        )
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise NotAuthenticatedError("The pass is not valid.") from error
    if found != purpose or expires_at <= time.time():
        raise NotAuthenticatedError("The pass is not valid.")
    return claims
