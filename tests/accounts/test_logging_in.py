"""A second factor of one's own: set up, asked for at each log-in, removed; and what goes round it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import second_factor, services
from accounts.limits import CODE
from accounts.models import User
from accounts.second_factor import BEGUN_LASTS
from chat.models import AuditEntry
from reaktor.errors import ReaktorError
from tests.support.factors import code_of, forget_used_codes, log_in, make_app_password, seed_log_in, set_up, wrong_code
from tests.support.rest import PASSWORD, Rest, error_code, logged_in, register

pytestmark = pytest.mark.django_db
PATH = "/api/v1/me/second-factor"
GIVEN = {"password": PASSWORD}


@pytest.fixture
def ada() -> User:
    return register("ada")


def required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps.get_app_config("accounts"), "requires_second_factor", True)


def test_it_is_set_up_with_the_password_and_a_code_of_the_app(ada: User) -> None:
    rest = logged_in(ada)
    none = {"is_set_up": False, "is_required": False, "recovery_codes_left": 0}
    assert rest.get(PATH) == (200, none)
    status, body = rest.post(PATH, {"password": "wrong"})
    assert (status, error_code(body), body["error"]["fields"]) == (403, "forbidden", {"password": "wrong"})
    status, begun = rest.post(PATH, GIVEN)
    assert status == 200
    assert begun["url"].startswith("otpauth://totp/Reaktor%3Aada?secret=" + begun["secret"])
    assert begun["qr_code"].startswith("data:image/svg+xml")
    assert rest.post(PATH, GIVEN)[1]["secret"] == begun["secret"]
    assert rest.get(PATH) == (200, none)
    status, body = rest.post(f"{PATH}/confirm", {"code": wrong_code(begun["secret"])})
    assert (status, body["error"]["fields"]) == (403, {"code": "wrong"})
    assert log_in("ada")[0] == 200, "nothing is asked for before it is confirmed"
    status, made = rest.post(f"{PATH}/confirm", {"code": code_of(begun["secret"])})
    assert (status, len(set(made["recovery_codes"]))) == (200, 10)
    assert rest.get(PATH)[1] == {"is_set_up": True, "is_required": False, "recovery_codes_left": 10}
    for path, given in ((PATH, GIVEN), (f"{PATH}/confirm", {"code": code_of(begun["secret"])})):
        status, body = rest.post(path, given)
        assert (status, error_code(body)) == (409, "conflict")


def test_a_secret_that_was_begun_long_ago_is_not_taken_up_again(ada: User) -> None:
    """Whoever had once seen it, on a screen that was left open, knew the codes that its owner confirmed later."""
    rest = logged_in(ada)
    secret = rest.post(PATH, GIVEN)[1]["secret"]
    TOTPDevice.objects.update(created_at=timezone.now() - BEGUN_LASTS)
    assert rest.post(PATH, GIVEN)[1]["secret"] != secret
    assert TOTPDevice.objects.count() == 1


def test_logging_in_asks_for_a_code_and_takes_each_once(ada: User) -> None:
    secret, codes = set_up(logged_in(ada), ada)
    status, body = log_in("ada")
    assert (status, error_code(body)) == (401, "second_factor_required")
    assert error_code(log_in("ada", "")[1]) == "second_factor_required"
    status, body = log_in("ada", wrong_code(secret))
    assert (status, error_code(body), body["error"]["fields"]) == (401, "not_authenticated", {"code": "wrong"})
    shown = code_of(secret)
    status, pair = log_in("ada", f"{shown[:3]} {shown[3:]}")
    assert (status, pair["user"]["username"]) == (200, "ada")
    assert error_code(log_in("ada", shown)[1]) == "not_authenticated"
    # Without a code for who is in already.
    status, fresh = Rest().post("/api/v1/tokens/refresh", {"refresh": pair["refresh"]})
    assert (status, Rest(fresh["access"]).get("/api/v1/me")[0]) == (200, 200)
    for given in (codes[0], codes[1].upper(), codes[2].replace("-", " ")):
        answers = [log_in("ada", given, address="198.51.100.1")[0] for _ in range(2)]
        assert answers == [200, 401]
    assert logged_in(ada).get(PATH)[1]["recovery_codes_left"] == 7


def test_a_code_is_asked_for_only_after_the_right_password(ada: User) -> None:
    secret, codes = set_up(logged_in(ada), ada)
    for code in (None, code_of(secret), codes[0]):
        status, body = log_in("ada", code, password="wrong")
        assert (status, error_code(body)) == (401, "not_authenticated")
        assert body == log_in("nobody", code, password="wrong")[1]
    assert log_in("ada", codes[0])[0] == 200, "a wrong password spends no code"


def test_a_wrong_password_costs_the_same_with_and_without_a_second_factor(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the time would tell whose account is worth it."""
    register("bob")
    set_up(logged_in(ada), ada)
    make_app_password(logged_in(ada))
    hashed: list[str] = []
    real = services.app().hashing.verify
    monkeypatch.setattr(services.app().hashing, "verify", lambda *given: hashed.append("once") or real(*given))
    for ask in (lambda name: log_in(name, password="wrong"), lambda name: seed_log_in(name, "wrong one")):
        costs = []
        for name in ("ada", "bob"):
            hashed.clear()
            with CaptureQueriesContext(
                connection,
            ) as asked:
                assert ask(name)[0] == 401
            costs.append((len(asked), len(hashed)))
        assert costs[0] == costs[1]


