"""One verifier for REST, native and Socket.IO: a token's claims (CPU only), then its user (one query).

People's tokens and bots' (accounts.bot_tokens) alike.

verify_token() may run on the loop; user_for_claims() touches the database and runs in a thread.
"""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts import bot_tokens, tokens
from accounts.models import User
from reaktor.errors import ForbiddenError, NotAuthenticatedError, TokenExpiredError

_HEADER = re.compile(r"(?:Bearer:?(?:\s+|$))?(\S*)", re.IGNORECASE)
KEPT_CLAIMS = 10_000
"""Tokens of which it is remembered what they say, as many as a worker has users; checking one takes 140 µs."""
_BEARER = re.compile(r"Bearer\s+(\S+)", re.IGNORECASE)


class TokenKind(StrEnum):
    """The kinds that open something; a refresh token only buys new ones."""

    ACCESS = "access"
    SEED = "seed"
    BOT = "bot"


_OPENING = frozenset({TokenKind.ACCESS, TokenKind.SEED})


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says. `expires_at` is in Unix seconds; `username` may be older than a renaming.

    `login`: the log-in that it comes from, the same through all refreshes; `came_by`: what opened that
    (accounts.tokens). `can_write` False: it changes nothing. `digest`: of a bot's token, what the store has of it.
    """

    user_id: str
    username: str
    token_version: int
    expires_at: int
    kind: TokenKind
    login: uuid.UUID
    came_by: tuple[str, ...] = ()
    can_write: bool = True
    digest: str = ""

    def check_write(self) -> None:
        """Raises ForbiddenError where the token is good for reading alone."""
        if not self.can_write:
            raise ForbiddenError("This token may only read.")


def verify_token(raw: object) -> Claims:
    """The claims of an access, seed or bot token. CPU only. Raises NotAuthenticatedError.

    The caller still asks user_for_claims(): whether the account exists and the token was revoked stands in the store.
    """
    if not isinstance(raw, str):
        raise NotAuthenticatedError("The token is not valid.")
    claims = _claims_of(raw)
    if claims.expires_at <= time.time():
        raise TokenExpiredError
    return claims


@lru_cache(maxsize=KEPT_CLAIMS)
def _claims_of(raw: str) -> Claims:
    """What is signed does not change; that it has expired since is for the caller to see. Errors are not kept."""
    if raw.startswith(bot_tokens.PREFIX):
        return _bot_claims_of(raw)
    claims = tokens.payload(raw, _OPENING)
    return Claims(
        claims["sub"],
        claims["name"],
        claims["ver"],
        int(claims["exp"]),
        TokenKind(claims["token_type"]),
        claims["login"],
        claims["amr"],
    )


def _bot_claims_of(raw: str) -> Claims:
    claims = tokens.payload(raw.removeprefix(bot_tokens.PREFIX), bot_tokens.KINDS)
    return Claims(
        claims["sub"],
        claims["name"],
        claims["ver"],
        int(claims["exp"]),
        TokenKind.BOT,
        claims["login"],
        can_write=bot_tokens.WRITE in str(claims.get("scopes")).split(),
        digest=bot_tokens.digest_of(raw),
    )


def user_for_claims(claims: Claims) -> User:
    """The user that the token speaks for, as stored now. One query.

    Raises BannedError (the account is off) and NotAuthenticatedError (it is gone, or the token was revoked).
    """
    if claims.kind is TokenKind.BOT:
        return bot_tokens.bot_of(claims.user_id, version=claims.token_version, login=claims.login, digest=claims.digest)
    found = {"sub": claims.user_id, "ver": claims.token_version, "login": claims.login, "amr": claims.came_by}
    return tokens.user_of(found)


def token_from_header(value: str) -> str:
    """The token in a seed client's Authorization header, or "": `Bearer: <jwt>`, `Bearer <jwt>` or the bare token.

    Source: the seed contract, "REST" (its clients write the colon).
    """
    match = _HEADER.fullmatch(value.strip())
    return match[1] if match else value.strip()


class BearerAuthentication(BaseAuthentication):
    """DRF: `Authorization: Bearer <access, seed or bot token>`; request.user is the User, request.auth the Claims."""

    @staticmethod
    def claims_in(header: str) -> Claims | None:
        """Of the Authorization header's value; None: there is none. CPU only. Raises NotAuthenticatedError."""
        header = header.strip()
        if not header:
            return None
        match = _BEARER.fullmatch(header)
        if match is None:
            raise NotAuthenticatedError("The Authorization header must read `Bearer <token>`.")
        return verify_token(match[1])

    def authenticate(self, request: Request) -> tuple[User, Claims] | None:
        claims = self.claims_in(request.META.get("HTTP_AUTHORIZATION", ""))
        return None if claims is None else (user_for_claims(claims), claims)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
