"""/api/v1: accounts, tokens, me."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from accounts import services
from reaktor.config.model import Limits, Rate
from tests.support.rest import PASSWORD, Rest, error_code, logged_in, register, set_limits

pytestmark = pytest.mark.django_db
GOOD = {"username": "ada", "password": PASSWORD}


def test_registering_answers_with_the_user_and_tokens_that_work() -> None:
    status, body = Rest().post("/api/v1/accounts", GOOD)
    assert status == 201
    assert set(body) == {"user", "access", "refresh", "expires_at"}
    assert body["user"]["username"] == "ada"
    assert body["expires_at"].endswith("Z")
    own = {"direct_from": "everybody", "email": None, "email_confirmed": False, "email_pending": None}
    assert Rest(body["access"]).get("/api/v1/me") == (200, {**body["user"], **own})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "username"),
        ({"username": "ada"}, "password"),
        ({"username": 123, "password": PASSWORD}, "username"),
        ({"username": "ada", "password": 12345678}, "password"),
        ({"username": ["ada"], "password": PASSWORD}, "username"),
        ({"username": "ada", "password": None}, "password"),
        ({"username": "a b", "password": PASSWORD}, "username"),
        ({"username": " ada", "password": PASSWORD}, "username"),
        ({"username": "System", "password": PASSWORD}, "username"),
        ({"username": "ada", "password": "1234567"}, "password"),
        ({"username": "ada", "password": "qwertyuiop"}, "password"),
        ({"username": "a\x00b", "password": PASSWORD}, "username"),
        ({"username": "ada", "password": "x" * 5000}, "password"),
    ],
)
def test_bad_input_is_answered_with_the_field_that_is_bad(body: Any, field: str) -> None:
    status, answer = Rest().post("/api/v1/accounts", body)
    assert status == 400
    assert error_code(answer) == "invalid"
    assert field in answer["error"]["fields"]


def test_unknown_fields_change_nothing() -> None:
    status, body = Rest().post("/api/v1/accounts", {**GOOD, "is_staff": True, "is_superuser": True, "id": 1})
    assert status == 201
    assert body["user"]["is_staff"] is False


def test_a_taken_name_is_a_conflict() -> None:
    register("Ada")
    status, body = Rest().post("/api/v1/accounts", GOOD)
    assert (status, error_code(body)) == (409, "name_taken")


def test_logging_in_refreshing_and_revoking() -> None:
    register("ada")
    status, first = Rest().post("/api/v1/tokens", GOOD)
    assert status == 200
    status, second = Rest().post("/api/v1/tokens/refresh", {"refresh": first["refresh"]})
    assert (status, second["user"]) == (200, first["user"])
    status, again = Rest().post("/api/v1/tokens/refresh", {"refresh": first["refresh"]})
    assert (status, again["refresh"]) == (200, second["refresh"])
    assert Rest().post("/api/v1/tokens/revoke", {"refresh": second["refresh"]}) == (204, None)
    assert Rest().post("/api/v1/tokens/refresh", {"refresh": second["refresh"]})[0] == 401


def test_a_token_that_came_along_does_not_disturb_logging_in() -> None:
    register("ada")
    assert Rest("expired and forgotten").post("/api/v1/tokens", GOOD)[0] == 200


def test_wrong_credentials_are_401_and_a_disabled_account_403_only_to_its_owner() -> None:
    user = register("ada")
    services.user_disable(user)
    assert Rest().post("/api/v1/tokens", {**GOOD, "password": "wrong"})[0] == 401
    status, body = Rest().post("/api/v1/tokens", GOOD)
    assert (status, error_code(body)) == (403, "banned")


def test_a_banned_account_is_told_why_and_until_when_in_fields() -> None:
    """Clients had a sentence in UTC alone, which none of them could show by its reader's clock."""
    user = register("ada")
    until = datetime(2100, 1, 2, 3, 4, 5, tzinfo=UTC)
    services.user_ban(user, until=until, reason="spam")
    terms = {"reason": "spam", "until": "2100-01-02T03:04:05.000Z", "is_everywhere": True}
    status, body = Rest().post("/api/v1/tokens", GOOD)
    assert status == 403
    message = "This account is banned until 2100-01-02 03:04 UTC: spam"
    assert body["error"] == {"code": "banned", "message": message, **terms}
    services.user_ban(user, until=None)
    _, body = Rest().post("/api/v1/tokens", GOOD)
    assert {name: body["error"][name] for name in terms} == {"reason": "", "until": None, "is_everywhere": True}


