"""Registering, logging in, tokens and passwords, against a real database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import bcrypt
import pytest
from django.db import connection
from django.db.models.functions import Lower
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts import services, tokens
from accounts.authentication import user_for_claims, verify_token
from accounts.expired import expired_clear
from accounts.hashers import ImportedBcryptHasher
from accounts.models import EndedLogin, RefreshFamily, User
from reaktor.errors import (
    BannedError,
    CloseCode,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NameTakenError,
    NotAuthenticatedError,
    RateLimitedError,
)
from tests.support.rest import PASSWORD, register
from tests.support.threads import at_once

pytestmark = pytest.mark.django_db


def log_in(username: str, password: str = PASSWORD) -> User:
    return services.user_authenticate(username=username, password=password, address="192.0.2.1")


@pytest.mark.parametrize("name", ["ab", "a" * 33, "a b", "é" * 3, "ada\n", "", "ada-1", "a\x00b", "аda"])
def test_names_that_are_no_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidError) as caught:
        services.user_register(username=name, password=PASSWORD, strict=False)
    assert "username" in (caught.value.fields or {})


@pytest.mark.parametrize("name", ["System", "You", "sYSTEM", "you"])
def test_reserved_names_are_refused_in_any_case(name: str) -> None:
    with pytest.raises(InvalidError):
        services.user_register(username=name, password=PASSWORD, strict=True)


@pytest.mark.parametrize("name", ["constructor", "toString", "undefined", "null", "123", "__proto__".strip("_")])
def test_names_that_confused_the_original_are_names_like_any_other(name: str) -> None:
    assert log_in(register(name).username).username == name


def test_a_name_is_taken_whatever_its_case() -> None:
    register("Ada")
    with pytest.raises(NameTakenError):
        services.user_register(username="aDA", password=PASSWORD, strict=True)


@pytest.mark.parametrize("password", ["1234567", "qwertyuiop", "12345678", "adalovelace", "x" * 1025])
def test_a_weak_or_endless_password_is_refused_and_never_repeated(password: str) -> None:
    with pytest.raises(InvalidError) as caught:
        services.user_register(username="adalovelace", password=password, strict=True)
    assert password not in str(caught.value.as_data())


def test_the_seed_contract_takes_six_characters() -> None:
    services.user_register(username="ada", password="123456", strict=False)
    with pytest.raises(InvalidError):
        services.user_register(username="bob", password="12345", strict=False)


def test_passwords_are_stored_as_argon2_and_any_text_is_one() -> None:
    password = "päss\x00wörd 🔑 " + "x" * 200
    user = services.user_register(username="ada", password=password, strict=False)
    assert user.password.startswith("argon2")
    assert log_in("ada", password).pk == user.pk
    with pytest.raises(NotAuthenticatedError):
        log_in("ada", password[:-1])


def test_an_administrator_whom_somebody_else_makes_this_moment_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, is_new = services.administrator_ensure(username="root", password=PASSWORD)
    assert (is_new, first.is_superuser) == (True, True)
    found, real = [None], services.user_named
    monkeypatch.setattr(services, "user_named", lambda name: found.pop() if found else real(name))
    again, is_new = services.administrator_ensure(username="Root", password=PASSWORD)
    assert (again.pk, is_new) == (first.pk, False)


def test_an_imported_password_whose_hash_is_broken_opens_nothing() -> None:
    user = User.objects.create(username="olduser", password="bcrypt_imported$no hash")
    assert not user.check_password("secret1")
    hasher = ImportedBcryptHasher()
    encoded = hasher.encode("secret1", bcrypt.gensalt(4).decode())
    assert hasher.verify("secret1", encoded)
    assert "secret1" not in str(hasher.safe_summary(encoded))
    assert encoded.rsplit("$", 1)[1] not in str(hasher.safe_summary(encoded))


@pytest.mark.parametrize("name", ["nobody", "a b", "x\x00y", "", "A" * 5000])
def test_an_unknown_name_and_a_wrong_password_are_told_in_the_same_words(name: str) -> None:
    register("ada")
    with pytest.raises(NotAuthenticatedError) as unknown:
        log_in(name)
    with pytest.raises(NotAuthenticatedError) as wrong:
        log_in("ada", "wrong password")
    assert unknown.value.as_data() == wrong.value.as_data()


def test_an_unknown_name_costs_as_many_hashes_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.hashers import QuickArgon2Hasher

    register("ada")
    hashed: list[str] = []
    encode, verify = QuickArgon2Hasher.encode, QuickArgon2Hasher.verify
    monkeypatch.setattr(QuickArgon2Hasher, "encode", lambda *args: hashed.append("hash") or encode(*args))
    monkeypatch.setattr(QuickArgon2Hasher, "verify", lambda *args: hashed.append("hash") or verify(*args))
    for name in ("nobody", "ada"):
        hashed.clear()
        with pytest.raises(NotAuthenticatedError):
            log_in(name, "wrong password")
        assert hashed == ["hash"]


def test_an_imported_bcrypt_hash_opens_the_account_and_becomes_argon2_at_the_first_login() -> None:
    imported = bcrypt.hashpw(b"secret1", bcrypt.gensalt(4)).decode()
    User.objects.create(username="olduser", password=f"bcrypt_imported${imported}")
    with pytest.raises(NotAuthenticatedError):
        log_in("olduser", "secret2")
    log_in("olduser", "secret1")
    assert User.objects.get(username="olduser").password.startswith("argon2")
    log_in("olduser", "secret1")


def test_the_eleventh_login_in_a_minute_is_refused_even_with_the_right_password() -> None:
    register("ada")
    register("bob")
    for _ in range(10):
        with pytest.raises(NotAuthenticatedError):
            log_in("ada", "guess")
    with pytest.raises(RateLimitedError) as caught:
        log_in("ADA")
    assert 0 < (caught.value.retry_after_s or 0) <= 60
    log_in("bob")
    # The owner, elsewhere, is not locked out by who guesses.
    services.user_authenticate(username="ada", password=PASSWORD, address="198.51.100.7")


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """So much time has passed for whoever refreshes."""
    monkeypatch.setattr(services.timezone, "now", lambda: datetime.now(UTC) + timedelta(seconds=seconds))


def test_a_refresh_whose_answer_was_lost_is_answered_alike_when_it_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A train went into a tunnel while its passenger's tab refreshed; half a minute later the tab was logged out."""
    pair = services.tokens_issue(register("ada"))
    lost = services.tokens_refresh(pair["refresh"])
    assert lost["refresh"] != pair["refresh"]
    for seconds in (1, 30, 59):
        later(monkeypatch, seconds)
        assert services.tokens_refresh(pair["refresh"])["refresh"] == lost["refresh"]
    user_for_claims(verify_token(services.tokens_refresh(pair["refresh"])["access"]))
    assert services.tokens_refresh(lost["refresh"])["user"]["username"] == "ada"


