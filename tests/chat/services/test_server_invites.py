"""Server invites: who makes them, what they open and for how many, and when they no longer do."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from accounts import registration
from accounts.models import User
from chat import services
from chat.models import AuditEntry, ChannelMembership, ServerInvite
from chat.selectors import user_ref as ref_of
from reaktor.config.model import Limits
from reaktor.errors import ForbiddenError, InvalidError, NotFoundError, ReaktorError
from tests.support.databases import channel_of, user_ref
from tests.support.rest import PASSWORD, Rest, error_code, logged_in, register, set_limits

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture(autouse=True)
def by_invite(monkeypatch: pytest.MonkeyPatch) -> None:
    """That mode, and nothing counted yet."""
    set_limits(Limits())
    monkeypatch.setattr(apps.get_app_config("accounts"), "registration", "invite")


def make(by_members: bool = False, **fields: Any) -> str:
    """The code of an invite by somebody of the staff."""
    user = fields.pop("user", None) or user_ref("root", is_staff=True)
    return services.server_invite_create(user=user, by_members=by_members, **fields)["code"]


def use(code: str, name: str = "ada") -> User:
    return registration.account_create(username=name, password=PASSWORD, invite=code, ip="192.0.2.1")[0]


def test_an_invite_makes_as_many_accounts_as_it_has_uses_and_no_more() -> None:
    code = make(uses=2)
    use(code, "ada")
    use(code, "bob")
    with pytest.raises(ForbiddenError, match="not good"):
        use(code, "eve")
    invite = ServerInvite.objects.get()
    assert (invite.uses_left, invite.used) == (0, 2)
    assert not User.objects.filter(username="eve").exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_no_more_get_in_than_there_are_uses() -> None:
    set_limits(Limits(enabled=False))
    code, names = make(uses=3), [f"user{number}" for number in range(8)]
    start, made = threading.Barrier(len(names)), []

    def enter(name: str) -> None:
        try:
            start.wait()
            made.append(use(code, name))
        except ForbiddenError:
            return
        finally:
            connection.close()

    threads = [threading.Thread(target=enter, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == User.objects.filter(username__in=names).count() == 3
    assert ServerInvite.objects.get().uses_left == 0


def test_an_account_that_is_not_made_uses_nothing_up() -> None:
    code = make(uses=1)
    register("ada")
    with pytest.raises(ReaktorError):
        use(code, "Ada")
    assert ServerInvite.objects.get().uses_left == 1


def test_an_invite_that_is_over_revoked_or_of_somebody_who_may_invite_no_longer_is_no_good() -> None:
    root = user_ref("root", is_staff=True)
    over = make(user=root, expires_at=datetime.now(UTC) + timedelta(hours=1))
    ServerInvite.objects.update(expires_at=datetime.now(UTC))
    revoked = make(user=root)
    services.server_invite_revoke(user=root, code=revoked)
    services.server_invite_revoke(user=root, code=revoked)
    left = make(user=root)
    for code in (over, revoked, "nonsense", "a\x00b"):
        with pytest.raises(ForbiddenError):
            use(code)
    User.objects.filter(pk=root.id).update(banned_until=datetime.now(UTC) + timedelta(days=1))
    with pytest.raises(ForbiddenError):
        use(left)
    User.objects.filter(pk=root.id).update(banned_until=None, is_staff=False)
    with pytest.raises(ForbiddenError):
        use(left)
    User.objects.filter(pk=root.id).update(is_staff=True)
    assert use(left).username == "ada"


def test_members_invite_only_where_the_server_lets_them() -> None:
    mia = user_ref("mia")
    with pytest.raises(ForbiddenError, match="Only staff"):
        services.server_invite_create(user=mia, by_members=False)
    code = make(user=mia, by_members=True)
    with pytest.raises(NotFoundError):
        services.server_invite_use(user=mia, code=code, by_members=False)


def test_the_new_account_begins_in_the_channels_into_which_its_inviter_may_invite() -> None:
    mia = user_ref("mia")
    for key, kind in (("tea", "public"), ("secret", "private"), ("den", "unlisted")):
        channel_of(mia, key, kind)
    code = make(user=mia, by_members=True, channels=["tea", "secret", "den", "tea"])
    ChannelMembership.objects.filter(channel__key="den").update(role="member")
    ada = user_ref("ada")
    services.server_invite_use(user=ada, code=code, by_members=True)
    mine = ChannelMembership.objects.filter(user__pk=ada.id).values_list("channel__key", flat=True)
    assert set(mine) == {"tea", "secret"}, "mia does not moderate den any more"


def test_nobody_invites_into_what_they_do_not_moderate_or_see() -> None:
    mia, bob = user_ref("mia"), user_ref("bob")
    channel_of(bob, "secret", "private")
    channel_of(bob, "den", "unlisted")
    for key, error in (("secret", NotFoundError), ("den", ForbiddenError), ("none", NotFoundError)):
        with pytest.raises(error):
            make(user=mia, by_members=True, channels=[key])
    dm = services.direct_open(user=mia, username="bob")[0].channel.key
    with pytest.raises(InvalidError):
        make(user=mia, by_members=True, channels=[dm])
    assert not ServerInvite.objects.exists()


def test_staff_see_and_revoke_all_others_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    mia, bob = register("mia"), register("bob")
    root = register("root", is_staff=True)
    by_staff = logged_in(root).post("/api/v1/server-invites", {"uses": 1, "channels": []})[1]["code"]
    of_mia = make(user=ref_of(mia), by_members=True)
    chat = apps.get_app_config("chat")
    monkeypatch.setattr(chat, "config", replace(chat.config, member_invites=True))
    seen = {
        user.username: {each["code"] for each in logged_in(user).get("/api/v1/server-invites")[1]["results"]}
        for user in (mia, bob, root)
    }
    assert seen == {"mia": {of_mia}, "bob": set(), "root": {by_staff, of_mia}}
    assert logged_in(bob).delete(f"/api/v1/server-invites/{of_mia}")[0] == 404
    assert logged_in(mia).delete(f"/api/v1/server-invites/{of_mia}") == (204, None)
    assert logged_in(mia).delete(f"/api/v1/server-invites/{by_staff}")[0] == 404
    assert [entry.action for entry in AuditEntry.objects.order_by("id")][-3:] == [
        "server_invite.create", "server_invite.create", "server_invite.revoke",
    ]  # fmt: skip


def test_anybody_sees_whether_an_invite_is_good_and_guessing_is_slow() -> None:
    code = make()
    stranger = Rest("not.a.token")
    assert stranger.get(f"/api/v1/server-invites/{code}") == (
        200, {"code": code, "invited_by": "root", "expires_at": None},
    )  # fmt: skip
    assert Rest().get("/api/v1/server-invites/none")[0] == 404
    assert Rest().delete(f"/api/v1/server-invites/{code}")[0] == 401
    answers = [Rest().get(f"/api/v1/server-invites/guess{number}")[0] for number in range(30)]
    assert (answers[:28], answers[28:]) == ([404] * 28, [429, 429])


def test_members_who_may_not_invite_are_told_so_by_rest() -> None:
    status, body = logged_in(register("mia")).post("/api/v1/server-invites", {})
    assert (status, error_code(body)) == (403, "forbidden")


def test_the_invites_of_a_deleted_account_let_nobody_in() -> None:
    root = register("root", is_staff=True)
    code = make(user=ref_of(root))
    logged_in(root)("DELETE", "/api/v1/me", {"password": PASSWORD})
    User.objects.update(is_active=True, is_staff=True)
    with pytest.raises(ForbiddenError):
        use(code)


def test_an_invite_is_approval_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps.get_app_config("accounts"), "registration", "approval")
    account = {"username": "ada", "password": PASSWORD, "invite": make()}
    assert Rest().post("/api/v1/accounts", account)[0] == 201


def test_a_bot_invites_nobody() -> None:
    bot = User.objects.create(username="pingbot", password="!", is_bot=True)
    with pytest.raises(ForbiddenError, match="bot"):
        make(by_members=True, user=ref_of(bot))
