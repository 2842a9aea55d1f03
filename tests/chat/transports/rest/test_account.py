"""One's own sessions and one's own data, over REST."""

from __future__ import annotations

import base64
import stat
import time

import orjson
import pytest
from django.core.management import CommandError, call_command

from accounts import services
from accounts.authentication import verify_token
from chat.domain.ids import SessionId, UserId, WorkerId
from chat.domain.sessions import Grace, SessionInfo, Status, Transport
from chat.membership.roster import SessionEntry
from chat.models import Sanction, UserBlock
from chat.selectors import export
from tests.chat.transports.rest.test_openapi import check
from tests.support.pictures import RED, is_close, pixel, plain
from tests.support.rest import Rest, error_code, live, logged_in, post, register

pytestmark = pytest.mark.django_db


def entry(name: str, user_id: str, login: str, transport: Transport = Transport.NATIVE) -> SessionEntry:
    info = SessionInfo(
        SessionId(name),
        UserId(user_id),
        "ada",
        WorkerId(1, 1, 1, 1),
        transport,
        time.time(),
        Grace(),
        "192.0.2.1",
        login,
    )
    return SessionEntry(info, Status.ONLINE, set())


def test_sessions_are_listed_without_what_opens_them_and_ended_with_their_log_in() -> None:
    ada, bob = register("ada"), register("bob")
    here, there = services.tokens_issue(ada), services.tokens_issue(ada)
    logins = [str(verify_token(pair["access"]).login) for pair in (here, there)]
    with live() as runtime:
        runtime.sessions = [
            entry("secret-pid.1", str(ada.pk), logins[0], Transport.SOCKETIO),
            entry("two", str(ada.pk), logins[1]),
            entry("three", str(ada.pk), logins[1]),
            entry("four", str(bob.pk), logins[1]),
        ]
        answer = Rest(here["access"]).get("/api/v1/me/sessions")
        check(*answer, "/api/v1/me/sessions")
        found = answer[1]["results"]
        assert [(each["transport"], each["is_current"]) for each in found] == [
            ("socketio", True),
            ("native", False),
            ("native", False),
        ]
        assert "secret-pid" not in orjson.dumps(found).decode()
        path = f"/api/v1/me/sessions/{found[1]['id']}"
        assert Rest(services.tokens_issue(bob)["access"]).delete(path)[0] == 404
        status, body = Rest(here["access"]).delete(path)
        assert (status, body) == (204, None)
        assert runtime.ended == [(str(ada.pk), ["two", "three"])]
    assert Rest(there["access"]).get("/api/v1/me")[0] == 401
    assert error_code(Rest().post("/api/v1/tokens/refresh", {"refresh": there["refresh"]})[1]) == "not_authenticated"
    assert Rest(here["access"]).get("/api/v1/me")[0] == 200
    assert Rest().post("/api/v1/tokens/refresh", {"refresh": here["refresh"]})[0] == 200


def test_refreshed_tokens_belong_to_the_same_log_in_and_others_do_not() -> None:
    ada = register("ada")
    first = services.tokens_issue(ada)
    again = services.tokens_refresh(first["refresh"])
    assert verify_token(first["access"]).login == verify_token(again["access"]).login
    assert verify_token(services.tokens_issue(ada)["access"]).login != verify_token(first["access"]).login
    services.login_end(ada, login=verify_token(first["access"]).login)
    assert Rest(again["access"]).get("/api/v1/me")[0] == 401


def test_without_a_runtime_there_are_no_sessions_and_none_can_be_ended() -> None:
    rest = logged_in(register("ada"))
    assert rest.get("/api/v1/me/sessions") == (200, {"results": [], "next": None})
    assert rest.delete("/api/v1/me/sessions/x")[0] == 503


