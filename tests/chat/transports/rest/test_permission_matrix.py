"""Every operation of /api/v1 that is about a channel, by every role in every kind of channel: as the matrix says."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from django.db import transaction

from accounts.models import Bot, User
from chat.models import Hook, Invite, Report, Sanction
from chat.transports.rest import docs
from tests.support.permissions import ROLES, Cell, Need, build, cells, denial
from tests.support.rest import Rest, logged_in, register

pytestmark = pytest.mark.django_db

Request = Callable[[dict[str, Any]], tuple[str, str, Any]]
CHANNEL = "/api/v1/channels/{key}"
VICTIM = {"username": "victim"}


def path(method: str, template: str, body: Any = None) -> Request:
    return lambda scene: (method, template.format(**scene), body(scene) if callable(body) else body)


OPERATIONS: dict[str, tuple[Need, Request]] = {
    "channels_list": (Need.TOKEN, path("GET", "/api/v1/channels")),
    "channels_list_own": (Need.TOKEN, path("GET", "/api/v1/me/channels")),
    "channels_create": (Need.TOKEN, path("POST", "/api/v1/channels", {"name": "Mine", "kind": "private"})),
    "channels_get": (Need.READ, path("GET", CHANNEL)),
    "channels_update": (Need.MANAGE, path("PATCH", CHANNEL, {"topic": "tea"})),
    "channels_update name": (Need.RENAME, path("PATCH", CHANNEL, {"name": "Tea"})),
    "channels_update slow": (Need.MODERATE, path("PATCH", CHANNEL, {"slow_mode_s": 5, "is_frozen": True})),
    "channels_archive": (Need.MANAGE, path("POST", CHANNEL + "/archive")),
    "channels_members": (Need.READ, path("GET", CHANNEL + "/members")),
    "channels_read": (Need.READ, path("PUT", CHANNEL + "/read", {"number": 1})),
    "messages_list": (Need.READ, path("GET", CHANNEL + "/messages")),
    "messages_search": (Need.READ, path("GET", "/api/v1/search?q=tea&in={key}")),
    "messages_create": (Need.WRITE, path("POST", CHANNEL + "/messages", {"text": "hi", "nonce": "1"})),
    "messages_changes": (Need.READ, path("GET", CHANNEL + "/changes?after=0")),
    "messages_edit": (Need.WRITE, path("PATCH", CHANNEL + "/messages/{own}", {"text": "hello"})),
    "messages_delete": (Need.DELETE_OWN, path("DELETE", CHANNEL + "/messages/{own}")),
    "messages_delete other": (Need.MODERATE, path("DELETE", CHANNEL + "/messages/{other}")),
    "threads_list": (Need.TOKEN, path("GET", "/api/v1/me/threads")),
    "threads_get": (Need.READ, path("GET", CHANNEL + "/threads/{other}")),
    "threads_follow": (Need.READ, path("PUT", CHANNEL + "/threads/{other}/follow")),
    "threads_unfollow": (Need.READ, path("DELETE", CHANNEL + "/threads/{other}/follow")),
    "threads_read": (Need.READ, path("PUT", CHANNEL + "/threads/{other}/read", {"number": 1})),
    "channels_update threads": (Need.MODERATE, path("PATCH", CHANNEL, {"threads": False})),
    "messages_create reply": (
        Need.WRITE,
        path("POST", CHANNEL + "/messages", lambda scene: {"text": "hi", "nonce": "1", "thread": scene["other"]}),
    ),
    "messages_edits": (Need.READ, path("GET", CHANNEL + "/messages/{own}/edits")),
    "messages_edits other": (Need.SEE_EARLIER, path("GET", CHANNEL + "/messages/{other}/edits")),
    "pins_list": (Need.READ, path("GET", CHANNEL + "/pins")),
    "pins_add": (Need.PIN, path("PUT", CHANNEL + "/pins/{other}")),
    "pins_remove": (Need.PIN, path("DELETE", CHANNEL + "/pins/{other}")),
    "channels_update pins": (Need.MODERATE, path("PATCH", CHANNEL, {"everybody_pins": True})),
    "reactions_add": (Need.WRITE, path("PUT", CHANNEL + "/messages/{other}/reactions/x")),
    "reactions_remove": (Need.WRITE, path("DELETE", CHANNEL + "/messages/{other}/reactions/x")),
    "reports_create": (Need.READ, path("POST", CHANNEL + "/messages/{other}/reports", {"reason": "spam"})),
    "reports_list": (Need.TOKEN, path("GET", "/api/v1/reports")),
    "reports_resolve": (Need.MODERATE, path("POST", "/api/v1/reports/{report}/resolve", {"resolution": "dismissed"})),
    "memberships_join": (Need.READ, path("PUT", CHANNEL + "/membership")),
    "memberships_join level": (Need.READ, path("PUT", CHANNEL + "/membership", {"level": "nothing"})),
    "memberships_change": (Need.BELONG, path("PATCH", CHANNEL + "/membership", {"level": "all"})),
    "channels_hide": (Need.HIDE, path("PUT", CHANNEL + "/hidden")),
    "channels_show": (Need.HIDE, path("DELETE", CHANNEL + "/hidden")),
    "memberships_list": (Need.READ, path("GET", CHANNEL + "/membership")),
    "memberships_leave": (Need.LEAVE, path("DELETE", CHANNEL + "/membership")),
    "roles_set": (Need.MANAGE_ROLES, path("PUT", CHANNEL + "/roles/victim", {"role": "moderator"})),
    "roles_remove": (Need.MANAGE_ROLES, path("DELETE", CHANNEL + "/roles/victim")),
    "invites_list": (Need.MODERATE, path("GET", CHANNEL + "/invites")),
    "invites_create": (Need.INVITE, path("POST", CHANNEL + "/invites", {"uses": 1})),
    "invites_revoke": (Need.MODERATE, path("DELETE", "/api/v1/invites/{invite}")),
    "hooks_list": (Need.MODERATE, path("GET", CHANNEL + "/hooks")),
    "hooks_create": (Need.HOOK, path("POST", CHANNEL + "/hooks", {"name": "Grafana"})),
    "hooks_delete": (Need.MODERATE, path("DELETE", CHANNEL + "/hooks/{hook}")),
    "direct_open": (Need.TOKEN, path("POST", "/api/v1/direct", VICTIM)),
    "sanctions_list": (Need.TOKEN, path("GET", "/api/v1/sanctions")),
    "sanctions_create": (
        Need.SANCTION,
        path("POST", "/api/v1/sanctions", lambda scene: {**VICTIM, "kind": "mute", "channel": scene["key"]}),
    ),
    "sanctions_lift": (Need.SANCTION, path("DELETE", "/api/v1/sanctions/{sanction}")),
    "messages_purge": (
        Need.SANCTION,
        path("POST", "/api/v1/purge", lambda scene: {**VICTIM, "hours": 1, "channel": scene["key"]}),
    ),
    "audit_list": (Need.TOKEN, path("GET", "/api/v1/audit")),
}
ELSEWHERE = {"invites_accept", "hooks_post"}
"""Whose rule is about the invite or the webhook, not about the channel: see test_belonging and test_hooks."""
EVERYWHERE_FOR_STAFF = {
    "sanctions_create": {**VICTIM, "kind": "mute"},
    "messages_purge": {**VICTIM, "hours": 1},
}


@pytest.fixture
def scene() -> dict[str, dict[str, Any]]:
    """The stored scene, and in each channel a report, an invite and a sanction of the victim's."""
    names = {role: name_of(role) for role in (*ROLES, "victim")}
    users = {role: register(name) for role, name in names.items()}
    with contextlib.redirect_stdout(io.StringIO()) as said:
        build(names)
    found: dict[str, dict[str, Any]] = json.loads(said.getvalue().removeprefix("scene "))
    for each in found.values():
        channel = {"channel_id": channel_id(each["key"])}
        report = Report.objects.create(
            **channel,
            message_id=each["other"],
            author=users["victim"],
            reporter=users["stranger"],
            reason="x",
            text="hi",
        )
        each |= {
            "report": report.pk,
            "invite": Invite.objects.create(**channel).code,
            "hook": Hook.objects.create(**channel, name="x", digest=each["key"], user=speaker(each["key"])).pk,
            "sanction": Sanction.objects.create(**channel, kind="mute", user=users["victim"]).pk,
        }
        # So that the stranger's report of the matrix is a new one.
        Report.objects.filter(pk=report.pk).update(reporter=None)
    return found