def test_asking_without_a_code_counts_as_an_attempt_of_that_name_from_there(ada: User) -> None:
    _, codes = set_up(logged_in(ada), ada)
    for _ in range(10):
        assert log_in("ada")[0] == 401
    assert log_in("ada", codes[0])[0] == 429
    assert log_in("ada", codes[0], address="198.51.100.1")[0] == 200


def test_those_who_log_in_rightly_do_not_keep_their_neighbours_waiting(ada: User) -> None:
    """Sixty people of one school with a second factor logged in, and the address had to wait for a minute."""
    set_up(logged_in(ada), ada)
    for number in range(60):
        people = register(f"ada{number}")
        TOTPDevice.objects.create(user=people, confirmed=True)
        assert error_code(log_in(people.username)[1]) == "second_factor_required"
    register("bob")
    assert log_in("bob")[0] == 200


def test_guessing_codes_has_to_wait_from_anywhere_and_leaves_the_recovery_codes_to_the_owner(ada: User) -> None:
    secret, codes = set_up(logged_in(ada), ada)
    for number in range(CODE.free + 1):
        assert log_in("ada", wrong_code(secret), address=f"198.51.100.{number}")[0] == 401
    status, body = log_in("ada", code_of(secret), address="203.0.113.9")
    assert (status, error_code(body)) == (429, "rate_limited")
    assert log_in("ada", codes[0])[0] == 200


def test_new_recovery_codes_come_for_the_password_or_a_code_and_end_the_old(ada: User) -> None:
    rest = logged_in(ada)
    path = f"{PATH}/recovery-codes"
    assert error_code(rest.post(path, GIVEN)[1]) == "conflict"
    secret, codes = set_up(rest, ada)
    assert rest.post(path, {})[0] == 400
    for given in ({"password": "wrong"}, {"code": wrong_code(secret)}):
        status, body = rest.post(path, given)
        assert (status, list(body["error"]["fields"].values())) == (403, ["wrong"])
    status, second = rest.post(path, GIVEN)
    assert status == 200
    assert log_in("ada", codes[0])[0] == 401
    status, third = rest.post(path, {"code": second["recovery_codes"][0]})
    assert status == 200
    assert log_in("ada", second["recovery_codes"][1])[0] == 401
    assert log_in("ada", third["recovery_codes"][0])[0] == 200


