"""The index follows what is posted, edited and deleted, in whatever order transactions commit and whoever dies."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import UTC, datetime

import pytest
from django.db import connection, connections, transaction

from chat import services
from chat.domain.events import EventType
from chat.domain.ids import ChannelKey, UserRef
from chat.models import Channel, Message, SearchChange, SearchPlace, message_search
from chat.moving import backup, restore
from chat.retention import retention_apply, retention_find
from chat.search import indexing
from chat.search.indexing import Behind, index_forget, index_now
from chat.services.bulk import messages_change, texts_remove
from reaktor.db import driver
from tests.chat.search.conftest import found, post
from tests.support.databases import channel_of, is_sqlite
from tests.support.threads import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def indexed() -> int:
    return int(driver.select(f"SELECT count(*) FROM {message_search.TABLE}")[0][0])


def follow(channels: list[Behind]) -> None:
    for step in indexing.changes_read(channels):
        indexing.steps_store([step])


def test_what_is_posted_edited_and_deleted(ann: UserRef, tea: ChannelKey) -> None:
    first, second = post(ann, tea, "green tea", "black tea")
    index_now()
    assert found(ann, "tea") == ["black tea", "green tea"]
    services.message_edit(user=ann, key=tea, message_id=first, text="green coffee", max_chars=100)
    services.message_delete(user=ann, key=tea, message_id=second)
    assert (found(ann, "tea"), found(ann, "coffee")) == ([], []), "an index that is behind shows nothing wrong"
    index_now()
    assert (found(ann, "tea"), found(ann, "coffee")) == ([], ["green coffee"])
    assert indexed() == 1
    assert index_now() == 0, "what is known is not indexed again"


def test_new_messages_are_seen_by_their_ids_and_changes_in_the_journal(ann: UserRef, tea: ChannelKey) -> None:
    channel_id = Channel.objects.get(key=tea).pk
    (message,) = post(ann, tea, "tea")
    now = time.time()
    assert indexing.behind_by_newest(now) == [Behind(channel_id, None, 1)]
    indexing.places_begin([channel_id])
    follow(indexing.behind_by_newest(now))
    assert indexing.behind_by_newest(now) == []
    assert not indexing.journal_waits()
    services.reaction_add(user=ann, key=tea, message_id=message, emoji="👍")
    assert not indexing.journal_waits(), "a reaction is nothing to look for"
    services.message_edit(user=ann, key=tea, message_id=message, text="coffee", max_chars=100)
    assert indexing.journal_waits()
    assert [each.channel_id for each in indexing.journal_take()] == [channel_id]
    assert not indexing.journal_waits()


@pytest.mark.parametrize("ahead_s", [-3600, 0, 3600])
def test_a_clock_that_is_wrong_hides_no_message(ahead_s: int, ann: UserRef, tea: ChannelKey) -> None:
    """Of whoever looks; ids are of the clock of whoever posts."""
    post(ann, tea, "tea")
    assert len(indexing.behind_by_newest(time.time() + ahead_s)) == 1


def test_a_message_that_was_given_its_id_long_ago_comes_with_its_channels_slice(ann: UserRef, tea: ChannelKey) -> None:
    index_now()
    channel_id = Channel.objects.get(key=tea).pk
    (late,) = post(ann, tea, "late tea")
    Message.objects.filter(pk=late).update(id=uuid.UUID(int=(1 << 40) << 80 | 7 << 76))
    post(ann, channel_of(ann, "other"), "newer")
    assert channel_id not in {each.channel_id for each in indexing.behind_by_newest(time.time())}
    behind, following = indexing.behind_in_slice(0)
    assert channel_id in {each.channel_id for each in behind}
    assert following == 0
    index_now()
    assert found(ann, "late") == ["late tea"]


def test_all_slices_together_are_all_channels(ann: UserRef, monkeypatch: pytest.MonkeyPatch, tea: ChannelKey) -> None:
    monkeypatch.setattr(indexing, "SLICE", 2)
    keys = [channel_of(ann, f"c{number}") for number in range(4)]
    for key in keys:
        post(ann, key, "tea")
    index_now()
    assert len(found(ann, "tea")) == 4


def test_a_transaction_that_commits_late_is_not_passed_over(ann: UserRef, bob: UserRef, tea: ChannelKey) -> None:
    """Its message has an older id than one of another host, which is seen and indexed before it commits."""
    other = channel_of(bob, "other")
    index_now()
    is_posted, may_commit = threading.Event(), threading.Event()

    def slow() -> None:
        try:
            with transaction.atomic():
                post(ann, tea, "slow tea")
                is_posted.set()
                may_commit.wait(30)
        finally:
            connections.close_all()

    thread = threading.Thread(target=slow)
    thread.start()
    assert is_posted.wait(30)
    if is_sqlite():
        may_commit.set()  # there another one can't even begin
    post(bob, other, "quick tea")
    index_now()
    may_commit.set()
    thread.join(30)
    index_now()
    assert (found(ann, "tea"), found(bob, "tea")) == (["slow tea"], ["quick tea"])


def test_many_who_post_at_once_and_two_who_index(ann: UserRef, bob: UserRef, tea: ChannelKey) -> None:
    services.membership_join(user=bob, key=tea)

    def talk(user: UserRef) -> None:
        for number in range(10):
            post(user, tea, f"tea {number}", f"pot {number}")

    at_once(lambda: talk(ann), lambda: talk(bob), index_now, index_now)
    index_now()
    assert len(found(ann, "tea")) == len(found(ann, "pot")) == 20
    assert indexed() == 40


def test_of_two_who_read_the_same_one_stores(ann: UserRef, tea: ChannelKey) -> None:
    """A text that was read before an edit must not replace the edited one."""
    (message,) = post(ann, tea, "tea")
    indexing.places_begin([Channel.objects.get(key=tea).pk])
    old = indexing.changes_read(indexing.behind_in_slice(0)[0])
    services.message_edit(user=ann, key=tea, message_id=message, text="coffee", max_chars=100)
    index_now()
    assert indexing.steps_store(old) == 0
    assert found(ann, "coffee") == ["coffee"]


def test_what_was_said_before_there_was_an_index(
    ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest first, a batch of each channel in turns; what is new, edited or deleted meanwhile is right at once."""
    monkeypatch.setattr(indexing, "CHANGES", 3)
    other = channel_of(ann, "other")
    ids = post(ann, tea, *(f"tea {number}" for number in range(8)))
    post(ann, other, *(f"pot {number}" for number in range(5)))
    indexing.places_begin(Channel.objects.values_list("pk", flat=True))
    post(ann, tea, "new tea")
    follow(indexing.behind_in_slice(0)[0])
    assert found(ann, "tea") == ["new tea"]
    step = indexing.older_read(0)
    assert step is not None
    indexing.steps_store([step])
    assert found(ann, "tea") == ["new tea", "tea 7", "tea 6", "tea 5"]
    following = indexing.older_read(step.channel_id)
    assert following is not None
    assert following.channel_id != step.channel_id
    services.message_edit(user=ann, key=tea, message_id=ids[0], text="edited tea", max_chars=100)
    services.message_delete(user=ann, key=tea, message_id=ids[1])
    index_now()
    assert found(ann, "tea") == ["new tea", *(f"tea {number}" for number in range(7, 1, -1)), "edited tea"]
    assert len(found(ann, "pot")) == 5
    assert not SearchPlace.objects.filter(back__gt=0).exists()