def test_a_tab_that_is_late_gets_the_token_that_is_good_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tabs without locks: the slow one stored the token before last over the newest, and both were logged out."""
    first = services.tokens_issue(register("ada"))["refresh"]
    second = services.tokens_refresh(first)["refresh"]
    third = services.tokens_refresh(second)["refresh"]
    assert services.tokens_refresh(first)["refresh"] == third
    later(monkeypatch, 600)
    assert services.tokens_refresh(third)["refresh"] not in {first, second, third}


def test_a_replaced_refresh_token_that_comes_late_ends_the_whole_log_in(
    monkeypatch: pytest.MonkeyPatch, said: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    """A thief who used a copied refresh token kept the log-in when its owner came later and was refused."""
    user = register("ada")
    other = services.tokens_issue(user)
    pair = services.tokens_issue(user)
    stolen = services.tokens_refresh(pair["refresh"])
    later(monkeypatch, 61)
    with django_capture_on_commit_callbacks(execute=True), pytest.raises(NotAuthenticatedError):
        services.tokens_refresh(pair["refresh"])
    for token in (stolen["refresh"], pair["refresh"]):
        with pytest.raises(NotAuthenticatedError):
            services.tokens_refresh(token)
    with pytest.raises(NotAuthenticatedError):
        user_for_claims(verify_token(stolen["access"]))
    ((group, kind, body),) = said
    assert (group, kind, body["code"]) == ("orders", "orders.end_login", CloseCode.LOGGED_OUT)
    assert body["login"] == str(verify_token(pair["access"]).login)
    assert services.tokens_refresh(other["refresh"])["user"]["username"] == "ada"


def test_after_a_log_out_no_token_of_the_log_in_is_repeated() -> None:
    """A lost answer, then a log-out: the token that nobody had received would have been handed out once more."""
    pair = services.tokens_issue(register("ada"))
    lost = services.tokens_refresh(pair["refresh"])
    services.tokens_revoke(pair["refresh"])
    for token in (pair["refresh"], lost["refresh"]):
        with pytest.raises(NotAuthenticatedError):
            services.tokens_refresh(token)


def test_a_token_that_the_version_before_had_replaced_stays_dead() -> None:
    user = register("ada")
    pair = services.tokens_issue(user)
    claims = tokens.payload(pair["refresh"], tokens.REFRESH_ONLY)
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    row = OutstandingToken.objects.create(user=user, jti=claims["jti"], token="", expires_at=expires_at)
    BlacklistedToken.objects.create(token=row)
    with pytest.raises(NotAuthenticatedError):
        services.tokens_refresh(pair["refresh"])


def test_no_usable_refresh_token_lies_in_the_database() -> None:
    pair = services.tokens_issue(register("ada"))
    answer = services.tokens_refresh(pair["refresh"])
    (row,) = RefreshFamily.objects.all()
    for token in (pair["refresh"], answer["refresh"]):
        assert token.rsplit(".", 1)[1] not in f"{row.current} {row.replaced}"


def test_rows_about_tokens_that_have_expired_are_cleared_away_and_no_others() -> None:
    """A server that never forgets: a row for every log-in since it was first started."""
    user = register("ada")
    pair, ended = services.tokens_issue(user), services.tokens_issue(user)
    services.tokens_refresh(pair["refresh"])
    services.login_end(user, login=verify_token(ended["access"]).login)
    assert set(expired_clear(timezone.now()).values()) == {0}
    assert (RefreshFamily.objects.count(), EndedLogin.objects.count()) == (1, 1)
    assert sum(expired_clear(timezone.now() + timedelta(days=31)).values()) == 2
    assert (RefreshFamily.objects.count(), EndedLogin.objects.count()) == (0, 0)


def test_an_access_token_buys_nothing() -> None:
    pair = services.tokens_issue(register("ada"))
    with pytest.raises(NotAuthenticatedError):
        services.tokens_refresh(pair["access"])


def test_a_revoked_refresh_token_is_dead_and_revoking_again_is_no_error() -> None:
    pair = services.tokens_issue(register("ada"))
    for token in (pair["refresh"], pair["refresh"], "junk", pair["access"]):
        services.tokens_revoke(token)
    with pytest.raises(NotAuthenticatedError):
        services.tokens_refresh(pair["refresh"])


Ending = Callable[[User], object]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (services.tokens_revoke_all, CloseCode.LOGGED_OUT),
        (lambda user: services.password_change(user, PASSWORD, "another fine 9"), CloseCode.LOGGED_OUT),
        (services.user_disable, CloseCode.BANNED),
    ],
    ids=["log-out everywhere", "password change", "ban"],
)
def test_every_token_ends_at_once_and_the_bus_hears_it_after_the_commit(
    end: Ending, code: CloseCode, said: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    user = register("ada")
    pair, (seed, _) = services.tokens_issue(user), services.seed_token_issue(user)
    with django_capture_on_commit_callbacks(execute=True):
        end(user)
        assert said == []
    (heard,) = said
    assert heard[:2] == ("orders", "orders.end_sessions")
    assert (heard[2]["user_id"], heard[2]["code"]) == (str(user.pk), code)
    for token in (pair["access"], seed):
        with pytest.raises((NotAuthenticatedError, BannedError)):
            user_for_claims(verify_token(token))
    with pytest.raises((NotAuthenticatedError, BannedError)):
        services.tokens_refresh(pair["refresh"])


def test_a_password_that_was_changed_meanwhile_is_not_changed_again(said: list[Any]) -> None:
    stale = register("ada")
    User.objects.filter(pk=stale.pk).update(password="changed meanwhile")
    with pytest.raises(ConflictError):
        services.password_change(stale, PASSWORD, "another fine 9")
    assert said == []
    assert User.objects.get(pk=stale.pk).token_version == stale.token_version


def test_a_new_password_replaces_the_old_one() -> None:
    user = register("ada")
    with pytest.raises(ForbiddenError) as wrong:
        services.password_change(user, "wrong", "another fine 9")
    assert wrong.value.fields == {"old": "wrong"}
    with pytest.raises(InvalidError) as weak:
        services.password_change(user, PASSWORD, "12345678")
    assert set(weak.value.fields or {}) == {"new"}
    services.password_change(user, PASSWORD, "another fine 9")
    log_in("ada", "another fine 9")
    with pytest.raises(NotAuthenticatedError):
        log_in("ada")


def test_a_renamed_account_keeps_its_tokens_and_its_sessions_are_told_to_come_back(
    said: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    user = register("ada")
    register("bob")
    token = services.tokens_issue(user)["access"]
    with pytest.raises(NameTakenError):
        services.user_rename(User.objects.get(pk=user.pk), username="BOB")
    with django_capture_on_commit_callbacks(execute=True):
        services.user_rename(user, username="Lovelace")
    assert user_for_claims(verify_token(token)).username == "Lovelace"
    assert [kind for _, kind, _ in said] == ["orders.renamed", "orders.end_sessions"]
    assert said[0][2] == {"old": "ada", "new": "Lovelace"}
    assert said[1][2]["code"] == CloseCode.RESYNC_NEEDED


@pytest.mark.django_db(transaction=True)
def test_of_many_who_register_one_name_at_once_one_wins() -> None:
    names = ["Racer", "racer", "RACER", "rAcer"]
    results = at_once(
        *[partial(services.user_register, username=name, password=PASSWORD, strict=False) for name in names]
    )
    assert sorted(type(result).__name__ for result in results) == ["NameTakenError"] * 3 + ["User"]
    assert User.objects.filter(username__iexact="racer").count() == 1


@pytest.mark.django_db(transaction=True)
def test_all_who_use_one_refresh_token_at_once_get_the_same() -> None:
    """Tabs of one browser: one of them was lucky, the others logged it out."""
    pair = services.tokens_issue(register("ada"))
    answers = at_once(*[lambda: services.tokens_refresh(pair["refresh"])["refresh"]] * 4)
    assert len(answers) == 4
    assert len(set(answers)) == 1


def test_finding_a_name_uses_the_index_on_its_folded_form() -> None:
    query = User.objects.annotate(folded=Lower("username")).filter(folded="ada")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # or it reads three rows one by one, rightly
            cursor.execute("SET LOCAL enable_seqscan = off")
    assert "user_username_folded" in query.explain()
