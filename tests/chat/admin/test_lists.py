"""The admin of channels and messages: bounded lists, read-only where order rests on it, changes by the services."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from chat import services
from chat.domain.errors import ArchivedError
from chat.models import AuditEntry, Channel, Message
from chat.search.indexing import index_now
from chat.selectors import user_ref
from tests.support.rest import post, register

pytestmark = [pytest.mark.django_db, pytest.mark.database]
CHANNELS, MESSAGES = "/admin/chat/channel/", "/admin/chat/message/"


def listed(client: Client, path: str) -> list[Any]:
    answer = client.get(path)
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


def texts(client: Client, query: str) -> list[str]:
    """Sorted: two messages of one millisecond have no order among all channels."""
    return sorted(message.text for message in listed(client, f"{MESSAGES}?q={query}"))


def test_channels_are_found_by_a_part_of_the_name_or_the_whole_key(mia: Client) -> None:
    Channel.objects.create(key="k-1", name="Ada's corner", kind="unlisted")
    assert [channel.key for channel in listed(mia, f"{CHANNELS}?q=corner")] == ["k-1"]
    assert [channel.key for channel in listed(mia, f"{CHANNELS}?q=k-1")] == ["k-1"]
    assert listed(mia, f"{CHANNELS}?q=k-") == []
    assert len(listed(mia, f"{CHANNELS}?kind__exact=public")) == 3
    assert len(listed(mia, f"{CHANNELS}?archived_at__isempty=1")) == 4


def test_a_channel_is_made_and_renamed_by_the_rules(boss: Client) -> None:
    form = {"name": "  Made by hand ", "topic": "", "kind": "unlisted"}
    assert boss.post(f"{CHANNELS}add/", form).status_code == 302
    made = Channel.objects.get(name="Made by hand")
    assert (made.kind, made.created_by.username if made.created_by else "") == ("unlisted", "boss")
    path = f"{CHANNELS}{made.pk}/change/"
    assert boss.post(path, {"name": " ", "topic": "", "kind": "public"}).status_code == 200
    assert boss.post(path, {"name": "New", "topic": "t", "kind": "public", "seq": 9, "number": 9}).status_code == 302
    made.refresh_from_db()
    assert (made.name, made.topic, made.kind, made.seq, made.number) == ("New", "t", "unlisted", 0, 0)
    assert boss.post(f"{CHANNELS}add/", {**form, "kind": "direct"}).status_code == 200


def test_a_channel_gets_rules_of_its_own_for_retention(boss: Client) -> None:
    general = Channel.objects.get(key="general")
    form = {"name": general.name, "topic": "", "kind": "public"}
    boss.post(f"{CHANNELS}{general.pk}/change/", {**form, "retention_days": "30", "retention_messages": ""})
    general.refresh_from_db()
    assert (general.retention_days, general.retention_messages) == (30, None)
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.channel, entry.details["retention_days"]) == ("channel.update", "general", 30)
    assert boss.post(f"{CHANNELS}{general.pk}/change/", {**form, "retention_days": "-1"}).status_code == 200


def test_a_channel_is_archived_and_never_deleted(boss: Client) -> None:
    general = Channel.objects.get(key="general")
    boss.post(CHANNELS, {"action": "archive", "_selected_action": [general.pk]})
    general.refresh_from_db()
    assert general.archived_at
    assert boss.post(f"{CHANNELS}{general.pk}/delete/", {"post": "yes"}).status_code == 403


def test_messages_are_found_by_channel_author_and_words(mia: Client, ada: User) -> None:
    bob = register("bob")
    post(ada, "first words")
    post(bob, "other words")
    post(ada, "elsewhere", "random")
    index_now()
    assert texts(mia, "") == ["elsewhere", "first words", "other words"]
    assert texts(mia, "in:general") == ["first words", "other words"]
    assert texts(mia, "by:ADA") == ["elsewhere", "first words"]
    assert texts(mia, "by:ada+in:general+WORDS") == ["first words"]
    assert texts(mia, "words+first") == ["first words"]
    for nothing in ("by:nobody", "in:nowhere", "by:%25", "absent"):
        assert texts(mia, nothing) == []
    assert len(listed(mia, f"{MESSAGES}?when=1")) == 3
    assert len(listed(mia, f"{MESSAGES}?when=junk")) == 3


def test_a_text_is_taken_away_and_its_place_is_kept(mia: Client, ada: User) -> None:
    made = post(ada, "rude")
    assert mia.get(f"{MESSAGES}{made['id']}/change/").status_code == 200
    assert mia.post(f"{MESSAGES}{made['id']}/change/", {"text": "polite"}).status_code == 403
    assert mia.post(f"{MESSAGES}{made['id']}/delete/", {"post": "yes"}).status_code == 403
    assert mia.get(f"{MESSAGES}add/").status_code == 403
    mia.post(MESSAGES, {"action": "take_away", "_selected_action": [made["id"]]})
    message = Message.objects.get(pk=made["id"])
    assert (message.text, message.number, message.changed_seq) == ("", 1, 2)


def test_a_message_s_page_shows_what_it_said_before(mia: Client, ada: User) -> None:
    made = post(ada, "very <rude>")
    page = f"{MESSAGES}{made['id']}/change/"
    assert "very &lt;rude&gt;" in mia.get(page).content.decode()
    services.message_edit(user=user_ref(ada), key="general", message_id=made["id"], text="polite", max_chars=100)
    shown = mia.get(page).content.decode()
    assert "polite" in shown
    assert ": very &lt;rude&gt;" in shown


def test_what_is_refused_is_said_and_not_done(mia: Client, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    made = post(ada, "kept")

    def refuse(**asked: Any) -> None:
        raise ArchivedError

    monkeypatch.setattr(services, "message_delete", refuse)
    answer = mia.post(MESSAGES, {"action": "take_away", "_selected_action": [made["id"]]}, follow=True)
    assert b"This channel is archived." in answer.content
    assert Message.objects.get(pk=made["id"]).text == "kept"


def test_lists_ask_a_fixed_number_of_questions_and_none_that_counts_the_whole_table(
    mia: Client, ada: User, django_assert_max_num_queries: Any
) -> None:
    for index in range(30):
        post(ada, f"m {index}")
    index_now()
    Channel.objects.bulk_create(Channel(key=f"k{n}", name="x", kind="public") for n in range(30))
    for path in (CHANNELS, MESSAGES, f"{MESSAGES}?q=in:general+m"):
        # One of them gives back what SQLite keeps of the others in memory.
        with django_assert_max_num_queries(20) as asked:
            assert len(listed(mia, path)) >= 30
        counts = [query["sql"] for query in asked.captured_queries if "COUNT(*)" in query["sql"]]
        assert counts
        assert all("LIMIT 5000" in sql for sql in counts)


def test_a_text_is_shown_as_text(mia: Client, ada: User) -> None:
    post(ada, "<script>alert(1)</script>")
    answer = mia.get(MESSAGES)
    assert b"<script>alert" not in answer.content
    assert b"&lt;script&gt;alert" in answer.content


def test_who_is_no_staff_sees_nothing(ada: User) -> None:
    client = Client()
    client.force_login(ada)
    for path in ("/admin/", CHANNELS, MESSAGES):
        assert client.get(path).status_code == 302
