"""The page of a user: what it shows, and that each of its buttons does what it says, asks first where it hurts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from chat import services
from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.domain.sessions import SessionInfo, Status, Transport
from chat.membership.protocol import Mandate, Position, Snapshot, SnapshotSession
from chat.membership.replica import Replica
from chat.models import AuditEntry, Message, Sanction
from chat.selectors import user_ref
from tests.support.rest import live, logged_in, post, register
from tests.support.staff import page_of, press

pytestmark = pytest.mark.django_db


def replica_with(user: User, *channels: str) -> Replica:
    """A replica that shows one live session of the user."""
    info = SessionInfo(
        SessionId("s1"), UserId(str(user.pk)), user.username, WorkerId(1, 1, 2, 7), Transport.SOCKETIO, 1_700_000_000.0,
        address="198.51.100.7",
    )  # fmt: skip
    session = SnapshotSession(info, Status.AWAY, frozenset(map(ChannelKey, channels)), None)
    found = Replica(WorkerId(1, 1, 0, 1))
    found.follow(Mandate(1, ""))
    found.restore(Snapshot(Position(1, 1), (session,)), 0.0)
    return found


def test_it_shows_live_sessions_of_every_worker_and_where_they_are(mia: Client, ada: User) -> None:
    services.channel_create(user=user_ref(register("bob")), name="Bobs", kind="unlisted", key="bobs")
    with live() as runtime:
        runtime.replica = replica_with(ada, "bobs", "general")  # type: ignore[attr-defined]
        page = mia.get(page_of(ada)).content.decode()
    for shown in ("socketio", "198.51.100.7", "2023-11-14 22:13", "<td>1.1.2.7</td>", "away", "visitor"):
        assert shown in page
    assert re.search(r"Bobs</a>.*in it", page)


def test_it_shows_what_was_said_and_done_but_not_to_one_person_alone(mia: Client, boss: Client, ada: User) -> None:
    bob = register("bob")
    post(ada, "said to all <b>")
    key = services.direct_open(user=user_ref(ada), username="bob")[0].channel.key
    post(ada, "said to bob alone", key)
    services.report_create(
        user=user_ref(bob), key="general", message_id=str(Message.objects.get(number=1, channel__key="general").pk),
        reason="quite rude",
    )  # fmt: skip
    press(mia, ada, "mute", reason="be quiet", duration="3600", place="random")
    page, all_of_it = (client.get(page_of(ada)).content.decode() for client in (mia, boss))
    for shown in ("said to all &lt;b&gt;", "quite rude", "be quiet", "Random"):
        assert shown in page
    assert "said to bob alone" not in page
    assert "said to bob alone" in all_of_it


def test_a_ban_is_stored_with_its_reason_and_ends_every_token(mia: Client, ada: User) -> None:
    rest = logged_in(ada)
    assert press(mia, ada, "ban", reason="", duration="3600") == ["Reason: This field is required."]
    assert rest.get("/api/v1/me")[0] == 200
    said = press(mia, ada, "ban", reason="spam", duration="604800")
    assert re.fullmatch(r"ada is banned everywhere until [\d :-]+ UTC\.", said[0])
    assert rest.get("/api/v1/me")[0] == 403
    ban = Sanction.objects.get()
    assert (ban.kind, ban.reason, ban.channel, ban.issued_by and ban.issued_by.username) == ("ban", "spam", None, "mia")
    assert ban.until
    assert timedelta(days=6, hours=23) < ban.until - datetime.now(UTC) <= timedelta(days=7)
    assert press(mia, ada, "lift", sanction=ban.pk) == ["The ban of ada is lifted."]
    assert rest.get("/api/v1/me")[0] == 401


def test_a_ban_for_good_is_asked_about_first(mia: Client, ada: User) -> None:
    form = {"reason": "spam <again>", "duration": "0", "place": ""}
    path = page_of(ada).replace("/change/", "/do/ban/")
    asked = mia.post(path, form)
    assert b"Ban ada everywhere for good?" in asked.content
    assert not Sanction.objects.exists()
    hidden = dict(asked.context["posted"])
    assert hidden == form
    assert mia.post(path, {**hidden, "confirmed": "yes"}).status_code == 302
    assert Sanction.objects.get().until is None


def test_mute_and_kick_name_their_place(mia: Client, ada: User) -> None:
    assert press(mia, ada, "mute", reason="r", duration="3600", place="general")[0].startswith(
        "ada is muted in general"
    )
    assert press(mia, ada, "kick", reason="r", place="random") == ["ada was kicked from random."]
    assert press(mia, ada, "kick", reason="r", place="nowhere") == ["There is no such channel."]
    assert sorted(Sanction.objects.values_list("kind", "channel__key")) == [("kick", "random"), ("mute", "general")]


def test_messages_of_the_last_hours_are_deleted_after_a_question(mia: Client, ada: User) -> None:
    post(ada, "one")
    post(ada, "two", "random")
    form = {"reason": "spam", "hours": 24, "place": "random"}
    assert press(mia, ada, "purge", **form) == []
    assert not Message.objects.filter(text="").exists()
    assert press(mia, ada, "purge", **form, confirmed="yes") == ["Messages of ada deleted: 1."]
    assert [message.text for message in Message.objects.order_by("channel_id")] == ["one", ""]


def test_logging_out_everywhere_ends_tokens_and_is_written_down(mia: Client, ada: User) -> None:
    rest = logged_in(ada)
    assert press(mia, ada, "log_out") == ["ada is logged out everywhere."]
    assert rest.get("/api/v1/me")[0] == 401
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.target) == ("mia", "log_out", "ada")


def test_changed_rights_are_written_down(boss: Client, ada: User) -> None:
    form = {"username": "ada", "is_staff": "on"}
    assert boss.post(page_of(ada), form).status_code == 302
    entry = AuditEntry.objects.get(action="account.rights")
    assert (entry.actor, entry.target, entry.details) == ("boss", "ada", {"is_staff": True})


def test_the_page_asks_the_same_number_of_questions_whatever_it_shows(
    mia: Client, ada: User, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(20) as few:
        mia.get(page_of(ada))
    asked = len(few)
    for number in range(5):
        made = post(ada, f"m{number}", "random")
        services.report_create(
            user=user_ref(User.objects.get(username="mia")), key="random", message_id=made["id"], reason="why"
        )
        press(mia, ada, "mute", reason="r", duration="3600", place="general")
    with django_assert_max_num_queries(asked):
        mia.get(page_of(ada))


def test_back_leads_nowhere_else(mia: Client, ada: User) -> None:
    path = page_of(ada).replace("/change/", "/do/log_out/")
    for back in ("https://evil.example/admin/", "//evil.example/admin/", "/auth/", "javascript:alert(1)"):
        assert mia.post(path, {"back": back})["Location"] == page_of(ada)
    assert mia.post(path, {"back": "/admin/chat/report/?p=2"})["Location"] == "/admin/chat/report/?p=2"
