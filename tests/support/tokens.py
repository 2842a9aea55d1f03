"""Tokens of a live server with other claims, signed with its own key: expired ones, ones that soon will be."""

from __future__ import annotations

import time
from typing import Any

import jwt

from tests.support.server import LiveServer


def claim(token: str, name: str) -> Any:
    """What the token says under this name."""
    return jwt.decode(token, options={"verify_signature": False})[name]


def reissued(server: LiveServer, token: str, *, expires_in_s: float | None = None, **claims: Any) -> str:
    """The same token with these claims instead."""
    secret = (server.data_dir / "jwt_secret").read_text(encoding="ascii")
    payload = jwt.decode(token, options={"verify_signature": False})
    if expires_in_s is not None:
        payload["exp"] = int(time.time() + expires_in_s)
    return jwt.encode({**payload, **claims}, secret, algorithm="HS256")