def test_the_export_holds_what_is_stored_of_oneself_in_pages_and_nothing_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(export.export_page, "__kwdefaults__", {"cursor": None, "limit": 2})
    ada, bob = register("ada"), register("bob")
    texts = [post(ada, f"text {index}")["text"] for index in range(5)]
    post(bob, "none of ada's business")
    UserBlock.objects.create(user=ada, blocked=bob)
    Sanction.objects.create(kind="mute", user=ada, reason="too loud")
    rest = logged_in(ada)
    answer = rest.get("/api/v1/me/export")
    check(*answer, "/api/v1/me/export")
    first = answer[1]
    assert first["account"]["username"] == "ada"
    assert {each["key"] for each in first["memberships"]} == {"general", "programming", "random"}
    assert first["blocks"][0]["username"] == "bob"
    assert first["sanctions"][0]["reason"] == "too loud"
    found, page = list(first["messages"]), first
    while page["next"]:
        page = rest.get(f"/api/v1/me/export?cursor={page['next']}")[1]
        assert page["memberships"] == []
        found += page["messages"]
    assert [each["text"] for each in found] == texts
    for junk in ("x", "1_x", "9" * 18 + "_" + "0" * 36, "_"):
        assert rest.get(f"/api/v1/me/export?cursor={junk}")[0] == 400


def test_the_command_writes_one_document_of_all_pages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path
) -> None:
    monkeypatch.setattr(export.export_page, "__kwdefaults__", {"cursor": None, "limit": 2})
    ada = register("ada")
    texts = [post(ada, f"text {index}")["text"] for index in range(5)]
    call_command("export_user", "ADA")
    document = orjson.loads(capsys.readouterr().out)
    assert [each["text"] for each in document["messages"]] == texts
    assert document["account"]["id"] == str(ada.pk)
    call_command("export_user", "ada", output=tmp_path / "ada.json")
    assert orjson.loads((tmp_path / "ada.json").read_bytes()) == document
    # Others on that machine could read all that somebody had ever written.
    assert stat.S_IMODE((tmp_path / "ada.json").stat().st_mode) == 0o600
    (tmp_path / "ada.json").chmod(0o644)
    call_command("export_user", "ada", output=tmp_path / "ada.json")
    assert stat.S_IMODE((tmp_path / "ada.json").stat().st_mode) == 0o600
    with pytest.raises(CommandError, match="no account"):
        call_command("export_user", "nobody")
    with pytest.raises(CommandError, match="can't be written"):
        call_command("export_user", "ada", output=tmp_path / "no" / "such")


def test_the_export_has_what_one_s_messages_said_before_and_what_one_pinned() -> None:
    ada = register("ada", is_staff=True)
    first, second = post(ada, "one"), post(ada, "kept")
    rest = logged_in(ada)
    message = f"/api/v1/channels/general/messages/{first['id']}"
    assert rest.patch(message, {"text": "two"})[0] == 200
    assert rest.send("PUT", f"/api/v1/channels/general/pins/{second['id']}", {}).status_code == 200
    answer = rest.get("/api/v1/me/export")
    check(*answer, "/api/v1/me/export")
    assert [[edit["text"] for edit in each["edits"]] for each in answer[1]["messages"]] == [["one"], []]
    assert [(each["message"], each["key"]) for each in answer[1]["pins"]] == [(second["id"], "general")]


def test_the_export_has_in_which_threads_one_is_and_what_one_said_there() -> None:
    ada, bob = register("ada"), register("bob")
    root = post(bob, "tea?")
    rest = logged_in(ada)
    reply = {"text": "green", "nonce": "1", "thread": root["id"]}
    status, made = rest.post("/api/v1/channels/general/messages", reply)
    assert status == 201
    assert rest.put(f"/api/v1/channels/general/threads/{root['id']}/read", {"number": made["number"]})[0] == 200
    answer = rest.get("/api/v1/me/export")
    check(*answer, "/api/v1/me/export")
    assert [(each["text"], each["thread"]) for each in answer[1]["messages"]] == [("green", root["id"])]
    assert [(each["thread"], each["is_on"], each["read_number"]) for each in answer[1]["threads"]] == [
        (root["id"], True, made["number"])
    ]


def test_the_export_has_what_one_shows_of_oneself_and_the_picture() -> None:
    ada = register("ada")
    rest = logged_in(ada)
    rest.patch("/api/v1/me", {"display_name": "Ada Lovelace", "status_text": "Counting"})
    assert rest("PUT", "/api/v1/me/avatar", plain(), content_type="image/png")[0] == 200
    account = rest.get("/api/v1/me/export")[1]["account"]
    assert (account["display_name"], account["status_text"]) == ("Ada Lovelace", "Counting")
    assert is_close(pixel(base64.b64decode(account["avatar"]), (128, 128)), RED)
