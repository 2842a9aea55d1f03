"""The admin of accounts: its login, who may do what, and that ending things ends them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import services
from accounts.admin import AccountForm
from accounts.models import AppPassword, User
from tests.support.rest import PASSWORD, logged_in, register

pytestmark = pytest.mark.django_db


def staff(username: str = "staff", *, is_superuser: bool = False) -> Client:
    """A browser of a moderator or superuser, logged in through the admin's own form."""
    user = register(username, is_staff=True, is_superuser=is_superuser)
    user.groups.add(Group.objects.get(name="Moderators"))
    client = Client()
    answer = client.post("/admin/login/?next=/admin/", {"username": username, "password": PASSWORD})
    assert answer.status_code == 302, answer.content
    return client


def act(client: Client, action: str, *users: User) -> None:
    chosen = [str(user.pk) for user in users]
    answer = client.post("/admin/accounts/user/", {"action": action, "_selected_action": chosen})
    assert answer.status_code == 302


def names(client: Client, query: str) -> set[str]:
    page = client.get(f"/admin/accounts/user/?q={query}")
    return {user.username for user in page.context["cl"].result_list}


def test_only_staff_may_enter() -> None:
    register("ada")
    client = Client()
    assert client.get("/admin/").status_code == 302
    answer = client.post("/admin/login/", {"username": "ada", "password": PASSWORD})
    assert answer.status_code == 200
    assert b"staff account" in answer.content


def test_the_login_form_is_limited_like_any_login() -> None:
    register("staff", is_staff=True)
    client = Client()
    for _ in range(10):
        client.post("/admin/login/", {"username": "staff", "password": "wrong"})
    answer = client.post("/admin/login/", {"username": "staff", "password": PASSWORD})
    assert answer.status_code == 200
    assert b"Too many" in answer.content


def test_every_page_keeps_the_policy_and_brings_nothing_inline() -> None:
    client = staff(is_superuser=True)
    ada = register("ada")
    for path in ("", "accounts/user/", "accounts/user/add/", f"accounts/user/{ada.pk}/change/"):
        answer = client.get(f"/admin/{path}")
        assert answer.status_code == 200, path
        assert "script-src 'self'" in answer["Content-Security-Policy"]
        text = answer.content.decode()
        assert "<style" not in text
        assert " onclick=" not in text
        assert all("src=" in tag.split(">")[0] for tag in text.split("<script")[1:])


def test_names_are_found_by_their_beginning_in_any_case() -> None:
    client = staff()
    for name in ("Ada", "adam", "bob", "zzz"):
        register(name)
    assert names(client, "AD") == {"Ada", "adam"}
    assert names(client, "zz") == {"zzz"}
    assert names(client, "%") == set()
    assert names(client, "a'b") == set()


def test_the_list_asks_the_same_number_of_questions_however_long_it_is(django_assert_max_num_queries: Any) -> None:
    client = staff()
    for index in range(30):
        register(f"user{index}")
    # One of them counts the open reports for the menu, and one gives back what SQLite keeps of them in memory.
    with django_assert_max_num_queries(11):
        client.get("/admin/accounts/user/")


def test_switching_an_account_off_and_on_ends_its_tokens() -> None:
    client, ada = staff(is_superuser=True), register("ada")
    rest = logged_in(ada)
    act(client, "switch_off", ada)
    assert rest.get("/api/v1/me")[0] == 403
    act(client, "switch_on", ada)
    assert rest.get("/api/v1/me")[0] == 401
    assert logged_in(User.objects.get(pk=ada.pk)).get("/api/v1/me")[0] == 200


def test_moderators_switch_nobody_off_and_nobody_switches_off_themselves() -> None:
    ada, client, boss = register("ada"), staff(), staff("boss", is_superuser=True)
    act(client, "switch_off", ada)
    act(boss, "switch_off", User.objects.get(username="boss"))
    assert User.objects.filter(is_active=False).count() == 0


def test_only_superusers_give_rights() -> None:
    ada = register("ada")
    client = staff()
    assert client.get(f"/admin/accounts/user/{ada.pk}/change/").status_code == 200
    form = {"username": "ada", "is_staff": "on", "is_superuser": "on"}
    assert client.post(f"/admin/accounts/user/{ada.pk}/change/", form).status_code == 403
    assert client.post(f"/admin/accounts/user/{ada.pk}/password/", {}).status_code == 403
    root = staff("root", is_superuser=True)
    assert root.post(f"/admin/accounts/user/{ada.pk}/change/", form).status_code == 302
    assert User.objects.get(pk=ada.pk).is_superuser


