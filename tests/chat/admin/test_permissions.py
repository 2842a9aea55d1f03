"""Who gets where in the admin: nobody, staff without the group, moderators, superusers; by page, by button."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.test import Client

from accounts.models import User
from chat.admin.object_actions import WorkplaceAdmin
from chat.models import AuditEntry, Channel, Message, WordRule
from tests.support.rest import post, register
from tests.support.staff import at_admin, moderator, page_of, press

pytestmark = [pytest.mark.django_db, pytest.mark.database]
LISTS = (
    "accounts/user", "chat/channel", "chat/message", "chat/report", "chat/sanction", "chat/auditentry",
)  # fmt: skip
PLACES = (*(f"/admin/{each}/" for each in LISTS), "/admin/chat/auditentry/export/csv/", "/admin/cluster/",
          "/admin/cluster/status.json")  # fmt: skip
FOR_SUPERUSERS = (
    "/admin/accounts/user/add/", "/admin/chat/channel/add/", "/admin/chat/wordrule/", "/admin/chat/wordrule/add/",
)  # fmt: skip
MANAGING = {"archive", "role", "invite"}


def statuses(client: Client, *paths: str) -> set[int]:
    return {client.get(path).status_code for path in paths}


def test_the_group_has_these_permissions_and_no_others() -> None:
    group = Group.objects.get(name="Moderators")
    assert {permission.codename for permission in group.permissions.all()} == {
        "view_user", "view_channel", "view_message", "view_report", "view_sanction", "view_auditentry", "moderate",
    }  # fmt: skip


def test_what_the_migration_made_is_what_django_would_have_made() -> None:
    count = Permission.objects.count()
    for label in ("accounts", "chat"):
        create_permissions(apps.get_app_config(label), verbosity=0)
    assert Permission.objects.count() == count
    for codename, content_type in Permission.objects.values_list("codename", "content_type"):
        assert Permission.objects.filter(codename=codename, content_type=content_type).count() == 1


def test_who_is_no_staff_is_asked_to_log_in(ada: User) -> None:
    client = Client()
    client.force_login(ada)
    assert statuses(client, "/admin/", *PLACES, *FOR_SUPERUSERS) == {302}


def test_staff_without_the_group_see_an_empty_admin(ada: User) -> None:
    client = at_admin(register("plain", is_staff=True))
    index = client.get("/admin/")
    assert index.context["app_list"] == []
    assert b"Live cluster" not in index.content
    assert statuses(client, *PLACES, *FOR_SUPERUSERS, page_of(ada)) == {403}


def test_moderators_see_what_they_moderate_and_superusers_everything(mia: Client, boss: Client) -> None:
    assert statuses(mia, "/admin/", *PLACES) == {200}
    assert statuses(mia, *FOR_SUPERUSERS) == {403}
    assert statuses(boss, "/admin/", *PLACES, *FOR_SUPERUSERS) == {200}


def test_moderators_change_no_account_no_channel_and_no_word(mia: Client, ada: User) -> None:
    general, rule = Channel.objects.get(key="general"), WordRule.objects.create(word="pills")
    ada_page = page_of(ada)
    forms = {
        ada_page: {"username": "ada", "is_staff": "on", "is_superuser": "on"},
        ada_page.replace("change", "password"): {"password1": "brand new 42", "password2": "brand new 42"},
        page_of(general): {"name": "Mine", "topic": "", "is_default": ""},
        page_of(rule): {"word": "pills", "action": "flag"},
        page_of(rule).replace("change", "delete"): {"post": "yes"},
    }
    for path, form in forms.items():
        assert mia.post(path, form).status_code == 403, path
    page = mia.get(ada_page).content
    assert b"argon2" not in page
    assert b'name="is_superuser"' not in page


def test_every_button_is_for_who_has_its_permission_alone(mia: Client, ada: User) -> None:
    plain = at_admin(register("plain", is_staff=True))
    for model, its_admin in admin.site._registry.items():
        if not isinstance(its_admin, WorkplaceAdmin):
            continue
        row = {User: ada, Channel: Channel.objects.get(key="general")}.get(model)
        if row is None:
            continue
        for object_action in its_admin.object_actions:
            path = page_of(row).replace("/change/", f"/do/{object_action.name}/")
            assert plain.post(path).status_code == 403, path
            assert mia.post(path, {"reason": ""}).status_code == (403 if object_action.name in MANAGING else 302), path
            assert mia.get(path).status_code == 405
    assert mia.post(page_of(ada).replace("/change/", "/do/nothing/")).status_code == 404


def test_list_actions_are_for_who_has_their_permission(mia: Client, ada: User) -> None:
    made = post(ada, "rude")
    plain = at_admin(register("plain", is_staff=True))
    assert (
        plain.post("/admin/chat/message/", {"action": "take_away", "_selected_action": [made["id"]]}).status_code == 403
    )
    mia.post("/admin/chat/channel/", {"action": "archive", "_selected_action": [Channel.objects.get(key="general").pk]})
    assert Channel.objects.get(key="general").archived_at is None
    assert Message.objects.get(pk=made["id"]).text == "rude"


def test_nobody_acts_on_their_like(mia: Client, boss: Client) -> None:
    eva, chief = moderator("eva"), User.objects.get(username="boss")
    form = {"reason": "because", "duration": "3600"}
    for whom in (eva, chief, User.objects.get(username="mia")):
        assert press(mia, whom, "ban", **form) == ["That is only for somebody of a higher rank than theirs."]
    assert press(boss, eva, "ban", **form)[0].startswith("eva is banned everywhere until")


def test_the_audit_log_is_added_to_and_nothing_else(mia: Client, boss: Client, ada: User) -> None:
    press(mia, ada, "log_out")
    entry = AuditEntry.objects.get(action="log_out")
    assert boss.get(page_of(entry)).status_code == 200
    for path in (page_of(entry), page_of(entry).replace("change", "delete"), "/admin/chat/auditentry/add/"):
        assert boss.post(path, {"reason": "other", "post": "yes"}).status_code == 403
    boss.post("/admin/chat/auditentry/", {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"})
    assert AuditEntry.objects.filter(pk=entry.pk, reason="").exists()


def test_the_admin_without_its_slash_leads_there(boss: Client) -> None:
    """GET /admin was 404, to people who typed it."""
    answer = boss.get("/admin?next=1")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/?next=1")


@pytest.mark.parametrize("path", ["/admin/r/1/1/", "/admin/r/7/1/", "/admin/r/x/y/"])
def test_there_are_no_pages_outside_of_the_admin_to_lead_to(boss: Client, path: str) -> None:
    """Django's view for that answered 500 to ids of another kind."""
    assert boss.get(path).status_code == 404
