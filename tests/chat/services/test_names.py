"""Names of any script wherever people are named: in paths and queries, in texts, in commands, in the admin's search."""

from __future__ import annotations

import io
from urllib.parse import quote

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import services as accounts
from chat import selectors
from chat.models import AuditEntry, ChannelMembership, UserBlock
from tests.support.rest import Rest, logged_in, register

pytestmark = [pytest.mark.django_db, pytest.mark.database]

SPELLINGS = ("Ёжик", "ёЖИК", "Ёжик".replace("Ё", "Е\u0308"))


@pytest.fixture
def owner() -> Rest:
    return logged_in(register("owner"))


@pytest.fixture
def key(owner: Rest) -> str:
    return str(owner.post("/api/v1/channels", {"name": "Tea"})[1]["key"])


@pytest.mark.parametrize("name", SPELLINGS, ids=ascii)
def test_paths_and_bodies_name_people_in_any_spelling(owner: Rest, key: str, name: str) -> None:
    other = register("Ёжик")
    path = quote(name)
    assert owner.put(f"/api/v1/channels/{key}/roles/{path}", {"role": "moderator"}) == (200, {"role": "moderator"})
    assert owner.delete(f"/api/v1/channels/{key}/roles/{path}") == (200, {"role": "member"})
    assert ChannelMembership.objects.get(user=other, channel__key=key).role == "member"
    assert owner.post("/api/v1/direct", {"username": name})[0] == 201
    assert owner.put(f"/api/v1/me/blocks/{path}") == (204, None)
    assert owner.get("/api/v1/me/blocks")[1]["results"] == [{"username": "Ёжик"}]
    assert owner.delete(f"/api/v1/me/blocks/{path}") == (204, None)
    assert not UserBlock.objects.exists()
    mute = {"kind": "mute", "username": name, "channel": key, "reason": ""}
    assert owner.post("/api/v1/sanctions", mute)[1]["username"] == "Ёжик"
    found = owner.get(f"/api/v1/sanctions?channel={key}&username={path}")[1]["results"]
    assert [each["username"] for each in found] == ["Ёжик"]


def test_one_steps_down_by_ones_own_name_in_any_case() -> None:
    ivan = logged_in(register("Иван"))
    key = ivan.post("/api/v1/channels", {"name": "Tea"})[1]["key"]
    assert ivan.put(f"/api/v1/channels/{key}/roles/{quote('ИВАН')}", {"role": "member"})[0] == 409


def mentions(owner: Rest, key: str, text: str) -> list[str]:
    body = {"text": text, "nonce": text[:60]}
    return list(owner.post(f"/api/v1/channels/{key}/messages", body)[1]["mentions"])


def test_a_mention_is_the_longest_name_that_exists(owner: Rest, key: str) -> None:
    people = ("ada", "ada.b", "Ёжик", "太郎", "太郎さ", "김민수", "محمد", "Straße", "Ẹ́kọ́")
    for name in people:
        register(name)
    for text, named in (
        ("@ada.b.c @adamant", ["ada.b"]),
        ("@ada-x", ["ada"]),
        ("@太郎さん @太郎と", ["太郎さ", "太郎"]),
        ("@김민수는, @ЁЖИК!", ["김민수", "Ёжик"]),
        ("مرحبا @محمد،", ["محمد"]),
        ("@STRASSE", ["Straße"]),
        ("@E\u0323\u0301KO\u0323\u0301", ["Ẹ́kọ́"]),
        ("@ada @ADA @ёжик2", ["ada"]),
    ):
        assert mentions(owner, key, text) == named, text


def test_an_account_that_is_switched_off_does_not_lend_its_mentions_to_a_shorter_name(owner: Rest, key: str) -> None:
    register("ada")
    accounts.user_disable(register("ada.b"))
    assert mentions(owner, key, "@ada.b") == []
    assert mentions(owner, key, "@ada.c") == ["ada"]


def test_names_of_a_text_are_asked_for_in_parts() -> None:
    ada = register("ada")
    found = selectors.users_named([*(f"nobody{number}" for number in range(1_000)), "ada"])
    assert [each and each.id for each in found.values()] == [str(ada.pk)]


def test_commands_take_them() -> None:
    ivan = register("Иван")
    with pytest.raises(CommandError, match="No live server was reached"):
        call_command("moderate", "mute", "ИВАН", "--reason", "loud", stdout=io.StringIO())
    ivan.refresh_from_db()
    assert ivan.muted_until is not None
    said = io.StringIO()
    call_command("export_user", "иван", stdout=said)
    assert "Иван" in said.getvalue()


def test_the_admin_finds_them() -> None:
    root = register("root", is_staff=True, is_superuser=True)
    for name in ("Иван", "Иванна", "Ирина", "Straße", "ivan"):
        register(name)
    desk = Client()
    desk.force_login(root, backend="accounts.backends.AccountBackend")
    searches = {"ИВАН": ["Иван", "Иванна"], "stras": ["Straße"], "IV": ["ivan"], "ив\u200b": []}
    for search, found in searches.items():
        page = desk.get("/admin/accounts/user/", {"q": search})
        assert [user.username for user in page.context["cl"].result_list] == found, search
    AuditEntry.objects.create(action="mute", actor="Иван", target="root")
    page = desk.get("/admin/chat/auditentry/", {"q": "by:Иван on:ROOT"})
    assert len(page.context["cl"].result_list) == 1