def test_nobody_deletes_an_account() -> None:
    ada = register("ada")
    assert staff(is_superuser=True).post(f"/admin/accounts/user/{ada.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_password_set_by_a_superuser_works_and_ends_every_token() -> None:
    client, ada = staff(is_superuser=True), register("ada")
    rest = logged_in(ada)
    form = {"password1": "brand new 42", "password2": "brand new 42"}
    assert client.post(f"/admin/accounts/user/{ada.pk}/password/", form).status_code == 302
    assert rest.get("/api/v1/me")[0] == 401
    services.user_authenticate(username="ada", password="brand new 42", address="192.0.2.1")


def test_an_account_made_by_hand_belongs_where_every_account_does_and_keeps_the_rules() -> None:
    client = staff(is_superuser=True)
    for bad in ("System", "a b", "STAFF", "x"):
        form = {"username": bad, "password1": "brand new 42", "password2": "brand new 42"}
        assert client.post("/admin/accounts/user/add/", form).status_code == 200
    form["username"] = "Ada"
    assert client.post("/admin/accounts/user/add/", form).status_code == 302
    assert User.objects.get(username="Ada").memberships.count() == 3


def test_logging_out_everywhere_ends_the_admin_session_too() -> None:
    client = staff()
    services.tokens_revoke_all(User.objects.get(username="staff"))
    assert client.get("/admin/").status_code == 302


def test_other_rights_reach_the_live_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    from reaktor.process import announce

    said: list[Any] = []
    monkeypatch.setattr(announce, "say", lambda group, kind, body: said.append((kind, body["code"])))
    client = staff(is_superuser=True)
    ada = register("ada")
    form = {"username": "ada", "is_staff": "on"}
    with pytest.MonkeyPatch.context() as now:
        now.setattr("django.db.transaction.on_commit", lambda function, **_: function())
        assert client.post(f"/admin/accounts/user/{ada.pk}/change/", form).status_code == 302
        assert said == [("orders.end_sessions", 4004)]
        assert client.post(f"/admin/accounts/user/{ada.pk}/change/", form).status_code == 302
    assert len(said) == 1
    assert User.objects.get(pk=ada.pk).is_staff


def test_a_form_saves_what_was_changed_in_it_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The form's row is as old as its page: saved as a whole it took a ban back that came in that moment."""
    client, ada = staff(is_superuser=True), register("ada")
    rest = logged_in(ada)
    valid = AccountForm.is_valid

    def banned_meanwhile(form: Any) -> bool:
        is_valid = valid(form)
        services.user_ban(ada, until=None, reason="spam")
        return is_valid

    monkeypatch.setattr(AccountForm, "is_valid", banned_meanwhile)
    form = {"username": "ada", "is_staff": "on"}
    assert client.post(f"/admin/accounts/user/{ada.pk}/change/", form).status_code == 302
    stored = User.objects.get(pk=ada.pk)
    assert (stored.is_staff, stored.ban_reason, stored.token_version) == (True, "spam", 2)
    assert rest.get("/api/v1/me")[0] == 403


NEW = "another fine 9"


def test_one_s_own_password_ends_every_other_log_in_and_leaves_this_browser(
    said: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    """Django's form stored the hash, and nothing ended: whoever had a token, or an app password, went on."""
    client = staff()
    user = User.objects.get(username="staff")
    rest = logged_in(user)
    AppPassword.objects.create(user=user, name="Old phone", digest="0" * 64)
    other = Client()
    other.force_login(User.objects.get(pk=user.pk))
    fields = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post("/admin/password_change/", fields).status_code == 302
    assert rest.get("/api/v1/me")[0] == 401
    assert not AppPassword.objects.exists()
    assert [kind for _, kind, _ in said] == ["orders.end_sessions"]
    assert client.get("/admin/").status_code == 200
    assert other.get("/admin/").status_code == 302
    assert services.user_authenticate(username="staff", password=NEW, address="192.0.2.1").pk == user.pk


def test_tries_at_the_old_password_are_counted_there_too() -> None:
    client = staff()
    fields = {"old_password": "wrong horse 7", "new_password1": NEW, "new_password2": NEW}
    for _ in range(11):
        assert b"The password is wrong." in client.post("/admin/password_change/", fields).content
    answer = client.post("/admin/password_change/", {**fields, "old_password": PASSWORD})
    assert (answer.status_code, b"Too many" in answer.content) == (200, True)


@pytest.mark.parametrize("password", ["password1", "12345678", "x" * 1_025])
def test_a_password_that_could_not_be_chosen_over_the_api_can_not_be_set_here(password: str) -> None:
    """With one of 1,025 characters nobody could log in."""
    client = staff(is_superuser=True)
    ada = register("ada")
    own = {"old_password": PASSWORD, "new_password1": password, "new_password2": password}
    assert client.post("/admin/password_change/", own).status_code == 200
    fields = {"password1": password, "password2": password}
    assert client.post(f"/admin/accounts/user/{ada.pk}/password/", fields).status_code == 200
    assert client.post("/admin/accounts/user/add/", {"username": "bobby", **fields}).status_code == 200
    assert not User.objects.filter(username="bobby").exists()
    for name in ("staff", "ada"):
        assert services.user_authenticate(username=name, password=PASSWORD, address="192.0.2.1")


def type_in(monkeypatch: pytest.MonkeyPatch, *passwords: str) -> None:
    typed = list(passwords)
    monkeypatch.setattr("getpass.getpass", lambda **_: typed.pop(0))


def test_another_password_by_command_ends_tokens_app_passwords_and_sessions(
    said: list[Any], monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    """Django's command stored the hash, and nothing ended."""
    ada = register("Ada")
    rest = logged_in(ada)
    AppPassword.objects.create(user=ada, name="Old phone", digest="0" * 64)
    type_in(monkeypatch, NEW, "something else 9", "password1", "password1", NEW, NEW)
    with django_capture_on_commit_callbacks(execute=True):
        call_command("changepassword", "ada")
    assert rest.get("/api/v1/me")[0] == 401
    assert not AppPassword.objects.exists()
    assert [kind for _, kind, _ in said] == ["orders.end_sessions"]
    assert services.user_authenticate(username="ada", password=NEW, address="192.0.2.1").pk == ada.pk


def test_the_command_gives_up_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    register("ada")
    type_in(monkeypatch, *["password1"] * 6)
    with pytest.raises(CommandError, match=r"Nothing was changed\."):
        call_command("changepassword", "ada")
    with pytest.raises(CommandError, match="There is no account nobody"):
        call_command("changepassword", "nobody")
    assert services.user_authenticate(username="ada", password=PASSWORD, address="192.0.2.1")
