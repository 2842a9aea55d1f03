"""Bots: who makes them, what their tokens open, and when both end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.utils import timezone

from accounts import bot_tokens, bots, deletion, services
from accounts.authentication import TokenKind, user_for_claims, verify_token
from accounts.bots import BotMadeData
from accounts.models import Bot, EndedLogin, User
from accounts.standing import accounts_by_id, logins_ended, why_off
from chat.models import Hook
from reaktor.errors import (
    BannedError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NameTakenError,
    NotAuthenticatedError,
    NotFoundError,
)
from reaktor.process import announce
from reaktor.process.orders import END_LOGIN, END_SESSIONS
from tests.support.rest import PASSWORD, Rest, error_code, logged_in, register

pytestmark = [pytest.mark.django_db, pytest.mark.database]

OLD = timedelta(days=30)


@pytest.fixture
def ada() -> User:
    return register("ada", created_at=timezone.now() - OLD)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What was announced on the bus, where no node runs to carry it."""
    heard: list[tuple[str, Any]] = []
    monkeypatch.setattr(announce, "say", lambda group, kind, body: heard.append((kind, body)))
    return heard


def made(owner: User | None, name: str = "pingbot", **fields: Any) -> BotMadeData:
    return bots.bot_create(owner=owner, username=name, **fields)


def speaks(token: str) -> User:
    """Whose token it is, in the way of every transport."""
    return user_for_claims(verify_token(token))


def bot_of(found: BotMadeData) -> Bot:
    return Bot.objects.select_related("user").get(pk=found["bot"]["id"])


def test_a_bot_is_an_account_without_a_password_that_its_token_speaks_for(ada: User) -> None:
    found = made(ada, display_name="Ping")
    assert re.fullmatch(r"rkb_[\w-]+\.[\w-]+\.[\w-]+", found["token"])
    user = speaks(found["token"])
    assert (user.username, user.display_name, user.is_bot, user.is_staff) == ("pingbot", "Ping", True, False)
    assert not user.has_usable_password()
    claims = verify_token(found["token"])
    assert (claims.kind, claims.user_id, claims.can_write) == (TokenKind.BOT, str(user.pk), True)
    assert bots.bots_of(ada) == [found["bot"]]
    assert found["bot"]["token"] is not None
    assert found["bot"]["token"]["scopes"] == ["read", "write"]


def test_the_store_has_a_digest_and_no_token(ada: User) -> None:
    token = made(ada)["token"]
    (row,) = Bot.objects.values()
    assert token not in str(row)
    assert row["digest"] == bot_tokens.digest_of(token)


def test_what_is_not_the_very_token_that_was_shown_is_refused(ada: User) -> None:
    token = made(ada)["token"]
    bot = Bot.objects.select_related("user").get()
    assert bot.login is not None
    signed_alike = bot_tokens.token_make(bot.user, bot.login, "read write")
    access = services.tokens_issue(ada)["access"]
    for wrong in (
        signed_alike,
        token.removeprefix("rkb_"),
        f"rkb_{access}",
        f"{token}x",
        "rkb_",
        "rkb_x.y.z",
        token[:-2],
    ):
        with pytest.raises(NotAuthenticatedError):
            speaks(wrong)


def test_a_bot_logs_in_nowhere(ada: User) -> None:
    bot = bot_of(made(ada)).user
    with pytest.raises(NotAuthenticatedError):
        services.user_authenticate(username="pingbot", password=PASSWORD, address="192.0.2.1")
    with pytest.raises(ForbiddenError):
        services.password_set(bot, "correct horse 8")
    User.objects.filter(pk=bot.pk).update(password=services.app().hashing.hash(PASSWORD))
    with pytest.raises(NotAuthenticatedError):
        services.user_authenticate(username="pingbot", password=PASSWORD, address="192.0.2.1")


@pytest.fixture
def by_staff_alone() -> Iterator[None]:
    app: Any = apps.get_app_config("accounts")
    app.bots_by_members = False
    yield
    app.bots_by_members = True


def test_who_may_make_none(ada: User) -> None:
    new = register("newcomer")
    with pytest.raises(ForbiddenError, match="too new"):
        made(new)
    new.is_staff = True
    new.save()
    made(new)
    with pytest.raises(ForbiddenError, match="makes no bots"):
        made(speaks(made(ada, "other")["token"]), "third")


@pytest.mark.usefixtures("by_staff_alone")
def test_where_staff_alone_makes_bots(ada: User) -> None:
    with pytest.raises(ForbiddenError, match="Only staff"):
        made(ada)
    ada.is_staff = True
    ada.save()
    made(ada)


def test_an_account_has_ten_bots_and_one_less_is_one_more(ada: User) -> None:
    found = [made(ada, f"bot{number}") for number in range(bots.MAX_BOTS)]
    with pytest.raises(ConflictError):
        made(ada, "onemore")
    bots.bot_delete(ada, found[0]["bot"]["id"])
    made(ada, "onemore")
    assert len(bots.bots_of(ada)) == bots.MAX_BOTS


