"""Tokens that must open nothing: a good one, bent in every way that whoever sends it could think of. Pure.

by_claim() has each claim missing, of every other type, and moved in time, under a good signature: nobody but the server
can make those, so what is shown is that it never stumbles over them. forged() is what anybody can make.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt

MISSING = object()
OTHER_TYPES: dict[str, Any] = {
    "missing": MISSING, "null": None, "a number": 7, "a fraction": 0.5, "true": True, "empty": "", "text": "x",
    "a list": ["x"], "an object": {"x": 1}, "huge": 10**30, "half a character": "\ud800", "a NUL": "a\x00",
}  # fmt: skip
CLAIMS = ("token_type", "exp", "iat", "nbf", "jti", "aud", "sub", "name", "ver", "login", "amr")
HARMLESS = {
    # Nothing is decided by these: a name may be older than a renaming, a token need not say when it was made, and how
    # one came by it is said only where it was more than a password.
    *(("name", kind) for kind in ("empty", "text", "half a character", "a NUL")),
    *(("iat", kind) for kind in ("missing", "a number", "a fraction", "true")),
    *(("nbf", kind) for kind in ("missing", "a number", "a fraction", "true")),
    *(("amr", kind) for kind in ("missing", "a list")),
    *(("jti", kind) for kind in OTHER_TYPES if kind != "missing"),
}
_HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def part(value: Any) -> str:
    """One part of a token, as JSON."""
    return _base64(json.dumps(value).encode())


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def signed(payload: Any, key: str, *, algorithm: str = "HS256", **header: Any) -> str:
    """By hand, since libraries refuse to make what is wrong."""
    said = f"{part({'alg': algorithm, 'typ': 'JWT', **header})}.{part(payload)}"
    return f"{said}.{_base64(hmac.new(key.encode(), said.encode(), _HASHES.get(algorithm, hashlib.sha256)).digest())}"


def by_claim(token: str, key: str) -> Iterator[tuple[str, str]]:
    """(what is wrong with it, the token)."""
    good = jwt.decode(token, options={"verify_signature": False})
    for claim in CLAIMS:
        for kind, value in OTHER_TYPES.items():
            if (claim, kind) in HARMLESS:
                continue
            bent = {name: said for name, said in good.items() if name != claim}
            yield f"{claim}: {kind}", signed(bent if value is MISSING else {**bent, claim: value}, key)
    now = int(time.time())
    for what, change in {
        "expired": {"exp": now - 1},
        "expiring now": {"exp": now},
        "not yet valid": {"nbf": now + 600},
        "from the future": {"iat": now + 600},
        "for somebody else": {"aud": "elsewhere"},
        "an older version": {"ver": good["ver"] - 1},
        "a later version": {"ver": good["ver"] + 1},
        "nobody's": {"sub": "018f0000-0000-7000-8000-000000000000"},
        "no UUID": {"sub": "1 OR 1=1"},
        "another kind": {"token_type": "refresh"},
        "a bot's kind": {"token_type": "bot"},
    }.items():
        yield what, signed({**good, **change}, key)


def forged(token: str, victim_id: str) -> Iterator[tuple[str, str]]:
    """The same; made without the key, to speak for `victim_id` or to go on for longer."""
    header, payload, signature = token.split(".")
    said = jwt.decode(token, options={"verify_signature": False})
    stolen = part({**said, "sub": victim_id})
    for algorithm in ("none", "None", "NONE", "nOnE", "", "HS256", "RS256", "ES256", "PS256", "EdDSA", "dir"):
        yield f"no signature, algorithm {algorithm!r}", f"{part({'alg': algorithm, 'typ': 'JWT'})}.{stolen}."
    yield "no algorithm", f"{part({'typ': 'JWT'})}.{stolen}."
    yield "an algorithm that is a list", f"{part({'alg': ['HS256']})}.{stolen}.{signature}"
    yield "a header that is a list", f"{part(['HS256'])}.{stolen}.{signature}"
    yield "a header of nested lists", f"{_base64(b'[' * 1_500)}.{stolen}.{signature}"
    for what, key in {"another key": "k" * 64, "an empty key": "", "its own header": header, "null": "null"}.items():
        for algorithm in _HASHES:
            yield f"{what}, {algorithm}", signed({**said, "sub": victim_id}, key, algorithm=algorithm)
    for more in (
        {"kid": "../../../../dev/null"},
        {"kid": "x' UNION SELECT 'k"},
        {"jku": "http://127.0.0.1:9/keys"},
        {"x5u": "http://127.0.0.1:9/cert"},
        {"jwk": {"kty": "oct", "k": _base64(b"k" * 64)}},
        {"crit": ["exp"], "exp": 1},
        {"zip": "DEF"},
        {"b64": False, "crit": ["b64"]},
        {"cty": "JWT"},
    ):
        yield f"a header with {' and '.join(more)}", signed({**said, "sub": victim_id}, "k" * 64, **more)
    yield "another payload under the signature", f"{header}.{stolen}.{signature}"
    yield "longer", f"{header}.{part({**said, 'exp': said['exp'] + 9_999})}.{signature}"
    yield "two payloads", f"{header}.{payload}{stolen}.{signature}"
    for count in (1, 2, 4, 5):
        yield f"{count} parts", ".".join([header, payload, signature, payload, signature][:count])
    for cut in (1, 10, len(signature), len(signature) + 1, len(token) - 1):
        yield f"{cut} characters less", token[:-cut]
    yield "another letter at the end of the header", f"{header}A.{payload}.{signature}"
    yield "padded", f"{token}="
    yield "with a character that base64 reads over", f"{token[:-5]}!{token[-5:]}"
    yield "too long", f"{header}.{payload}.{signature}{'A' * 5_000}"
    yield "nothing", ""
    yield "dots", ".."
    yield "words", "let me in"
