"""App passwords: what they open and what not, and that everything that came by one ends with it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from accounts import app_passwords, services
from accounts.authentication import verify_token
from accounts.models import AppPassword, EndedLogin, User
from chat.models import AuditEntry
from reaktor.errors import ConflictError
from tests.accounts.test_admin import act, staff
from tests.accounts.test_logging_in import at_once
from tests.support.factors import log_in, make_app_password, seed_log_in, set_up
from tests.support.rest import PASSWORD, Rest, error_code, logged_in, register

pytestmark = pytest.mark.django_db
PATH = "/api/v1/me/app-passwords"


@pytest.fixture
def ada() -> User:
    return register("ada")


def seed_token(name: str, password: str) -> str:
    status, body = seed_log_in(name, password)
    assert status == 200, body
    return str(body["token"])


def is_good(token: str) -> bool:
    return Rest(token).get("/channels")[0] == 200


def test_it_is_made_by_the_server_shown_once_and_stored_as_a_digest(ada: User) -> None:
    rest = logged_in(ada)
    made = make_app_password(rest, "Old phone")
    assert re.fullmatch(r"([a-z2-7]{4}-){7}[a-z2-7]{4}", made["password"])
    listed = {name: made[name] for name in ("id", "name", "created_at", "last_used_at")}
    assert rest.get(PATH) == (200, {"results": [listed], "next": None})
    stored = AppPassword.objects.get()
    assert made["password"].replace("-", "") not in str(vars(stored))
    assert make_app_password(rest)["password"] != made["password"]


def test_making_one_asks_for_the_password_and_a_name(ada: User) -> None:
    rest = logged_in(ada)
    for given in ({}, {"name": "x"}, {"password": PASSWORD}, {"name": " ", "password": PASSWORD}):
        assert rest.post(PATH, given)[0] == 400
    assert rest.post(PATH, {"name": "x" * 65, "password": PASSWORD})[0] == 400
    status, body = rest.post(PATH, {"name": "x", "password": "wrong"})
    assert (status, body["error"]["fields"]) == (403, {"password": "wrong"})
    assert not AppPassword.objects.exists()


def test_an_old_client_logs_in_with_it_however_it_is_typed(ada: User) -> None:
    set_up(logged_in(ada), ada)
    made = make_app_password(logged_in(ada))["password"]
    for typed in (made, made.upper(), made.replace("-", ""), made.replace("-", " ")):
        token = seed_token("Ada", typed)
        assert is_good(token)
    assert logged_in(ada).get(PATH)[1]["results"][0]["last_used_at"] is not None
    register("bob")
    assert seed_log_in("bob", made)[0] == 401
    assert seed_log_in("nobody", made)[0] == 401


def test_it_opens_the_seed_s_log_in_alone(ada: User) -> None:
    made = make_app_password(logged_in(ada))["password"]
    assert log_in("ada", password=made)[0] == 401
    rest = logged_in(ada)
    assert rest("DELETE", "/api/v1/me", {"password": made})[0] == 403
    assert rest.post("/api/v1/me/password", {"old": made, "new": "staple in a stable"})[0] == 403
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    answer = Client().post("/admin/login/?next=/admin/", {"username": "ada", "password": made})
    assert answer.status_code == 200, "the admin let it in"


def test_who_came_by_one_changes_nothing_that_asks_for_the_password(ada: User) -> None:
    """Who found the old phone, and knew the password, would have made themselves at home without any code."""
    set_up(logged_in(ada), ada)
    made = make_app_password(logged_in(ada))
    rest = Rest(seed_token("ada", made["password"]))
    _, found = logged_in(ada).post("/api/v1/me/second-factor/recovery-codes", {"password": PASSWORD})
    code = found["recovery_codes"][0]
    asked: list[tuple[str, str, Any]] = [
        ("DELETE", "/api/v1/me", {"password": PASSWORD}),
        ("POST", "/api/v1/me/password", {"old": PASSWORD, "new": "staple in a stable"}),
        ("POST", PATH, {"name": "another", "password": PASSWORD}),
        ("POST", "/api/v1/me/second-factor", {"password": PASSWORD}),
        ("POST", "/api/v1/me/second-factor/confirm", {"code": code}),
        ("POST", "/api/v1/me/second-factor/recovery-codes", {"password": PASSWORD}),
        ("POST", "/api/v1/me/second-factor/recovery-codes", {"code": code}),
        ("DELETE", "/api/v1/me/second-factor", {"password": PASSWORD, "code": code}),
    ]
    for method, path, body in asked:
        status, answer = rest(method, path, body)
        assert (status, error_code(answer)) == (403, "forbidden"), path
        assert "app password" in answer["error"]["message"]
    assert log_in("ada", code)[0] == 200, "no code was spent"
    assert rest.get("/api/v1/me")[0] == 200


def test_revoking_one_ends_its_tokens_and_no_others(
    ada: User, said: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    rest = logged_in(ada)
    phone, tablet = make_app_password(rest, "phone"), make_app_password(rest, "tablet")
    tokens = [seed_token("ada", phone["password"]) for _ in range(2)]
    other = seed_token("ada", tablet["password"])
    assert len({verify_token(token).login for token in tokens}) == 1
    said.clear()
    with django_capture_on_commit_callbacks(execute=True):
        assert rest.delete(f"{PATH}/{phone['id']}") == (204, None)
    (order,) = said
    assert order[1:] == (
        "orders.end_login",
        {
            "user_id": str(ada.pk), "login": str(verify_token(tokens[0]).login), "code": 4503,
            "reason": "app password revoked",
        },
    )  # fmt: skip
    assert [is_good(token) for token in (*tokens, other)] == [False, False, True]
    assert seed_log_in("ada", phone["password"])[0] == 401
    assert [each["name"] for each in rest.get(PATH)[1]["results"]] == ["tablet"]
    assert is_good(str(rest.headers["Authorization"]).removeprefix("Bearer "))


def test_one_s_own_alone_is_revoked(ada: User) -> None:
    made = make_app_password(logged_in(ada))
    bob = logged_in(register("bob"))
    for wanted in (made["id"], "01af2b6c-7d10-7c3e-8a55-3f1d2e4b5a70", "x", "%00"):
        status, body = bob.delete(f"{PATH}/{wanted}")
        assert (status, error_code(body)) == (404, "not_found")
    assert bob.get(PATH)[1]["results"] == []
    assert AppPassword.objects.count() == 1


def test_logging_out_one_of_its_sessions_leaves_the_app_password_good(ada: User) -> None:
    """Else the password was there, and whatever it opened was dead."""
    made = make_app_password(logged_in(ada))
    first = seed_token("ada", made["password"])
    services.login_end(ada, login=verify_token(first).login)
    assert not is_good(first)
    assert is_good(seed_token("ada", made["password"]))


def test_another_password_takes_them_along_and_logging_out_everywhere_does_not(ada: User) -> None:
    made = make_app_password(logged_in(ada))["password"]
    token = seed_token("ada", made)
    services.tokens_revoke_all(ada)
    assert not is_good(token)
    again = seed_token("ada", made)
    services.password_change(User.objects.get(pk=ada.pk), PASSWORD, "staple in a stable")
    assert not is_good(again)
    assert seed_log_in("ada", made)[0] == 401
    assert not AppPassword.objects.exists()


def test_a_banned_account_is_told_so(ada: User) -> None:
    made = make_app_password(logged_in(ada))["password"]
    services.user_ban(ada, until=None, reason="spam")
    status, body = seed_log_in("ada", made)
    assert (status, body["code"]) == (403, "banned")


def test_guessing_app_passwords_has_to_wait(ada: User) -> None:
    made = make_app_password(logged_in(ada))["password"]
    for _ in range(10):
        assert seed_log_in("ada", f"{'abcd-' * 7}efgh")[0] == 401
    assert seed_log_in("ada", made)[0] == 429


def test_an_account_has_twenty_at_most(ada: User) -> None:
    rest = logged_in(ada)
    for number in range(20):
        AppPassword.objects.create(user=ada, name=str(number), digest=str(number))
    status, body = rest.post(PATH, {"name": "x", "password": PASSWORD})
    assert (status, error_code(body)) == (409, "conflict")
    oldest = rest.get(PATH)[1]["results"][0]
    assert rest.delete(f"{PATH}/{oldest['id']}")[0] == 204
    make_app_password(rest)


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_of_two_that_are_made_at_once_the_second_counts_the_first() -> None:
    ada = register("ada")
    for number in range(19):
        AppPassword.objects.create(user=ada, name=str(number), digest=str(number))
    make = lambda: app_passwords.app_password_create(ada, name="x", password=PASSWORD)  # noqa: E731
    assert at_once(make, make) == ["", ConflictError.code.value]
    assert AppPassword.objects.count() == 20


def test_staff_have_none_and_lose_theirs(ada: User) -> None:
    mia = register("mia", is_staff=True)
    status, body = logged_in(mia).post(PATH, {"name": "x", "password": PASSWORD})
    assert (status, error_code(body)) == (403, "forbidden")
    made = make_app_password(logged_in(ada))
    token = seed_token("ada", made["password"])
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    assert not is_good(token), "what came by it gave the rights of staff"
    status, body = seed_log_in("ada", made["password"])
    assert (status, body["code"]) == (403, "forbidden")
    assert "Staff" in body["error"]


def test_making_somebody_staff_in_the_admin_revokes_theirs(ada: User) -> None:
    made = make_app_password(logged_in(ada))
    boss = staff("boss", is_superuser=True)
    page = f"/admin/accounts/user/{ada.pk}/change/"
    fields = {"username": "ada", "is_staff": "on", "_save": "Save"}
    assert boss.post(page, fields).status_code == 302
    assert User.objects.get(pk=ada.pk).is_staff
    assert not AppPassword.objects.exists()
    assert seed_log_in("ada", made["password"])[0] == 401


def test_superusers_see_what_they_are_called_and_revoke_them_and_nobody_else_does(ada: User) -> None:
    made = make_app_password(logged_in(ada), "Old <phone>")
    token = seed_token("ada", made["password"])
    page = f"/admin/accounts/user/{ada.pk}/change/"
    boss, moderator = staff("boss", is_superuser=True), staff()
    assert b"Old &lt;phone&gt;" in boss.get(page).content
    assert b"Old &lt;phone&gt;" not in moderator.get(page).content
    moderator.post("/admin/accounts/user/", {"action": "revoke_app_passwords", "_selected_action": [str(ada.pk)]})
    assert is_good(token)
    for _ in range(2):
        act(boss, "revoke_app_passwords", ada)
    assert not is_good(token)
    assert not AppPassword.objects.exists()
    (entry,) = AuditEntry.objects.filter(action="app_passwords.revoke")
    assert (entry.actor, entry.target) == ("boss", "ada")


def test_the_export_names_them_and_holds_no_secret(ada: User) -> None:
    made = make_app_password(logged_in(ada), "Old phone")
    stored = AppPassword.objects.get()
    response = logged_in(ada).send("GET", "/api/v1/me/export")
    listed = response.json()["app_passwords"]
    assert listed == [{"name": "Old phone", "created_at": made["created_at"], "last_used_at": None}]
    for secret in (made["password"], stored.digest, str(stored.login)):
        assert secret not in response.content.decode()


def test_deleting_the_account_deletes_them_and_the_second_factor(ada: User) -> None:
    rest = logged_in(ada)
    set_up(rest, ada)
    token = seed_token("ada", make_app_password(rest)["password"])
    assert rest("DELETE", "/api/v1/me", {"password": PASSWORD}) == (204, None)
    assert not AppPassword.objects.exists()
    gone = User.objects.get(pk=ada.pk)
    assert not gone.totpdevice_set.exists()
    assert not gone.staticdevice_set.exists()
    assert not is_good(token)
    assert not EndedLogin.objects.exists()
