"""An authenticator app for tests: what it shows, and second factors that are set up over REST."""

from __future__ import annotations

import hashlib
import hmac
import struct
import time
from base64 import b32decode
from typing import Any

from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import User
from tests.support.rest import PASSWORD, Rest

STEP_S = 30


def code_of(secret: str, *, steps: int = 0) -> str:
    """What an app with this secret (Base32) shows; `steps` of 30 s from now. RFC 6238, in the words of its own text."""
    counter = struct.pack(">Q", int(time.time()) // STEP_S + steps)
    digest = hmac.new(b32decode(secret), counter, hashlib.sha1).digest()
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4]) & 0x7FFFFFFF) % 1_000_000:06d}"


def wrong_code(secret: str) -> str:
    """A code that none of the next minutes has."""
    good = {code_of(secret, steps=steps) for steps in range(-3, 8)}
    return next(f"{number:06d}" for number in range(1_000_000) if f"{number:06d}" not in good)


def forget_used_codes(user: User) -> None:
    """As if the app had shown none before: the next code would have to be waited for."""
    TOTPDevice.objects.filter(user=user).update(last_t=-1, drift=0)


def set_up(rest: Rest, user: User) -> tuple[str, list[str]]:
    """(the app's secret, the recovery codes) of a second factor that is confirmed."""
    status, begun = rest.post("/api/v1/me/second-factor", {"password": PASSWORD})
    assert status == 200, begun
    secret = begun["secret"]
    status, made = rest.post("/api/v1/me/second-factor/confirm", {"code": code_of(secret)})
    assert status == 200, made
    forget_used_codes(user)
    return secret, made["recovery_codes"]


def log_in(username: str, code: str | None = None, *, password: str = PASSWORD, address: str = "192.0.2.1") -> Any:
    """(status, body) of POST tokens."""
    given = {"username": username, "password": password} | ({} if code is None else {"code": code})
    return Rest(address=address).post("/api/v1/tokens", given)


def seed_log_in(name: str, password: str = PASSWORD) -> Any:
    """(status, body) of the seed contract's log-in."""
    return Rest().post("/auth/login", {"name": name, "password": password})


def make_app_password(rest: Rest, name: str = "Old phone") -> dict[str, Any]:
    status, made = rest.post("/api/v1/me/app-passwords", {"name": name, "password": PASSWORD})
    assert status == 201, made
    found: dict[str, Any] = made
    return found
