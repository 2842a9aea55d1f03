"""The second factor of staff, from the page that sets it up to the login that asks for it, and what goes round it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import limits
from accounts.models import User
from chat.models import AuditEntry
from tests.accounts.test_admin import act, staff
from tests.support.rest import PASSWORD, register

pytestmark = pytest.mark.django_db

PAGE = "/admin/second-factor/"


def required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps.get_app_config("accounts"), "requires_second_factor", True)


def code(username: str = "staff") -> str:
    """What the app of that user shows now; as if it had shown none before."""
    devices = TOTPDevice.objects.filter(user__username=username)
    devices.update(last_t=-1, drift=0)
    return f"{totp(devices.get().bin_key):06d}"


def set_up(client: Client, username: str = "staff") -> list[str]:
    """Through the page; the recovery codes that it shows."""
    assert client.get(PAGE).status_code == 200
    answer = client.post(PAGE, {"action": "confirm", "code": code(username)})
    found: list[str] = answer.context["codes"]
    assert len(found) == 10
    return found


def log_in(code: str = "", username: str = "staff", password: str = PASSWORD) -> tuple[Client, Any]:
    client = Client()
    fields = {"username": username, "password": password, "code": code}
    return client, client.post("/admin/login/?next=/admin/", fields)


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def test_once_set_up_logging_in_asks_for_a_code_and_takes_each_once() -> None:
    set_up(staff())
    client, answer = log_in()
    assert b"asks for a code" in answer.content
    assert not is_in(client)
    client, answer = log_in("000000" if code() != "000000" else "000001")
    assert b"The code is wrong" in answer.content
    assert PASSWORD.encode() not in answer.content
    shown = code()
    client, answer = log_in(f"{shown[:3]} {shown[3:]}")
    assert answer.status_code == 302
    assert is_in(client)
    assert not is_in(log_in(shown)[0]), "the same code opened it twice"


def test_a_recovery_code_logs_in_once_and_new_ones_end_the_old() -> None:
    client = staff()
    codes = set_up(client)
    recovered, _ = log_in(codes[0].upper())
    assert is_in(recovered)
    assert not is_in(log_in(codes[0])[0])
    fresh = recovered.post(PAGE, {"action": "codes"}).context["codes"]
    assert is_in(recovered), "new codes threw out who had come by an old one"
    assert not is_in(log_in(codes[1])[0])
    assert is_in(log_in(fresh[1])[0])


def test_another_login_session_has_to_show_it_too() -> None:
    first, second = staff(), log_in()[0]
    assert is_in(second)
    set_up(first)
    assert is_in(first)
    assert not is_in(second)
    assert second.get(PAGE).status_code == 302


def test_a_password_alone_can_neither_replace_nor_remove_it() -> None:
    first, second = staff(), log_in()[0]
    set_up(first)
    device = TOTPDevice.objects.get()
    for action in ("confirm", "codes", "remove"):
        assert second.post(PAGE, {"action": action, "code": code()}).status_code == 302
    assert TOTPDevice.objects.get() == device
    assert StaticDevice.objects.count() == 1


def test_where_it_is_required_staff_come_to_its_page_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    required(monkeypatch)
    client = staff(is_superuser=True)
    assert client.get("/admin/accounts/user/", follow=True).redirect_chain[-1][0] == PAGE
    assert client.post("/admin/accounts/user/", {"action": "log_out"}).status_code == 302
    set_up(client)
    assert is_in(client)
    assert b"Switch it off" not in client.get(PAGE).content
    client.post(PAGE, {"action": "remove"})
    assert TOTPDevice.objects.exists()


def test_where_it_is_optional_it_can_be_switched_off_again() -> None:
    client = staff()
    set_up(client)
    client.post(PAGE, {"action": "remove"})
    assert is_in(client)
    assert is_in(log_in()[0])
    assert not StaticDevice.objects.exists()


def test_a_wrong_code_sets_nothing_up() -> None:
    client = staff()
    client.get(PAGE)
    wrong = f"{(int(code()) + 1) % 1_000_000:06d}"
    for given in (wrong, "", "x", "1" * 400):
        answer = client.post(PAGE, {"action": "confirm", "code": given})
        assert b"not the code" in answer.content
    assert not TOTPDevice.objects.filter(confirmed=True).exists()


def test_guessing_codes_has_to_wait_and_leaves_the_recovery_codes_to_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    # Longer than the slowest machine takes to log in.
    monkeypatch.setattr(limits, "CODE", replace(limits.CODE, first_s=600))
    codes = set_up(staff())
    wrong = f"{(int(code()) + 5) % 1_000_000:06d}"
    for _ in range(6):
        log_in(wrong)
    client, answer = log_in(code())
    assert b"Too many" in answer.content
    assert not is_in(client)
    assert is_in(log_in(codes[0])[0])


def test_two_that_were_begun_at_once_are_one() -> None:
    """From two tabs opened at once: each later visit was an error."""
    client = staff()
    user = User.objects.get(username="staff")
    first, second = (TOTPDevice.objects.create(user=user, confirmed=False) for _ in range(2))
    assert client.get(PAGE).status_code == 200
    first.refresh_from_db()
    shown = f"{totp(first.bin_key):06d}"
    assert len(client.post(PAGE, {"action": "confirm", "code": shown}).context["codes"]) == 10
    assert TOTPDevice.objects.get() == first
    assert second.pk != first.pk


def test_strangers_and_users_without_rights_have_no_business_there() -> None:
    register("ada")
    assert Client().get(PAGE).status_code == 302
    client = Client()
    client.force_login(User.objects.get(username="ada"))
    assert client.get(PAGE).status_code == 302


def test_a_superuser_removes_the_lost_one_of_somebody_else_and_nobody_else_does() -> None:
    boss, other = staff("boss", is_superuser=True), staff()
    set_up(other)
    user = User.objects.get(username="staff")
    act_as_staff = staff("third")
    act_as_staff.post("/admin/accounts/user/", {"action": "remove_second_factor", "_selected_action": [str(user.pk)]})
    assert TOTPDevice.objects.exists()
    act(boss, "remove_second_factor", user)
    assert not TOTPDevice.objects.exists()


def test_the_pages_keep_the_policy_and_no_secret_is_cached() -> None:
    answer = staff().get(PAGE)
    text = answer.content.decode()
    assert "style=" not in text
    assert "<style" not in text
    assert 'src="data:image/svg+xml' in text
    assert "no-store" in answer["Cache-Control"]
    assert "img-src 'self' data:" in answer["Content-Security-Policy"]


def test_secrets_of_devices_are_in_no_list_of_the_admin() -> None:
    client = staff(is_superuser=True)
    assert client.get("/admin/otp_totp/totpdevice/").status_code == 404
    assert client.get("/admin/otp_static/staticdevice/").status_code == 404


def test_who_removed_whose_second_factor_stands_in_the_audit_log() -> None:
    """From then on a password alone opened the admin, and nobody could find out who had done it."""
    set_up(staff())
    boss = staff("boss", is_superuser=True)
    user = User.objects.get(username="staff")
    for _ in range(2):
        act(boss, "remove_second_factor", user)
    (entry,) = AuditEntry.objects.filter(action="second_factor.remove")
    assert (entry.actor, entry.target) == ("boss", "staff")
