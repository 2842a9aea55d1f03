"""The token matrix: every way to bend a token is refused, alike on REST and wherever verify_token() is asked."""

from __future__ import annotations

import base64
import json
import secrets
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts import authentication, services, tokens
from accounts.authentication import TokenKind, token_from_header, user_for_claims, verify_token
from accounts.models import User
from reaktor.errors import BannedError, NotAuthenticatedError, TokenExpiredError
from tests.support.bent_tokens import OTHER_TYPES, by_claim
from tests.support.rest import Rest, logged_in, register

KEY = settings.JWT_SECRET
CLOCKS = {"a clock 59 s behind": -59, "the same clock": 0, "a clock 59 s ahead": 59}


@pytest.fixture(params=CLOCKS.values(), ids=CLOCKS.keys())
def made_ahead_s(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """By how much the clock was ahead that a token was made by: another host's, or ours before it was put back."""
    monkeypatch.setattr(sys.modules[__name__], "ahead_s", request.param)
    return int(request.param)


ahead_s = 0


def claims(**changes: Any) -> dict[str, Any]:
    """What an access token says; a change to None leaves the claim out."""
    now = int(time.time()) + ahead_s
    found = {
        "token_type": "access", "exp": now + 900, "iat": now, "jti": "a" * 32, "aud": "reaktor",
        "sub": "018f0000-0000-7000-8000-000000000000", "name": "ada", "ver": 1,
        "login": "018f0000-0000-4000-8000-000000000001", **changes,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def signed(key: str = KEY, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def without_signature(algorithm: str) -> str:
    return f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(claims())}."


def with_other_payload() -> str:
    header, _, signature = signed().split(".")
    return f"{header}.{part(claims(name='root'))}.{signature}"


BENT: dict[str, Callable[[], object]] = {
    "no signature, algorithm none": lambda: without_signature("none"),
    "no signature, algorithm nOnE": lambda: without_signature("nOnE"),
    "no signature, algorithm HS256": lambda: without_signature("HS256"),
    "another key": lambda: signed("k" * 64),
    "an empty key": lambda: f"{part({'alg': 'HS256'})}.{part(claims())}." + "A" * 43,
    "Django's own secret": lambda: signed(settings.SECRET_KEY),
    "another HMAC": lambda: signed(KEY.ljust(64, "x"), "HS512"),
    "the right key under another HMAC": lambda: signed(KEY, "HS384"),
    "an asymmetric algorithm in the header": lambda: f"{part({'alg': 'RS256'})}.{part(claims())}." + "A" * 342,
    "a key id that is a path": lambda: signed("k" * 64, headers={"kid": "../../../../dev/null"}),
    "a key in the header": lambda: signed("k" * 64, headers={"jwk": {"kty": "oct", "k": "a2tr"}}),
    "a key URL in the header": lambda: signed("k" * 64, headers={"jku": "http://203.0.113.1/keys"}),
    "a critical header": lambda: signed(headers={"crit": ["exp"], "exp": 1}),
    "another payload under the signature": with_other_payload,
    "expired": lambda: signed(exp=int(time.time()) - 1),
    "expiring this very second": lambda: signed(exp=int(time.time())),
    "no expiry": lambda: signed(exp=None),
    "an expiry that is text": lambda: signed(exp="tomorrow"),
    "an expiry beyond all calendars": lambda: signed(exp=10**18),
    "not yet valid": lambda: signed(nbf=int(time.time()) + 600),
    "issued in the future": lambda: signed(iat=int(time.time()) + 600),
    "for another audience": lambda: signed(aud="elsewhere"),
    "for no audience": lambda: signed(aud=None),
    "a refresh token": lambda: signed(token_type="refresh"),
    "an unknown kind": lambda: signed(token_type="root"),
    "a kind that is no text": lambda: signed(token_type=["access"]),
    "no kind": lambda: signed(token_type=None),
    "no id": lambda: signed(jti=None),
    "no subject": lambda: signed(sub=None),
    "no name": lambda: signed(name=None),
    "no log-in": lambda: signed(login=None),
    "a log-in that is no UUID": lambda: signed(login="yesterday"),
    "a log-in that is a number": lambda: signed(login=7),
    "no version": lambda: signed(ver=None),
    "a version that is text": lambda: signed(ver="1"),
    "a version that is true": lambda: signed(ver=True),
    "a payload that is a list": lambda: jwt.api_jws.encode(b"[1]", KEY, algorithm="HS256"),
    "a header of a thousand nested lists": lambda: (
        base64.urlsafe_b64encode(b"[" * 1500).rstrip(b"=").decode() + f".{part(claims())}.AAAA"
    ),
    "padding behind it": lambda: signed() + "=",
    "another character in the signature": lambda: signed()[:-5] + "!" + signed()[-5:],
    "a line break behind it": lambda: signed() + "\n",
    "four parts": lambda: signed() + ".AAAA",
    "one part": lambda: signed().split(".")[0],
    "blanks around it": lambda: f" {signed()} ",
    "a token of a megabyte": lambda: signed(name="a" * 1_000_000),
    "letters beyond ASCII": lambda: signed() + "é",
    "half a character": lambda: "\ud800",
    "nothing": lambda: "",
    "None": lambda: None,
    "a number": lambda: 42,
    "bytes": lambda: signed().encode(),
}


@pytest.mark.usefixtures("made_ahead_s")
@pytest.mark.parametrize("bend", BENT.values(), ids=BENT.keys())
def test_a_bent_token_is_refused(bend: Callable[[], object]) -> None:
    with pytest.raises(NotAuthenticatedError):
        verify_token(bend())


def test_the_unbent_token_is_accepted_though_its_maker_s_clock_is_a_minute_off(made_ahead_s: int) -> None:
    """The clock was put back by half a minute, and for that long nobody was heard who had just logged in."""
    found = verify_token(signed())
    assert (found.username, found.token_version, found.kind) == ("ada", 1, TokenKind.ACCESS)
    assert abs(found.expires_at - time.time() - 900 - made_ahead_s) < 5


def test_a_token_is_verified_once_and_expires_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each REST request had the signature of its token checked twice, which took 270 µs of a thread and the loop."""
    checked: list[object] = []
    payload = tokens.payload

    def noted(raw: object, kinds: frozenset[str]) -> dict[str, Any]:
        checked.append(raw)
        return payload(raw, kinds)

    monkeypatch.setattr(tokens, "payload", noted)
    token = signed(jti=secrets.token_hex())
    ends_at = verify_token(token).expires_at
    monkeypatch.setattr(authentication, "time", SimpleNamespace(time=lambda: ends_at - 1))
    assert verify_token(token).expires_at == ends_at
    monkeypatch.setattr(authentication, "time", SimpleNamespace(time=lambda: ends_at))
    with pytest.raises(TokenExpiredError):
        verify_token(token)
    assert checked == [token]


def test_a_claim_that_is_missing_or_of_another_type_is_refused_without_another_error() -> None:
    """What only the store knows (is this the account's version? is there such an account?) is not asked here."""
    known_by_the_store = {"an older version", "a later version", "nobody's", "no UUID", "sub: text", "sub: empty"}
    accepted = set()
    for what, token in by_claim(signed(), KEY):
        try:
            verify_token(token)
        except NotAuthenticatedError:
            continue
        accepted.add(what)
    assert accepted <= known_by_the_store | {f"{name}: {kind}" for name in ("sub", "ver") for kind in OTHER_TYPES}
    assert not {f"ver: {kind}" for kind in OTHER_TYPES if kind not in ("a number", "huge")} & accepted


def test_an_expired_token_is_told_from_a_bad_one_only_by_its_own_signature() -> None:
    with pytest.raises(TokenExpiredError):
        verify_token(signed(exp=int(time.time()) - 30))
    with pytest.raises(NotAuthenticatedError) as caught:
        verify_token(signed("k" * 64, exp=int(time.time()) - 30))
    assert not isinstance(caught.value, TokenExpiredError)


@hypothesis_settings(deadline=None)
@given(st.text(max_size=200) | st.text(alphabet="eyJ.-_09aAZ=", max_size=400))
def test_whatever_is_no_token_is_refused_without_another_error(text: str) -> None:
    with pytest.raises(NotAuthenticatedError):
        verify_token(text)


@pytest.mark.django_db
@pytest.mark.parametrize("bend", ["algorithm", "refresh", "expired", "another key", "junk", "no scheme", "basic"])
def test_rest_answers_a_bent_token_with_401_and_says_how_to_do_better(bend: str) -> None:
    user = register("ada")
    subject = str(user.pk)
    header = {
        "algorithm": f"Bearer {without_signature('none')}",
        "refresh": f"Bearer {services.tokens_issue(user)['refresh']}",
        "expired": f"Bearer {signed(sub=subject, exp=1)}",
        "another key": f"Bearer {signed('k' * 64, sub=subject)}",
        "junk": "Bearer junk",
        "no scheme": services.tokens_issue(user)["access"],
        "basic": "Basic YWRhOmFkYQ==",
    }[bend]
    response = Rest().send("GET", "/api/v1/me", Authorization=header)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert response.json()["error"]["code"] == "not_authenticated"


@pytest.mark.django_db
def test_access_and_seed_tokens_both_open_rest() -> None:
    user = register("ada")
    for token in (services.tokens_issue(user)["access"], services.seed_token_issue(user)[0]):
        assert Rest(token).get("/api/v1/me")[1]["username"] == "ada"


@pytest.mark.django_db
def test_a_token_of_a_deleted_account_is_refused() -> None:
    user = register("ada")
    token = verify_token(services.tokens_issue(user)["access"])
    User.objects.filter(pk=user.pk).delete()
    with pytest.raises(NotAuthenticatedError):
        user_for_claims(token)


@pytest.mark.django_db
def test_a_subject_that_is_no_uuid_is_nobody() -> None:
    with pytest.raises(NotAuthenticatedError):
        user_for_claims(verify_token(signed(sub="1 OR 1=1")))


@pytest.mark.django_db
def test_a_disabled_account_is_banned_and_its_tokens_stay_dead_when_it_is_enabled() -> None:
    user = register("ada")
    rest = logged_in(user)
    services.user_disable(user)
    assert rest.get("/api/v1/me")[0] == 403
    with pytest.raises(BannedError):
        services.user_authenticate(username="ada", password="correct horse 7", address="192.0.2.1")
    services.user_enable(user)
    assert rest.get("/api/v1/me")[0] == 401


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer: abc.def", "abc.def"), ("Bearer abc.def", "abc.def"), ("bearer: abc.def", "abc.def"),
        ("abc.def", "abc.def"), ("  Bearer:   abc.def ", "abc.def"),
        ("Bearer:", ""), ("Bearer: ", ""), ("Bearer", ""), ("", ""), ("   ", ""), ("Bearer: a b", "Bearer: a b"),
    ],
)  # fmt: skip
def test_a_seed_client_may_write_the_header_in_three_ways(header: str, token: str) -> None:
    assert token_from_header(header) == token