def test_of_recovery_codes_only_digests_are_stored_and_a_digest_opens_nothing(ada: User) -> None:
    _, codes = set_up(logged_in(ada), ada)
    stored = list(StaticToken.objects.values_list("token", flat=True))
    assert not {code.replace("-", "") for code in codes} & set(stored)
    assert log_in("ada", stored[0])[0] == 401


def test_recovery_codes_of_before_still_work_once(ada: User) -> None:
    """Version 0.4 stored them as they were shown: eight characters."""
    set_up(logged_in(ada), ada)
    StaticDevice.objects.get(user=ada).token_set.create(token="abcdefg2")
    assert log_in("ada", "ABCD EFG2")[0] == 200
    assert log_in("ada", "abcdefg2")[0] == 401


def test_it_is_removed_with_the_password_and_a_code_alone(ada: User) -> None:
    rest = logged_in(ada)
    assert error_code(rest("DELETE", PATH, {**GIVEN, "code": "123456"})[1]) == "conflict"
    secret, _ = set_up(rest, ada)
    for given in ({}, GIVEN, {"code": code_of(secret)}):
        assert rest("DELETE", PATH, given)[0] == 400
    assert rest("DELETE", PATH, {"password": "wrong", "code": code_of(secret)})[0] == 403
    assert rest("DELETE", PATH, {**GIVEN, "code": wrong_code(secret)})[0] == 403
    assert rest("DELETE", PATH, {**GIVEN, "code": code_of(secret)}) == (204, None)
    assert rest.get(PATH)[1]["is_set_up"] is False
    assert log_in("ada")[0] == 200
    assert not StaticDevice.objects.exists()
    (entry,) = AuditEntry.objects.filter(action="second_factor.remove")
    assert (entry.actor, entry.target) == ("ada", "ada")


def test_setting_it_up_leaves_other_log_ins_and_another_password_leaves_the_factor(ada: User) -> None:
    elsewhere = services.tokens_issue(ada)
    secret, codes = set_up(logged_in(ada), ada)
    assert Rest().post("/api/v1/tokens/refresh", {"refresh": elsewhere["refresh"]})[0] == 200
    changed = {"old": PASSWORD, "new": "staple in a stable"}
    assert logged_in(ada).post("/api/v1/me/password", changed) == (204, None)
    assert error_code(log_in("ada", password="staple in a stable")[1]) == "second_factor_required"
    assert log_in("ada", codes[0], password="staple in a stable")[0] == 200
    services.password_set(User.objects.get(pk=ada.pk), PASSWORD)
    assert error_code(log_in("ada")[1]) == "second_factor_required"
    assert log_in("ada", code_of(secret))[0] == 200


def test_a_banned_account_is_told_so_before_it_is_asked_for_a_code(ada: User) -> None:
    _, codes = set_up(logged_in(ada), ada)
    services.user_ban(ada, until=None)
    assert [error_code(log_in("ada", code)[1]) for code in (None, codes[0])] == ["banned", "banned"]
    assert error_code(log_in("ada", password="wrong")[1]) == "not_authenticated"
    services.user_unban(ada)
    assert log_in("ada", codes[0])[0] == 200, "no code was spent"


def test_old_clients_are_told_in_a_sentence_and_only_after_the_right_password(ada: User) -> None:
    set_up(logged_in(ada), ada)
    status, body = seed_log_in("ada")
    assert (status, body["code"]) == (403, "forbidden")
    assert "app password" in body["error"]
    assert seed_log_in("ada", "wrong one") == (401, {"error": services.WRONG, "code": "not_authenticated"})
    services.user_ban(ada, until=None)
    assert seed_log_in("ada")[1]["code"] == "banned"


# -- Staff --------------------------------------------------------------------------------------------------------


