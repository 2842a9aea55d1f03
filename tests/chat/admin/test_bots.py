"""Bots and webhooks in the admin: seen, switched off, made for the server; and no rights for bots."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts import bots
from accounts.authentication import user_for_claims, verify_token
from accounts.bots import BotMadeData
from accounts.models import Bot, User
from chat.domain.moderation import HookMadeData
from chat.models import AuditEntry, Hook
from chat.selectors import user_ref
from chat.services import hook_create
from reaktor.errors import BannedError, NotAuthenticatedError
from tests.support.rest import register
from tests.support.staff import page_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]
BOTS, HOOKS = "/admin/accounts/bot/", "/admin/chat/hook/"


@pytest.fixture
def bot() -> BotMadeData:
    owner = register("owner", created_at=timezone.now() - timedelta(days=30))
    return bots.bot_create(owner=owner, username="pingbot")


@pytest.fixture
def hook() -> HookMadeData:
    return hook_create(user=user_ref(register("maker", is_staff=True)), key="general", name="Grafana", public_url="")


def act(client: Client, path: str, name: str, *ids: object) -> str:
    """What the list says after one of its actions."""
    answer = client.post(path, {"action": name, "_selected_action": list(ids)}, follow=True)
    assert answer.status_code == 200
    return " ".join(str(message) for message in answer.context["messages"])


def test_both_are_listed_with_whose_they_are_and_without_their_secrets(
    mia: Client, bot: BotMadeData, hook: HookMadeData
) -> None:
    listed = mia.get(BOTS).content.decode()
    assert all(word in listed for word in ("pingbot", "owner", "grafana", "maker", "read write"))
    shown = mia.get(HOOKS).content.decode()
    assert all(word in shown for word in ("Grafana", "General", "maker"))
    for page in (listed, shown, mia.get(page_of(Bot.objects.get(pk=bot["bot"]["id"]))).content.decode()):
        assert "rkb_" not in page
        assert "rkh_" not in page
        assert Hook.objects.get().digest not in page
    assert "grafana" not in mia.get(f"{BOTS}?q=of:owner").content.decode()
    assert "Grafana" not in mia.get(f"{HOOKS}?q=in:random").content.decode()


def test_moderators_switch_a_bot_off_and_on(mia: Client, bot: BotMadeData) -> None:
    pk = bot["bot"]["id"]
    assert act(mia, BOTS, "switch_off", pk) == "Bots switched off: 1."
    with pytest.raises(BannedError):
        user_for_claims(verify_token(bot["token"]))
    assert act(mia, BOTS, "switch_on", pk) == "Bots switched on: 1."
    with pytest.raises(NotAuthenticatedError):
        user_for_claims(verify_token(bot["token"]))
    assert [each.actor for each in AuditEntry.objects.filter(target="pingbot")] == ["mia", "mia"]


def test_moderators_revoke_a_token_and_delete_a_webhook(mia: Client, bot: BotMadeData, hook: HookMadeData) -> None:
    assert act(mia, BOTS, "revoke", bot["bot"]["id"]) == "Tokens revoked: 1."
    with pytest.raises(NotAuthenticatedError):
        user_for_claims(verify_token(bot["token"]))
    user = Hook.objects.get().user
    assert act(mia, HOOKS, "remove", hook["hook"]["id"]) == "Webhooks deleted: 1."
    assert not Hook.objects.exists()
    assert act(mia, BOTS, "switch_on", user.pk) == "", "a webhook that is gone stays off"
    user.refresh_from_db()
    assert not user.is_active


def test_superusers_make_a_bot_of_the_server_and_see_its_token_once(mia: Client, boss: Client) -> None:
    assert mia.get(f"{BOTS}add/").status_code == 403
    assert boss.get(f"{BOTS}add/").status_code == 200
    answer = boss.post(f"{BOTS}add/", {"username": "serverbot", "may_write": "on"})
    token = answer.context["token"]
    assert token in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert token not in str(answer.cookies)
    assert user_for_claims(verify_token(token)).username == "serverbot"
    bot = Bot.objects.get(user__username="serverbot")
    assert (bot.owner, bot.scopes) == (None, "read write")
    assert AuditEntry.objects.get(action="bot.create").target == "serverbot"
    again = boss.post(BOTS, {"action": "new_token", "_selected_action": [bot.pk]}).context["token"]
    assert user_for_claims(verify_token(again)).username == "serverbot"
    with pytest.raises(NotAuthenticatedError):
        user_for_claims(verify_token(token))
    answer = boss.post(f"{BOTS}add/", {"username": "serverbot"})
    assert "taken" in answer.content.decode()
    assert Bot.objects.count() == 1


def test_somebody_elses_bot_gets_no_token_here(boss: Client, bot: BotMadeData) -> None:
    assert "Choose one bot of the server" in act(boss, BOTS, "new_token", bot["bot"]["id"])
    assert user_for_claims(verify_token(bot["token"])).username == "pingbot"


@pytest.mark.parametrize("right", ["is_staff", "is_superuser"])
def test_a_bot_gets_no_rights_and_no_password(boss: Client, bot: BotMadeData, right: str) -> None:
    user = User.objects.get(pk=bot["bot"]["id"])
    page = boss.post(page_of(user), {"username": "pingbot", right: "on"})
    assert b"none of the rights of staff" in page.content
    path = page_of(user).replace("change", "password")
    page = boss.post(path, {"password1": "brand new 42", "password2": "brand new 42"})
    assert b"A bot has no password." in page.content
    user.refresh_from_db()
    assert [user.is_staff, user.is_superuser, user.has_usable_password()] == [False] * 3
