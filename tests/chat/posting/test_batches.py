"""Storing many posts at once: dense numbers whoever writes, nonces, and rows that are refused alone."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from accounts.models import User
from chat import selectors, services
from chat.domain.errors import ArchivedError
from chat.domain.events import MessageData
from chat.domain.ids import ChannelKey, UserId, UserRef
from chat.models import Channel, Message
from chat.posting.batches import Post, Result, Stored, store_batch
from reaktor.errors import InvalidError, NotFoundError
from tests.support.databases import channel_of, database_url, is_sqlite, user_ref
from tests.support.threads import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
ROOT = Path(__file__).resolve().parents[3]


def post(author: UserRef, channel: ChannelKey, text: str = "hi", nonce: str | None = None, **more: str) -> Post:
    return Post(author, channel, text, nonce or uuid.uuid4().hex, **more)


def stored(results: list[Result]) -> list[MessageData]:
    """The messages of results that are all stored."""
    assert all(isinstance(result, Stored) for result in results), results
    return [result.message for result in results if isinstance(result, Stored)]


def history(channel: ChannelKey) -> list[MessageData]:
    return selectors.messages_between(Channel.objects.get(key=channel).id, 1, 10_000)


def heads(channel: ChannelKey) -> tuple[int, int]:
    return Channel.objects.values_list("number", "seq").get(key=channel)


def test_the_answers_are_what_is_stored_in_the_order_of_the_posts(ann: UserRef, tea: ChannelKey) -> None:
    bob, coffee = user_ref("bob"), channel_of(None, "coffee")
    texts = [
        "plain",
        "👩‍👩‍👧‍👦 \u202e <b>",
        "x" * 4_000,
        "'; DROP TABLE chat_message; --",
        "%s %(a)s",
        "\ufffe\U0010ffff",
    ]
    posts = [post(author, channel, text) for text in texts for author in (ann, bob) for channel in (tea, coffee)]
    messages = stored(store_batch(posts))
    assert [message["text"] for message in messages] == [each.text for each in posts]
    for channel in (tea, coffee):
        mine = [message for message in messages if message["channel"] == channel]
        assert [message["number"] for message in mine] == [message["seq"] for message in mine] == list(range(1, 13))
        assert history(channel) == mine
        assert heads(channel) == (12, 12)


def test_a_batch_of_five_hundred_is_one_batch(ann: UserRef, tea: ChannelKey) -> None:
    user_ref("bob")
    messages = stored(store_batch([post(ann, tea, f"@bob {number}") for number in range(500)]))
    assert [message["number"] for message in messages] == list(range(1, 501))
    assert messages[-1]["mentions"] == ["bob"]
    assert history(tea) == messages


def test_posts_that_may_not_be_stored_are_refused_alone(ann: UserRef, tea: ChannelKey) -> None:
    coffee, closed = channel_of(None, "coffee"), channel_of(ann, "closed")
    services.channel_archive(user=ann, key=closed)
    (elsewhere,) = stored(store_batch([post(ann, coffee)]))
    results = store_batch(
        [
            post(ann, tea, "first"),
            post(ann, ChannelKey("nowhere")),
            post(ann, closed),
            post(ann, tea, reply_to=elsewhere["id"]),
            post(ann, tea, reply_to=str(uuid.uuid4())),
            post(ann, tea, reply_to="nonsense"),
            post(ann, tea, "last"),
        ]
    )
    kinds = [type(result) for result in results]
    assert kinds == [Stored, NotFoundError, ArchivedError, NotFoundError, NotFoundError, NotFoundError, Stored]
    assert [(message["number"], message["text"]) for message in history(tea)] == [(1, "first"), (2, "last")]


def test_posts_of_an_account_that_is_gone_fail_no_other(ann: UserRef, tea: ChannelKey) -> None:
    gone = UserRef(UserId(str(uuid.uuid4())), "gone")
    results = store_batch([post(ann, tea, "one"), post(gone, tea), post(ann, tea, "two"), post(gone, tea)])
    assert [type(result) for result in results] == [Stored, NotFoundError, Stored, NotFoundError]
    assert [message["text"] for message in history(tea)] == ["one", "two"]
    assert heads(tea) == (2, 2)


REFUSED = "what the database refuses"


@pytest.fixture
def _a_constraint(transactional_db: None) -> Iterator[None]:
    """The database refuses messages of that text, as it would those of an author deleted in this very moment."""
    make, drop = (
        (
            f"CREATE TRIGGER refuse BEFORE INSERT ON chat_message WHEN NEW.text = '{REFUSED}' "
            "BEGIN SELECT RAISE(ABORT, 'refused'); END",
            "DROP TRIGGER refuse",
        )
        if is_sqlite()
        else (
            f"ALTER TABLE chat_message ADD CONSTRAINT refuse CHECK (text <> '{REFUSED}')",
            "ALTER TABLE chat_message DROP CONSTRAINT refuse",
        )
    )
    with connection.cursor() as cursor:
        cursor.execute(make)
    yield
    with connection.cursor() as cursor:
        cursor.execute(drop)


@pytest.mark.usefixtures("_a_constraint")
def test_a_row_that_a_constraint_refuses_fails_no_other_of_its_batch(ann: UserRef, tea: ChannelKey) -> None:
    results = store_batch([post(ann, tea, "one"), post(ann, tea, REFUSED), post(ann, tea, "two")])
    assert [type(result) for result in results] == [Stored, NotFoundError, Stored]
    assert [(message["number"], message["text"]) for message in history(tea)] == [(1, "one"), (2, "two")]
    assert heads(tea) == (2, 2)


def test_a_value_that_the_database_cannot_hold_fails_no_other_of_its_batch(ann: UserRef, tea: ChannelKey) -> None:
    text = "nothing after\0this"
    if is_sqlite():
        text = "a" * 6_000
        connection.ensure_connection()
        before = connection.connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 5_000)
    try:
        results = store_batch([post(ann, tea, "one"), post(ann, tea, text), post(ann, tea, "two")])
    finally:
        if is_sqlite():
            connection.connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, before)
    assert [type(result) for result in results] == [Stored, InvalidError, Stored]
    assert heads(tea) == (2, 2)


def test_an_account_deleted_while_it_posts_is_refused_and_takes_nothing_with_it(ann: UserRef, tea: ChannelKey) -> None:
    bob = user_ref("bob")
    User.objects.filter(pk=bob.id).delete()
    results = store_batch([post(bob, tea), post(ann, tea)])
    assert [type(result) for result in results] == [NotFoundError, Stored]


def test_a_nonce_is_stored_once_in_one_batch_and_over_two(ann: UserRef, tea: ChannelKey) -> None:
    results = store_batch([post(ann, tea, "hi", "n"), post(ann, tea, "other"), post(ann, tea, "hi again", "n")])
    first, other, again = stored(results)
    assert first == again
    assert [result.is_duplicate for result in results if isinstance(result, Stored)] == [False, False, True]
    (result,) = store_batch([post(ann, tea, "and again", "n")])
    assert result == Stored(first, is_duplicate=True)
    assert history(tea) == [first, other]


def test_a_repeated_nonce_is_answered_with_the_message_as_it_is_now(ann: UserRef, tea: ChannelKey) -> None:
    (message,) = stored(store_batch([post(ann, tea, "helo", "n")]))
    services.message_edit(user=ann, key=tea, message_id=message["id"], text="hello", max_chars=4_000)
    (result,) = store_batch([post(ann, tea, "helo", "n")])
    assert isinstance(result, Stored)
    assert result.is_duplicate
    assert (result.message["text"], result.message["seq"], result.message["changed_seq"]) == ("hello", 1, 2)


def test_a_nonce_is_ones_own_and_the_channels(ann: UserRef, tea: ChannelKey) -> None:
    bob, coffee = user_ref("bob"), channel_of(None, "coffee")
    store_batch([post(ann, tea, nonce="n")])
    results = store_batch([post(bob, tea, nonce="n"), post(ann, coffee, nonce="n"), post(ann, tea, nonce="N")])
    assert not any(result.is_duplicate for result in results if isinstance(result, Stored))
    assert Message.objects.count() == 4


def test_a_repeat_of_a_refused_post_is_refused_alike(ann: UserRef, tea: ChannelKey) -> None:
    results = store_batch([post(ann, tea, nonce="n", reply_to="nonsense"), post(ann, tea, nonce="n")])
    assert [type(result) for result in results] == [NotFoundError, NotFoundError]


def test_posts_without_a_nonce_are_each_stored(ann: UserRef, tea: ChannelKey) -> None:
    messages = stored(store_batch([Post(ann, tea, "hi", None), Post(ann, tea, "hi", None)]))
    assert [message["number"] for message in messages] == [1, 2]


def test_numbers_are_dense_and_seqs_single_whatever_threads_post_and_edit(ann: UserRef, tea: ChannelKey) -> None:
    coffee = channel_of(ann, "coffee")
    (edited,) = stored(store_batch([post(ann, tea, "0")]))
    answered: list[MessageData] = []

    def write() -> None:
        for _ in range(6):
            answered.extend(stored(store_batch([post(ann, key) for key in (tea, coffee, tea)])))

    def edit() -> None:
        for number in range(8):
            text = f"edit {number}"
            services.message_edit(user=ann, key=tea, message_id=edited["id"], text=text, max_chars=4_000)

    at_once(write, write, write, edit)
    assert [message["number"] for message in history(tea)] == list(range(1, 38))
    assert [message["number"] for message in history(coffee)] == list(range(1, 19))
    assert (heads(tea), heads(coffee)) == ((37, 37 + 8), (18, 18))
    by_id = {message["id"]: message for message in answered}
    for key in (tea, coffee):
        assert all(by_id[each["id"]] == each for each in history(key) if each["id"] != edited["id"])


def test_one_nonce_from_many_threads_is_stored_once_and_all_get_the_same_answer(ann: UserRef, tea: ChannelKey) -> None:
    answers: list[Stored] = []

    def write() -> None:
        for number in range(5):
            (result,) = store_batch([post(ann, tea, "hi", f"n{number}")])
            assert isinstance(result, Stored)
            answers.append(result)

    at_once(write, write, write, write)
    assert len(history(tea)) == 5
    assert sum(not answer.is_duplicate for answer in answers) == 5
    assert {answer.message["id"] for answer in answers} == {message["id"] for message in history(tea)}


def test_who_follows_the_cursor_while_others_commit_misses_nothing(ann: UserRef, tea: ChannelKey) -> None:
    done = threading.Event()
    writing = [3]
    seen: dict[str, MessageData] = {}

    def write() -> None:
        for number in range(10):
            (message,) = stored(store_batch([post(ann, tea)]))
            if number % 3 == 0:
                services.reaction_add(user=ann, key=tea, message_id=message["id"], emoji="👍")
        writing[0] -= 1
        if writing[0] == 0:
            done.set()

    def follow() -> None:
        cursor = 0
        while True:
            is_last = done.is_set()
            changes = selectors.channel_changes(tea, after=cursor, limit=1_000)
            seen.update({message["id"]: message for message in changes["messages"]})
            assert all(message["changed_seq"] > cursor for message in changes["messages"])
            cursor = changes["seq"]
            if is_last:
                break

    at_once(write, write, write, follow)
    assert {message["id"]: message for message in history(tea)} == seen


WRITE = """
import json, os, sys, django
django.setup()
from chat.posting.batches import Post, store_batch
from chat.domain.ids import ChannelKey, UserId, UserRef
author = UserRef(UserId(os.environ["AUTHOR"]), "ann")
for number in range(10):
    posts = [Post(author, ChannelKey("tea"), f"{os.getpid()} {number}", f"{nonce} {number}")
             for nonce in (os.getpid(), "shared")]
    for result in store_batch(posts):
        print(json.dumps([result.message["number"], result.message["id"], result.is_duplicate]))
"""


def test_processes_that_write_at_once_keep_one_order(ann: UserRef, tea: ChannelKey, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "reaktor.settings.local",
        "DATABASE_URL": database_url(),
        "DATA_DIR": str(tmp_path),
        "AUTHOR": ann.id,
    }
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITE], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    answers = [json.loads(line) for writer in writers for line in writer.communicate(timeout=60)[0].splitlines()]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert len(answers) == 60
    assert [message["number"] for message in history(tea)] == list(range(1, 41))
    assert {(number, pk) for number, pk, _ in answers} == {(each["number"], each["id"]) for each in history(tea)}
    assert sum(is_duplicate for _, _, is_duplicate in answers) == 20