def speaker(key: str) -> User:
    """The account of a channel's webhook."""
    user = User.objects.create(username=f"hook{key.replace('-', '')}", password="!", is_bot=True)
    Bot.objects.create(user=user, kind=Bot.Kind.HOOK)
    return user


def name_of(role: str) -> str:
    """Whoever is to be acted on is named in the requests above; "moderator" is nobody's name."""
    return role if role == "victim" else f"the{role}"


def channel_id(key: str) -> int:
    from chat.models import Channel

    return Channel.objects.get(key=key).pk


@pytest.fixture
def people(scene: dict[str, dict[str, Any]]) -> dict[str, Rest]:
    return {role: logged_in(User.objects.get(username=name_of(role))) for role in ROLES}


@contextlib.contextmanager
def undone() -> Iterator[None]:
    """Inside, as if it were for good; afterwards nothing happened."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def test_every_operation_is_in_the_matrix() -> None:
    document = orjson.loads(docs.document()[0])
    described = {
        operation["operationId"]
        for found in document["paths"].values()
        for operation in found.values()
        if {"channels", "messages", "threads", "memberships", "moderation", "hooks"} & set(operation["tags"])
    }
    assert {name.split()[0] for name in OPERATIONS} | ELSEWHERE == described


def test_each_role_may_in_each_kind_of_channel_what_the_matrix_says(
    scene: dict[str, dict[str, Any]], people: dict[str, Rest]
) -> None:
    wrong = []
    for cell in cells():
        for name, (need, request) in OPERATIONS.items():
            with undone():
                status, body = people[cell.role](*request(scene[str(cell)]))
            code = None if status < 400 else body["error"]["code"]
            if code != (expected := denial(need, cell)):
                wrong.append(f"{cell}: {name} gave {code}, not {expected}")
    assert wrong == []


@pytest.mark.parametrize("role", ROLES)
def test_what_holds_everywhere_is_staff_s(scene: dict[str, dict[str, Any]], people: dict[str, Rest], role: str) -> None:
    for name, fields in EVERYWHERE_FOR_STAFF.items():
        method, where, _ = OPERATIONS[name][1](scene[str(Cell("public", role))])
        with undone():
            status, body = people[role](method, where, fields)
        assert (status < 400) == (role == "staff"), (name, body)
        assert status < 400 or body["error"]["code"] == "forbidden"