def test_purges_and_retention_take_their_words_along(ann: UserRef, tea: ChannelKey) -> None:
    old = post(ann, tea, *(f"old {number}" for number in range(3)))
    post(ann, tea, "young tea")
    index_now()
    with transaction.atomic():
        messages_change(list(Message.objects.filter(pk=old[2])), EventType.MESSAGE_DELETED, texts_remove)
    assert SearchChange.objects.count() == 1
    index_now()
    assert indexed() == 3
    expired = retention_find(days=0, messages=1, now=datetime.now(UTC))
    retention_apply(expired, rest=lambda seconds: None)
    assert Message.objects.count() == indexed() == 1
    assert found(ann, "young") == ["young tea"]


def test_an_import_makes_the_index_anew(ann: UserRef, tea: ChannelKey) -> None:
    post(ann, tea, "tea")
    index_now()
    with backup.snapshot():
        lines = list(backup.lines(backup.counted()))
    post(ann, tea, "lost")
    index_now()
    restore.restore(lines[1:], on_progress=lambda rows: None)
    assert indexed() == 0
    index_now()
    assert (found(ann, "tea"), found(ann, "lost")) == (["tea"], [])


def test_it_can_be_forgotten_and_made_anew(ann: UserRef, tea: ChannelKey) -> None:
    post(ann, tea, "tea")
    index_now()
    index_forget()
    assert found(ann, "tea") == []
    index_now()
    assert found(ann, "tea") == ["tea"]


def test_messages_of_one_moment_have_places_of_their_own(ann: UserRef) -> None:
    """Keys of SQLite's index hold less of an id than the id."""
    same = [uuid.UUID(int=(5 << 40) << 80 | 7 << 76 | 1 << 63 | number) for number in range(6)]
    entries = [message_search.Entry(pk, 1, ["tea", f"w{number}"]) for number, pk in enumerate(same)]
    for _ in range(2):
        with transaction.atomic():
            message_search.store(entries)
        assert indexed() == 6
    with transaction.atomic():
        message_search.forget(same[1:3])
        message_search.store(entries[3:])
    assert indexed() == 4


def test_lexemes_of_all_scripts_come_back_from_the_database(ann: UserRef, tea: ChannelKey) -> None:
    """SQLite's tokenizer leaves alone what was cut, whatever Unicode it knows of; PostgreSQL's tsvector as well."""
    all_scripts = """чай τσάι चाय شاي 北京 茶 コーヒー 서울 หมา မြန်မာ ຊາ ភាសា ꓡꓲꓢꓴ 𐐀𐐁𐐂 𞤀𞤁 ᱥᱟᱱ cafe\u0301 ٣٤٥ 𑄃𑄋 ꯃꯤꯇꯩ
        𞅀𞅁 ʻokina naïve x² ǅ ﬁsh 𝒯ea"""
    words = all_scripts.split()
    post(ann, tea, *(f"{word} said" for word in words))
    index_now()
    for word in words:
        assert f"{word} said" in found(ann, word), word


def test_the_journal_is_small_and_posts_write_none(ann: UserRef, tea: ChannelKey) -> None:
    with connection.execute_wrapper(lambda execute, sql, *rest: _no_search(execute, sql, *rest)):
        post(ann, tea, *["tea"] * 50)
    assert not SearchChange.objects.exists()


def _no_search(execute: object, sql: str, *rest: object) -> object:
    assert "search" not in sql
    return execute(sql, *rest)  # type: ignore[operator]