@pytest.mark.parametrize("scopes", [[], ["admin"], ["read", "write", "x"]])
def test_scopes_that_there_are_not_are_refused(ada: User, scopes: list[str]) -> None:
    with pytest.raises(InvalidError):
        made(ada, scopes=scopes)
    assert not Bot.objects.exists()


def test_a_name_is_a_name_like_any_other(ada: User) -> None:
    with pytest.raises(NameTakenError):
        made(ada, "ADA")
    with pytest.raises(InvalidError):
        made(ada, "system")
    assert not User.objects.filter(is_bot=True).exists()


def test_another_token_ends_the_one_before_and_its_sessions(
    ada: User, said: list[tuple[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    found = made(ada)
    login = str(verify_token(found["token"]).login)
    with django_capture_on_commit_callbacks(execute=True):
        again = bots.bot_token_make(bot_of(found), ["read"])
    assert speaks(again["token"]).username == "pingbot"
    assert not verify_token(again["token"]).can_write
    with pytest.raises(NotAuthenticatedError):
        speaks(found["token"])
    assert [(kind, body["login"]) for kind, body in said] == [(END_LOGIN, login)]
    assert logins_ended([login]) == {login}, "a session that was not told is found by its log-in"


def test_a_revoked_token_is_no_good_and_revoking_again_changes_nothing(
    ada: User, said: list[tuple[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    found = made(ada)
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            bots.bot_token_revoke(bot_of(found))
    assert [kind for kind, _ in said] == [END_LOGIN]
    assert EndedLogin.objects.count() == 1
    with pytest.raises(NotAuthenticatedError):
        speaks(found["token"])
    with pytest.raises(NotFoundError):
        bots.token_data(bot_of(found))
    assert bots.bots_of(ada)[0]["token"] is None


@pytest.mark.parametrize("off", ["disabled", "banned"])
def test_while_its_owner_is_off_a_bot_is_off_and_its_sessions_end(
    ada: User, said: list[tuple[str, Any]], off: str, django_capture_on_commit_callbacks: Any
) -> None:
    found = made(ada)
    with django_capture_on_commit_callbacks(execute=True):
        if off == "disabled":
            services.user_disable(ada)
        else:
            services.user_ban(ada, until=None, reason="a secret reason")
    ended = [body["user_id"] for kind, body in said if kind == END_SESSIONS]
    assert ended == [str(ada.pk), found["bot"]["id"]]
    assert "secret" not in str(said[1])
    with pytest.raises(BannedError) as caught:
        speaks(found["token"])
    assert "secret" not in str(caught.value.as_data())
    held = accounts_by_id([found["bot"]["id"]])[found["bot"]["id"]]
    assert why_off(held) is not None, "a session that was not told is found by its owner"
    (services.user_enable if off == "disabled" else services.user_unban)(ada)
    assert speaks(found["token"]).username == "pingbot"


def test_bots_end_with_their_owner_and_webhooks_stay_switched_off(ada: User) -> None:
    found = made(ada)
    hook = bots.bot_account_make(owner=ada, username="grafana", display_name="Grafana", kind=Bot.Kind.HOOK)
    deletion.user_delete(ada, password=PASSWORD)
    bot = bot_of(found)
    assert (bot.user.username[:7], bot.user.is_active, bot.login) == ("deleted", False, None)
    with pytest.raises(BannedError):
        speaks(found["token"])
    hook.user.refresh_from_db()
    assert hook.user.username == "grafana"
    assert why_off(hook.user) is not None


def test_a_ban_of_the_bot_itself_ends_its_token_for_good(ada: User) -> None:
    found = made(ada)
    services.user_ban(bot_of(found).user, until=timezone.now() + timedelta(hours=1))
    with pytest.raises(BannedError):
        speaks(found["token"])
    services.user_unban(bot_of(found).user)
    with pytest.raises(NotAuthenticatedError):
        speaks(found["token"])
    assert bots.bots_of(ada)[0]["token"] is None
    speaks(bots.bot_token_make(bot_of(found))["token"])
    assert bots.bots_of(ada)[0]["token"] is not None


def test_a_bot_that_logs_itself_out_somewhere_has_ended_its_one_token(ada: User) -> None:
    found = made(ada)
    services.login_end(bot_of(found).user, login=verify_token(found["token"]).login)
    with pytest.raises(NotAuthenticatedError):
        speaks(found["token"])
    assert bots.bots_of(ada)[0]["token"] is None


def test_a_bot_of_which_nothing_else_is_known_is_off() -> None:
    stray = User.objects.create(username="stray", password="!", is_bot=True)
    assert why_off(accounts_by_id([str(stray.pk)])[str(stray.pk)]) is not None


def test_the_verifier_asks_the_store_one_question(ada: User, django_assert_num_queries: Any) -> None:
    claims = verify_token(made(ada)["token"])
    with django_assert_num_queries(1):
        user_for_claims(claims)
    person = verify_token(services.tokens_issue(ada)["access"])
    with django_assert_num_queries(1):
        assert not user_for_claims(person).is_bot
    with django_assert_num_queries(1):
        assert why_off(accounts_by_id([claims.user_id])[claims.user_id]) is None


# -- REST ---------------------------------------------------------------------------------------------------------


BOTS = "/api/v1/me/bots"


def test_over_rest_a_bot_is_made_seen_and_deleted(ada: User) -> None:
    rest = logged_in(ada)
    status, found = rest.post(BOTS, {"username": "pingbot", "scopes": ["write"]})
    assert (status, found["bot"]["token"]["scopes"]) == (201, ["read", "write"])
    assert rest.get(BOTS) == (200, {"results": [found["bot"]], "next": None})
    bot = Rest(found["token"])
    assert bot.get("/api/v1/me")[1]["is_bot"] is True
    assert rest.get("/api/v1/me")[1]["is_bot"] is False
    path = f"{BOTS}/{found['bot']['id']}"
    assert rest.get(f"{path}/token") == (200, found["bot"]["token"])
    status, again = rest.post(f"{path}/token", {})
    assert (status, again["scopes"]) == (201, ["read", "write"])
    assert (bot.get("/api/v1/me")[0], Rest(again["token"]).get("/api/v1/me")[0]) == (401, 200)
    assert rest.delete(f"{path}/token")[0] == 204
    assert rest.get(f"{path}/token")[0] == 404
    assert rest.delete(path)[0] == 204
    assert rest.get(BOTS)[1]["results"] == []
    assert rest.delete(path)[0] == 404


def test_somebody_elses_bot_is_no_bot(ada: User) -> None:
    found = made(ada)
    other = logged_in(register("ben", created_at=timezone.now() - OLD))
    hook = bots.bot_account_make(owner=ada, username="grafana", display_name="", kind=Bot.Kind.HOOK)
    for rest, bot_id in ((other, found["bot"]["id"]), (logged_in(ada), str(hook.pk)), (other, "x"), (other, "%00")):
        for method, path in (("DELETE", bot_id), ("GET", f"{bot_id}/token"), ("POST", f"{bot_id}/token")):
            status, body = rest(method, f"{BOTS}/{path}", {})
            assert (status, error_code(body)) == (404, "not_found")
    speaks(found["token"])


@pytest.mark.parametrize(
    "body", [{}, {"username": "x"}, {"username": "pingbot", "scopes": "read"}, {"username": "pingbot", "scopes": []}]
)
def test_bad_input_is_named(ada: User, body: dict[str, Any]) -> None:
    status, answer = logged_in(ada).post(BOTS, body)
    assert (status, bool(answer["error"]["fields"])) == (400, True)


def test_a_bot_has_none_of_what_needs_a_password(ada: User) -> None:
    bot = Rest(made(ada)["token"])
    assert bot.post("/api/v1/me/password", {"old": "x", "new": "correct horse 8"})[0] == 403
    assert bot("DELETE", "/api/v1/me", {"password": "x"})[0] == 403
    assert bot.post(BOTS, {"username": "another", "scopes": ["read"]})[0] == 403


def test_what_a_bot_writes_is_marked_and_what_people_write_is_not(ada: User) -> None:
    messages = "/api/v1/channels/general/messages"
    status, said = Rest(made(ada)["token"]).post(messages, {"text": "pong", "nonce": "1"})
    assert (status, said["via"]) == (201, {"kind": "bot", "name": None})
    assert "via" not in logged_in(ada).post(messages, {"text": "ping", "nonce": "1"})[1]
    read = logged_in(ada).get(messages)[1]["messages"]
    assert [each.get("via") for each in read] == [{"kind": "bot", "name": None}, None]
    gone = Rest(made(ada, "other")["token"])
    gone_id = gone.post(messages, {"text": "oops", "nonce": "1"})[1]["id"]
    assert gone.delete(f"{messages}/{gone_id}")[1]["via"] == {"kind": "bot", "name": None}


def test_an_export_names_ones_bots_and_webhooks(ada: User) -> None:
    made(ada, display_name="Ping")
    from chat.models import Channel

    hook = bots.bot_account_make(owner=ada, username="grafana", display_name="", kind=Bot.Kind.HOOK)
    Hook.objects.create(
        channel=Channel.objects.get(key="general"), user=hook.user, name="Grafana", digest="d", created_by=ada
    )
    page = logged_in(ada).get("/api/v1/me/export")[1]
    (bot,) = page["bots"]
    assert (bot["username"], bot["display_name"], bot["scopes"]) == ("pingbot", "Ping", "read write")
    (found,) = page["hooks"]
    assert (found["name"], found["key"]) == ("Grafana", "general")
    assert "digest" not in str(page)
