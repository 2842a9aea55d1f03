"""What goes and what stays, that numbers stay as they are, and that a cursor from before is answered by reset."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from chat import retention, selectors, services
from chat.domain.ids import ChannelKey, UserRef
from chat.models import (
    AuditEntry,
    Channel,
    ChannelMembership,
    EarlierText,
    Mention,
    Message,
    Pin,
    Reaction,
    Thread,
    ThreadFollow,
    random_channel_key,
)
from chat.posting.batches import Post, Stored, store_batch
from chat.search.finding import messages_search
from chat.search.indexing import index_now
from reaktor.db.exclusive import exclusive
from tests.support.databases import channel_of, user_ref

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def said(author: UserRef, key: ChannelKey, *ages_days: float, reply_to: str | None = None) -> list[str]:
    """Store one message per age; their ids."""
    ids = []
    User.objects.get_or_create(username="reader")
    for age in ages_days:
        (stored,) = store_batch([Post(author, key, "hello @reader", None, reply_to)])
        assert isinstance(stored, Stored)
        ids.append(stored.message["id"])
        Message.objects.filter(pk=ids[-1]).update(created_at=NOW - timedelta(days=age))
    return ids


def applied(days: int = 0, messages: int = 0, **options: Any) -> list[retention.Trimmed]:
    found = retention.retention_find(days=days, messages=messages, now=NOW)
    return retention.retention_apply(found, rest=lambda seconds: None, **options)


def numbers(key: ChannelKey) -> list[int]:
    return list(Message.objects.filter(channel__key=key).order_by("number").values_list("number", flat=True))


def test_what_is_too_old_goes_and_numbers_stay(ann: UserRef, tea: ChannelKey) -> None:
    said(ann, tea, 40, 31, 29, 1)
    (trimmed,) = applied(days=30)
    assert (trimmed.key, trimmed.deleted, trimmed.floor_seq) == ("tea", 2, 2)
    assert numbers(tea) == [3, 4]
    said(ann, tea, 0)
    assert numbers(tea) == [3, 4, 5]
    assert applied(days=30) == [], "nothing is left to do"


def test_only_so_many_of_the_newest_stay(ann: UserRef, tea: ChannelKey) -> None:
    said(ann, tea, *[0] * 7)
    applied(messages=3)
    assert numbers(tea) == [5, 6, 7]


def test_whichever_rule_takes_more_wins_and_what_stands_behind_a_young_one_waits(ann: UserRef, tea: ChannelKey) -> None:
    said(ann, tea, 40, 1, 40, 1)
    applied(days=30)
    assert numbers(tea) == [2, 3, 4]
    applied(days=30, messages=1)
    assert numbers(tea) == [4]


def test_a_channels_own_rules_come_first_and_zero_keeps_for_ever(ann: UserRef, tea: ChannelKey) -> None:
    kept, short = channel_of(ann, "kept"), channel_of(ann, "short")
    Channel.objects.filter(key=kept).update(retention_days=0, retention_messages=0)
    Channel.objects.filter(key=short).update(retention_messages=1)
    for key in (tea, kept, short):
        said(ann, key, 40, 5, 5)
    applied(days=30)
    assert (numbers(tea), numbers(kept), numbers(short)) == ([2, 3], [1, 2, 3], [3])


def test_what_hangs_on_them_goes_with_them_and_replies_stay(ann: UserRef, tea: ChannelKey) -> None:
    (first,) = said(ann, tea, 40)
    services.reaction_add(user=ann, key=tea, message_id=first, emoji="👍")
    said(ann, tea, 0, reply_to=first)
    applied(days=30)
    assert (Reaction.objects.count(), Mention.objects.count()) == (0, 1)
    (left,) = Message.objects.all()
    assert left.reply_to_id is None


def test_a_cursor_from_before_is_answered_by_reset_and_one_from_after_is_not(ann: UserRef, tea: ChannelKey) -> None:
    old, *_ = said(ann, tea, 40, 40, 0, 0)
    services.reaction_add(user=ann, key=tea, message_id=old, emoji="👍")  # seq 5: the floor is that of the last change
    (trimmed,) = applied(days=30)
    assert trimmed.floor_seq == 5
    for cursor in (0, 2, 4):
        assert selectors.channel_changes(tea, after=cursor, limit=100) == {"reset": True, "seq": 5}
    said(ann, tea, 0)
    changes = selectors.channel_changes(tea, after=5, limit=100)
    assert [message["number"] for message in changes["messages"]] == [5]


def test_what_is_gone_is_not_unread(ann: UserRef, tea: ChannelKey) -> None:
    said(user_ref("bob"), tea, 40, 40, 40, 0)
    applied(days=30)
    mine = ChannelMembership.objects.get(user_id=ann.id, channel__key=tea)
    assert mine.read_number == 3
    found = selectors.channel_access(user=ann, key=tea)
    assert selectors.channel_data(found, online=0)["unread"] == 1


def test_the_audit_log_knows(ann: UserRef, tea: ChannelKey) -> None:
    said(ann, tea, 40, 40, 0)
    applied(days=30)
    (entry,) = AuditEntry.objects.all()
    assert (entry.actor, entry.action, entry.channel) == ("system", "retention", "tea")
    assert entry.details == {"deleted": 2, "up_to_number": 2, "floor_seq": 2}


def test_no_transaction_takes_more_than_a_batch_and_each_is_rested_for(ann: UserRef, tea: ChannelKey) -> None:
    said(ann, tea, *[40] * 7)
    batches: list[int] = []
    rests: list[float] = []
    found = retention.retention_find(days=30, messages=0, now=NOW)
    retention.retention_apply(found, batch_rows=3, rest=rests.append, on_progress=batches.append)
    assert batches == [3, 3, 1]
    assert len(rests) == 3
    assert all(rest > 0 for rest in rests)


def test_a_run_that_ends_half_way_is_told_of_and_the_next_goes_on(ann: UserRef, tea: ChannelKey) -> None:
    said(ann, tea, *[40] * 5)

    def power_cut(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        applied(days=30, batch_rows=2, on_progress=power_cut)
    assert numbers(tea) == [3, 4, 5]
    assert AuditEntry.objects.get().details == {"deleted": 2, "up_to_number": 2, "floor_seq": 2}
    applied(days=30, batch_rows=2)
    assert numbers(tea) == []


def test_the_last_batch_and_what_follows_from_it_are_one_transaction(ann: UserRef, tea: ChannelKey) -> None:
    """A run that was killed between them left no word in the audit log and messages unread that are gone, for good."""
    said(user_ref("bob"), tea, *[40] * 4, 0)
    known: list[tuple[int, int]] = []

    def look(rows: int) -> None:
        mine = ChannelMembership.objects.get(user_id=ann.id, channel__key=tea)
        known.append((AuditEntry.objects.count(), mine.read_number))

    applied(days=30, batch_rows=2, on_progress=look)
    assert known == [(0, 0), (1, 4)]


def test_what_is_reported_stays_until_that_is_decided(ann: UserRef, tea: ChannelKey) -> None:
    """The text is what a moderator decides by, and went with the message."""
    bob, staff = user_ref("bob"), user_ref("staff", is_staff=True)
    _, bad, _, worse, *_ = said(bob, tea, 40, 40, 40, 40, 0)
    reports = [services.report_create(user=ann, key=tea, message_id=each, reason="spam") for each in (bad, worse)]
    (trimmed,) = applied(days=30)
    assert (numbers(tea), trimmed.deleted, trimmed.floor_seq) == ([2, 4, 5], 2, 3)
    assert ChannelMembership.objects.get(user_id=ann.id, channel__key=tea).read_number == 4
    assert applied(days=30) == [], "nothing else is left to do"
    page = selectors.messages_page(Channel.objects.get(key=tea).pk, before=5, limit=1)
    assert ([each["number"] for each in page.messages], page.has_more) == ([4], True)
    services.report_resolve(user=staff, report_id=int(reports[0]["id"]), resolution="dismissed")
    applied(days=30)
    assert numbers(tea) == [4, 5]


def test_replies_are_found_along_an_index(ann: UserRef, tea: ChannelKey) -> None:
    """Without it each deleted message would cost a look at every row."""
    (first,) = said(ann, tea, 40)
    said(ann, tea, *[40] * 20, reply_to=first)
    with CaptureQueriesContext(connection) as queries:
        applied(days=30)
    statements = [query["sql"] for query in queries]
    (unlink,) = [text for text in statements if text.startswith("UPDATE") and "reply_to_id" in text]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET enable_seqscan = off")
        cursor.execute(("EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN ") + unlink)
        plan = str(cursor.fetchall())
        if connection.vendor == "postgresql":
            cursor.execute("RESET enable_seqscan")
    assert "message_reply" in plan


def test_the_command_says_what_would_go_and_what_went(ann: UserRef, tea: ChannelKey, settings: Any) -> None:
    said(ann, tea, *[0] * 5)
    Channel.objects.filter(key=tea).update(retention_messages=2)
    out = StringIO()
    call_command("apply_retention", "--dry-run", stdout=out)
    assert out.getvalue() == "tea: 3 messages, up to number 3\n3 messages would be deleted.\n"
    assert numbers(tea) == [1, 2, 3, 4, 5]
    out = StringIO()
    call_command("apply_retention", "--channel", tea, stdout=out)
    assert out.getvalue().startswith("tea: 3 messages (longest transaction ")
    assert numbers(tea) == [4, 5]
    with pytest.raises(CommandError, match="There is no channel 'nowhere'"):
        call_command("apply_retention", "--channel", "nowhere")


def test_no_key_looks_like_an_option_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """One in 64 did: "expected one argument"."""
    found = iter(["-uk", "--x", "a-b"])
    monkeypatch.setattr("secrets.token_urlsafe", lambda _: next(found))
    assert random_channel_key() == "a-b"


def test_two_runs_do_not_get_in_each_others_way(settings: Any, tmp_path: Path) -> None:
    refused: list[str] = []

    def second() -> None:
        try:
            call_command("apply_retention", stdout=StringIO())
        except CommandError as error:
            refused.append(str(error))
        finally:
            connections.close_all()

    with exclusive("retention", settings.REAKTOR.data_dir) as is_ours:
        assert is_ours
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(10)
    assert refused == ["Another run is at it."]
    with exclusive("retention", settings.REAKTOR.data_dir) as is_ours:
        assert is_ours, "it was given back"


def in_thread(author: UserRef, key: ChannelKey, root: str, *ages_days: float) -> list[str]:
    """Store one reply per age, in the thread alone; their ids."""
    ids = []
    for age in ages_days:
        (stored,) = store_batch([Post(author, key, "reply", None, thread=root)])
        assert isinstance(stored, Stored)
        ids.append(stored.message["id"])
        Message.objects.filter(pk=ids[-1]).update(created_at=NOW - timedelta(days=age))
    return ids


def test_the_root_of_a_thread_loses_its_text_on_time_and_its_place_with_its_last_reply(
    ann: UserRef, tea: ChannelKey
) -> None:
    root, _ = said(ann, tea, 40, 39)
    replies = in_thread(ann, tea, root, 35, 31.5, 2)
    services.reaction_add(user=ann, key=tea, message_id=root, emoji="👍")
    for pk in (root, replies[0]):
        services.message_edit(user=ann, key=tea, message_id=pk, text="tea now", max_chars=100)
        services.pin_add(user=ann, key=tea, message_id=pk)
    index_now()
    (trimmed,) = applied(days=30)
    assert trimmed.deleted == 3
    assert numbers(tea) == [1, 5]
    assert not Pin.objects.exists()
    assert not EarlierText.objects.exists()
    assert messages_search(user=ann, q="tea", filters={})["results"] == []
    channel = Channel.objects.get(key=tea)
    left = selectors.message_by_id(channel.pk, root)
    assert (left["text"], left["reactions"], left["mentions"], left["changed_seq"]) == (None, {}, [], channel.seq)
    assert left["deleted_at"] is not None
    assert left["thread_info"]["replies"] == 1
    assert applied(days=30) == [], "nothing is left to do"
    Message.objects.filter(number=5).update(created_at=NOW - timedelta(days=31))
    (trimmed,) = applied(days=30)
    assert trimmed.deleted == 2, "the root goes with its last reply, at once"
    assert numbers(tea) == []
    assert not Thread.objects.exists()
    assert not ThreadFollow.objects.exists()


def test_who_read_under_a_message_that_is_gone_is_known_no_longer(ann: UserRef, tea: ChannelKey) -> None:
    (lone,) = said(ann, tea, 40)
    services.thread_read(user=ann, key=tea, thread=lone, number=1)
    applied(days=30)
    assert numbers(tea) == []
    assert not ThreadFollow.objects.exists()


def test_a_root_stays_for_a_reported_reply_and_a_reported_root_for_itself(ann: UserRef, tea: ChannelKey) -> None:
    bob, staff = user_ref("bob"), user_ref("staff", is_staff=True)
    root, bad = said(bob, tea, 40, 40)
    reply, other = *in_thread(bob, tea, root, 35), *in_thread(bob, tea, bad, 35)
    reports = [services.report_create(user=ann, key=tea, message_id=each, reason="spam") for each in (reply, bad)]
    applied(days=30)
    left = {str(each.pk): each.text for each in Message.objects.all()}
    assert left == {root: "", bad: "hello @reader", reply: "reply"}
    assert other not in left
    for report in reports:
        services.report_resolve(user=staff, report_id=int(report["id"]), resolution="dismissed")
    applied(days=30)
    assert numbers(tea) == []
    assert not Thread.objects.exists()


def test_a_thread_counts_what_is_left_of_it(ann: UserRef, tea: ChannelKey) -> None:
    bob = user_ref("bob")
    said(ann, tea, 40)
    (root,) = said(ann, tea, 3)
    in_thread(ann, tea, root, 2)
    in_thread(bob, tea, root, 1)
    applied(messages=2)
    assert numbers(tea) == [2, 3, 4] or numbers(tea) == [3, 4]
    assert Message.objects.get(pk=root).text == ""
    applied(messages=1)
    thread = Thread.objects.get()
    assert (thread.replies, thread.participants, thread.last_number) == (1, bob.id, 4)


def test_what_only_a_thread_shows_was_never_unread_in_the_channel(ann: UserRef, tea: ChannelKey) -> None:
    bob = user_ref("bob")
    services.membership_join(user=bob, key=tea)
    (root,) = said(ann, tea, 40)
    in_thread(ann, tea, root, 35, 35)
    said(ann, tea, 2, 1)
    services.read_mark(user=bob, key=tea, number=0, is_back=True)
    applied(days=30)
    shown = selectors.channel_data(selectors.channel_access(user=bob, key=tea), online=0)
    assert (shown["read_number"], shown["flow"], shown["read_flow"], shown["unread"]) == (3, 3, 1, 2)