def test_where_it_is_required_staff_without_one_do_not_log_in(monkeypatch: pytest.MonkeyPatch) -> None:
    required(monkeypatch)
    for name, rights in (("mia", {"is_staff": True}), ("boss", {"is_superuser": True})):
        register(name, **rights)
        status, body = log_in(name)
        assert (status, error_code(body)) == (403, "forbidden")
        assert "/admin/second-factor/" in body["error"]["message"]
        assert seed_log_in(name)[0] == 403
        assert log_in(name, password="wrong")[0] == 401
    register("ada")
    assert log_in("ada")[0] == 200


def test_where_it_is_required_tokens_that_came_without_a_code_are_no_good_for_staff(
    monkeypatch: pytest.MonkeyPatch, ada: User
) -> None:
    """Also of who became staff after logging in, and through all refreshes."""
    pair, (seed, _) = services.tokens_issue(ada), services.seed_token_issue(ada)
    secret, _ = set_up(logged_in(ada), ada)
    shown = log_in("ada", code_of(secret))[1]
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    assert Rest(pair["access"]).get("/api/v1/me")[0] == 200
    required(monkeypatch)
    for token in (pair["access"], seed):
        status, body = Rest(token).get("/api/v1/me")
        assert (status, error_code(body)) == (401, "not_authenticated")
        assert "second factor" in body["error"]["message"]
    assert Rest().post("/api/v1/tokens/refresh", {"refresh": pair["refresh"]})[0] == 401
    for _ in range(2):
        assert Rest(shown["access"]).get("/api/v1/me")[0] == 200
        status, shown = Rest().post("/api/v1/tokens/refresh", {"refresh": shown["refresh"]})
        assert status == 200
    assert Rest(shown["access"]).get(PATH)[1]["is_required"] is True
    forget_used_codes(ada)
    status, body = Rest(shown["access"])("DELETE", PATH, {**GIVEN, "code": code_of(secret)})
    assert (status, error_code(body)) == (403, "forbidden")


def test_when_the_one_that_staff_must_have_is_taken_away_their_log_ins_end(monkeypatch: pytest.MonkeyPatch) -> None:
    mia, ada, boss = register("mia", is_staff=True), register("ada"), register("boss", is_superuser=True)
    found = {user: log_in(user.username, set_up(logged_in(user), user)[1][0])[1] for user in (mia, ada)}
    required(monkeypatch)
    for user in (mia, ada):
        second_factor.remove(user, by=boss)
    assert Rest(found[mia]["access"]).get("/api/v1/me")[0] == 401
    assert Rest(found[ada]["access"]).get("/api/v1/me")[0] == 200


# -- At once ------------------------------------------------------------------------------------------------------


def at_once(*asks: Any) -> list[str]:
    """How each of these ends: "" or the error's code. They begin together, in threads of their own."""
    start = threading.Barrier(len(asks))
    ended: list[str] = []

    def run(ask: Any) -> None:
        start.wait(60)
        try:
            ask()
            ended.append("")
        except ReaktorError as error:
            ended.append(error.code.value)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(ask,)) for ask in asks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(ended)


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_of_two_who_bring_the_same_code_at_once_one_comes_in(kind: str) -> None:
    ada = register("ada")
    secret, codes = set_up(logged_in(ada), ada)
    code = code_of(secret) if kind == "app" else codes[0]
    assert at_once(*[lambda: second_factor.code_verify(ada, code)] * 2) == ["", "not_authenticated"]


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_of_two_who_confirm_at_once_one_gets_recovery_codes() -> None:
    """The other one's would have been shown, and no good."""
    ada = register("ada")
    secret = second_factor.begin(ada, password=PASSWORD)["secret"]
    found: list[Any] = []
    ended = at_once(*[lambda: found.append(second_factor.confirm(ada, code=code_of(secret)))] * 2)
    assert ended[0] == ""
    assert ended[1] in {"forbidden", "conflict"}
    assert len(found) == 1
    assert StaticToken.objects.count() == 10
    assert log_in("ada", found[0]["recovery_codes"][0])[0] == 200