def test_too_many_logins_are_answered_with_when_to_come_back() -> None:
    register("ada")
    set_limits(Limits(login=Rate(1, 60)))
    rest = Rest()
    rest.post("/api/v1/tokens", GOOD)
    response = rest.send("POST", "/api/v1/tokens", GOOD)
    assert response.status_code == 429
    assert 1 <= int(response["Retry-After"]) <= 60
    assert response.json()["error"]["retry_after"] <= 60
    assert Rest(address="198.51.100.1").post("/api/v1/tokens", GOOD)[0] == 200


def test_registrations_are_limited_per_address() -> None:
    set_limits(Limits(register=Rate(1, 600)))
    assert Rest().post("/api/v1/accounts", GOOD)[0] == 201
    assert Rest().post("/api/v1/accounts", {**GOOD, "username": "bob"})[0] == 429
    assert Rest(address="198.51.100.1").post("/api/v1/accounts", {**GOOD, "username": "bob"})[0] == 201


def test_limits_can_be_switched_off() -> None:
    set_limits(Limits(enabled=False, login=Rate(1, 60), register=Rate(1, 60)))
    register("ada")
    assert {Rest().post("/api/v1/tokens", GOOD)[0] for _ in range(3)} == {200}


def test_logging_out_everywhere_ends_the_very_token_it_was_asked_with() -> None:
    rest = logged_in(register("ada"))
    assert rest.post("/api/v1/tokens/revoke-all") == (204, None)
    assert rest.get("/api/v1/me")[0] == 401


def test_a_password_is_changed_by_who_knows_the_old_one() -> None:
    rest = logged_in(register("ada"))
    assert rest.post("/api/v1/me/password", {"old": "wrong", "new": "another fine 9"})[0] == 403
    assert rest.post("/api/v1/me/password", {"old": PASSWORD, "new": "another fine 9"}) == (204, None)
    assert rest.get("/api/v1/me")[0] == 401
    assert Rest().post("/api/v1/tokens", {"username": "ada", "password": "another fine 9"})[0] == 200


def test_an_account_may_be_renamed_but_nothing_else_of_it_changed() -> None:
    register("bob")
    rest = logged_in(register("ada"))
    assert rest.patch("/api/v1/me", {"username": "Lovelace", "is_staff": True})[1]["username"] == "Lovelace"
    assert rest.get("/api/v1/me")[1]["is_staff"] is False
    assert rest.patch("/api/v1/me", {}) == rest.get("/api/v1/me")
    assert rest.patch("/api/v1/me", {"username": "BOB"})[0] == 409
    assert rest.patch("/api/v1/me", {"username": "x"})[0] == 400


def test_renaming_oneself_does_not_list_the_names_that_exist() -> None:
    """Each attempt counts, refused ones too: else 192 names a second could be asked for."""
    register("bob")
    rest = logged_in(register("ada"))
    answers = [rest.patch("/api/v1/me", {"username": "bob"})[0] for _ in range(12)]
    assert answers == [409] * 10 + [429] * 2


def test_without_a_token_there_is_no_me() -> None:
    for method, path in (("GET", "me"), ("PATCH", "me"), ("POST", "me/password"), ("POST", "tokens/revoke-all")):
        status, body = Rest()(method, f"/api/v1/{path}", {})
        assert (status, error_code(body)) == (401, "not_authenticated")


def test_whose_first_message_reaches_one_is_chosen_among_three() -> None:
    rest = logged_in(register("ada"))
    status, me = rest.patch("/api/v1/me", {"direct_from": "nobody"})
    assert (status, me["direct_from"], me["username"]) == (200, "nobody", "ada")
    assert rest.get("/api/v1/me") == (200, me)
    status, refused = rest.patch("/api/v1/me", {"direct_from": "friends"})
    assert (status, list(refused["error"]["fields"])) == (400, ["direct_from"])
