"""Reads at the size where it matters: every range runs along an index, a fixed number of queries whatever is found."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat import selectors, services
from chat.domain.events import ChannelData, last_data
from chat.domain.ids import ChannelKey, UserRef
from chat.models import Channel, ChannelMembership, Message, name_search
from chat.posting.batches import Post, Stored, store_batch
from reaktor.errors import InvalidError, NotFoundError
from reaktor.shapes import ListData
from tests.support.databases import channel_of, is_sqlite, user_ref
from tests.support.plans import plans_of, prefer_indexes

pytestmark = [pytest.mark.django_db, pytest.mark.database]

LISTS = frozenset({"wanted", "w", "posted", "counted", "page", "CONSTANT"})
"""What SQLite calls the lists of values that statements bring along."""


@pytest.fixture
def large(ann: UserRef) -> ChannelKey:
    """A channel of 1,500 messages beside another."""
    keys, writer = [channel_of(ann, key) for key in ("large", "other")], user_ref("writer")
    for start in range(0, 1_500, 500):
        for key in keys:
            store_batch([Post(writer, key, "@ann", f"n{number}") for number in range(start, start + 500)])
    prefer_indexes()
    return keys[0]


def assert_indexed(call: Callable[[], object]) -> None:
    """No OFFSET, no table read from its beginning, and no range of messages sorted after it was read."""
    for sql, plan in plans_of(call):
        assert "OFFSET" not in sql.upper()
        if is_sqlite():
            scanned = [line.split()[1] for line in plan.splitlines() if line.startswith("SCAN ")]
            is_whole = any(not table.isdigit() and table not in LISTS for table in scanned)
            is_sorted = "B-TREE FOR ORDER BY" in plan and "channel_id=? AND" in plan and "chat_message m" in sql
        else:
            is_whole = "Seq Scan on chat_" in plan or plan.count(" on chat_message") > plan.count("Index Cond")
            is_sorted = "Sort Key: m.number" in plan or "Sort Key: m.changed_seq" in plan
        assert not is_whole, f"{sql}\n{plan}"
        assert not is_sorted, f"{sql}\n{plan}"


def test_every_page_of_history_runs_along_the_index_of_numbers(large: ChannelKey) -> None:
    channel_id = Channel.objects.get(key=large).id
    for marks in ({}, {"before": 700}, {"after": 700}, {"around": 700}, {"after": 1_490}, {"before": 5}):
        assert_indexed(lambda marks=marks: selectors.messages_page(channel_id, **marks, limit=50))
    assert_indexed(lambda: selectors.messages_between(channel_id, 100, 150))


def test_changes_since_a_cursor_run_along_the_index_of_changes(large: ChannelKey) -> None:
    for after in (0, 700, 1_499, 1_500):
        assert_indexed(lambda after=after: selectors.channel_changes(large, after=after, limit=200))
    assert_indexed(lambda: selectors.newest_messages(large, changes=200, numbers=25))


def test_a_nonce_is_found_by_its_index_before_anything_is_stored(large: ChannelKey) -> None:
    (writer,) = selectors.users_named({"writer"}).values()
    posts = [Post(writer, large, "hi", f"n{number}") for number in range(0, 1_500, 30)]
    assert_indexed(lambda: store_batch(posts))


def test_unread_mentions_are_counted_along_their_index(ann: UserRef, large: ChannelKey) -> None:
    services.read_mark(user=ann, key=large, number=1_400, is_back=True)
    assert selectors.channel_access(user=ann, key=large).mentions == 100
    assert_indexed(lambda: selectors.channel_access(user=ann, key=large))
    assert_indexed(lambda: selectors.channels_access(user=ann))


def own(user: UserRef, **wanted: Any) -> list[str]:
    """The keys of the user's own channels, over all pages of two."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = selectors.my_channels(user=user, online=lambda key: 0, limit=2, cursor=cursor, **wanted)
        found += [each["key"] for each in page["results"]]
        assert len(page["results"]) <= 2
        cursor = page["next"]
        if cursor is None:
            return found


def test_own_channels_come_by_what_was_said_last(ann: UserRef) -> None:
    bob = user_ref("bob")
    keys = [channel_of(ann, f"room-{number}") for number in range(5)]
    channel_of(bob, "elsewhere")
    assert own(ann) == keys[::-1]
    for number in (1, 3, 0):
        store_batch([Post(bob, keys[number], f"{'long ' * 50}{number}", None)])
    direct = services.direct_open(user=bob, username="ann")[0].channel.key
    store_batch([Post(bob, direct, "psst", None)])
    assert own(ann) == [direct, keys[0], keys[3], keys[1], keys[4], keys[2]]
    assert own(ann, unread=True) == [direct, keys[0], keys[3], keys[1]]
    assert own(ann, kind="direct") == [direct]
    services.read_mark(user=ann, key=keys[3], number=1)
    store_batch([Post(ann, keys[3], "mine", None)])
    assert own(ann, unread=True) == [direct, keys[0], keys[1]]
    (first, second) = selectors.my_channels(user=ann, online=lambda key: 7, limit=2)["results"]
    assert (first["key"], first["unread"], first["online"], first["last"]["author"]) == (keys[3], 0, 7, "ann")
    assert (second["name"], second["unread"], second["last"]["text"]) == ("bob", 1, "psst")
    services.message_delete(user=bob, key=direct, message_id=second["last"]["id"])
    told = selectors.my_channels(user=ann, online=lambda key: 0, kind="direct")["results"][0]
    assert (told["last"]["text"], told["unread"]) == (None, 1)
    long = selectors.my_channels(user=ann, online=lambda key: 0)["results"][2]["last"]
    assert long["text"] == ("long " * 50)[:200]
    Channel.objects.filter(key=keys[0]).update(number=9)  # as when its newest messages are gone
    assert selectors.my_channels(user=ann, online=lambda key: 0)["results"][-1]["last"] is None


def test_the_last_message_is_not_cut_within_what_is_seen_as_a_character(ann: UserRef) -> None:
    """Of a family the list showed half, of a letter with marks the letter."""
    family = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"
    key = channel_of(ann, "family")
    (stored,) = store_batch([Post(ann, key, family * 50, None)])
    assert isinstance(stored, Stored)
    (own_channel,) = selectors.my_channels(user=ann, online=lambda key: 0)["results"]
    (activity,) = selectors.activities_of([key])
    shown = [own_channel["last"]["text"], activity.last["text"], last_data(stored.message)["text"]]
    assert shown == [family * 40] * 3


def test_of_those_said_at_the_same_time_none_is_left_out(ann: UserRef) -> None:
    keys = [channel_of(ann, f"room-{number}") for number in range(5)]
    Channel.objects.update(created_at=datetime(2026, 1, 1, 10, 0, 0, 123_456, tzinfo=UTC))
    assert own(ann) == keys[::-1]
    Channel.objects.update(created_at=datetime(2026, 1, 1, 10, tzinfo=UTC))
    assert own(ann) == keys[::-1]


@pytest.mark.parametrize("cursor", ["_", "x_1", "1_x", f"{'9' * 30}_1"])
def test_a_cursor_of_no_page_of_own_channels_is_refused(ann: UserRef, cursor: str) -> None:
    with pytest.raises(InvalidError):
        selectors.my_channels(user=ann, online=lambda key: 0, cursor=cursor)


def test_reads_cost_the_same_whatever_they_find(ann: UserRef, large: ChannelKey) -> None:
    channel_id = Channel.objects.get(key=large).id
    for number in range(30):
        channel_of(ann, f"more-{number}")
    for call, most in (
        (lambda: selectors.messages_page(channel_id, limit=100), 2),
        (lambda: selectors.channel_changes(large, after=1_300, limit=200), 3),
        (lambda: selectors.channels_access(user=ann), 3),
        (lambda: selectors.my_channels(user=ann, online=lambda key: 0), 1),
        (lambda: listed(ann), 3),
        (lambda: selectors.channel_access(user=ann, key=large), 3),
        (lambda: selectors.newest_messages(large, changes=200, numbers=25), 4),
    ):
        with CaptureQueriesContext(connection) as captured:
            call()
        assert len(captured) <= most, [query["sql"][:80] for query in captured.captured_queries]


def test_a_channel_is_shown_to_those_who_may_read_it_with_what_is_theirs(ann: UserRef) -> None:
    bob = user_ref("bob")
    channel_of(ann, "open")
    hidden = channel_of(ann, "hidden", kind="unlisted")
    secret = channel_of(ann, "prv-x", kind="private")
    keys = [ChannelKey(key) for key in ("open", "hidden", "prv-x", "nowhere")]
    seen = {found.channel.key: found.access.role for found in selectors.channels_access(user=bob, keys=keys)}
    assert {key: role for key, role in seen.items() if key in keys} == {"open": None, "hidden": None}
    own = {found.channel.key for found in selectors.channels_access(user=ann)}
    assert {"open", hidden, secret} <= own
    with pytest.raises(NotFoundError):
        selectors.channel_access(user=bob, key=secret)
    ChannelMembership.objects.create(channel=Channel.objects.get(key=secret), user_id=bob.id)
    assert selectors.channel_access(user=bob, key=secret).access.role == "member"
    keys_listed = {each["key"] for each in listed(bob)["results"]}
    assert "open" in keys_listed
    assert not keys_listed & {hidden, secret}


def listed(user: UserRef, **asked: Any) -> ListData[ChannelData]:
    return selectors.channel_list(user=user, online=lambda key: 0, **asked)


def searched(user: UserRef, search: str) -> list[str]:
    """The names found, page after page of two."""
    names: list[str] = []
    cursor = None
    while True:
        page = listed(user, search=search, cursor=cursor, limit=2)
        names += [each["name"] for each in page["results"]]
        if (cursor := page["next"]) is None:
            return names


def test_a_list_of_channels_goes_on_where_its_cursor_says(ann: UserRef) -> None:
    wanted = [channel_of(ann, f"page-{number}") for number in range(7)]
    found, cursor = [], None
    while True:
        page = listed(ann, search="page-", cursor=cursor, limit=3)
        assert len(page["results"]) <= 3
        found += [each["key"] for each in page["results"]]
        if (cursor := page["next"]) is None:
            break
    assert found == wanted
    for junk in ("x", "-1", "1.0", "9" * 30, "²"):
        with pytest.raises(InvalidError):
            listed(ann, cursor=junk)


def test_an_answer_larger_than_allowed_is_a_reset(ann: UserRef) -> None:
    key = channel_of(ann, "big")
    store_batch([Post(ann, key, "x" * 1_000, uuid.uuid4().hex) for _ in range(10)])
    changes = selectors.channel_changes(key, after=0, limit=100)
    assert selectors.bounded_changes(changes, max_bytes=5_000) == {"reset": True, "seq": 10}
    assert selectors.bounded_changes(changes, max_bytes=50_000) == changes


def test_a_cursor_below_the_floor_above_the_head_or_too_far_behind_is_a_reset(ann: UserRef) -> None:
    key = channel_of(ann, "floor")
    store_batch([Post(ann, key, "hi", uuid.uuid4().hex) for _ in range(10)])
    Channel.objects.filter(key=key).update(floor_seq=4)
    reset = {"reset": True, "seq": 10}
    assert selectors.channel_changes(key, after=3, limit=100) == reset
    assert selectors.channel_changes(key, after=11, limit=100) == reset
    assert selectors.channel_changes(key, after=4, limit=5) == reset
    assert len(selectors.channel_changes(key, after=4, limit=6)["messages"]) == 6
    assert selectors.channel_changes(key, after=10, limit=1) == {"messages": [], "seq": 10}


FOLDED = {
    "CAFÉ": "Café Straße",
    "cafe\u0301": "Café Straße",
    "STRASSE": "Café Straße",
    "ÖL": "o\u0308l",
    "привет": "ПРИВЕТ",
    "ᾼ": "αι",
    "ｔｅａ": "Tea",
    "tea": "ＴＥＡ",
    "ﬁsh": "Fish",
    "が": "か\u3099",
    "ยา": "ยา",
    "100%": "100% Wool",
}


@pytest.mark.parametrize(("search", "name"), FOLDED.items(), ids=ascii)
def test_a_search_finds_a_name_whatever_its_case_accents_and_form(ann: UserRef, search: str, name: str) -> None:
    """SQLite folded the case of English alone, PostgreSQL more, neither an accent: one search, two results."""
    made = services.channel_create(user=ann, name=f"x {name} y", topic="", kind="public").channel
    assert [each["key"] for each in listed(ann, search=search)["results"]] == [made.key]
    services.channel_update(user=ann, key=made.key, name="entirely other")
    assert searched(ann, search) == []
    assert len(searched(ann, "OTHER")) == 1


def test_marks_that_are_vowels_stay(ann: UserRef) -> None:
    services.channel_create(user=ann, name="หนู", topic="", kind="public")
    assert searched(ann, "หน") != []
    assert searched(ann, "หนี") == []


def test_a_channel_of_the_version_before_is_found_too(ann: UserRef, tea: ChannelKey) -> None:
    Channel.objects.filter(key=tea).update(name="Old Tea", name_folded=None)
    assert len(searched(ann, "OLD")) == 1


@pytest.fixture
def index() -> None:
    """As `migrate` leaves it behind."""
    name_search.ensure("default")


@pytest.mark.usefixtures("index")
def test_a_search_finds_the_same_with_and_without_the_index(ann: UserRef, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ['say "tea"', "Tea and Coffee", "teapot 100%", "a_b", "steam", "Tea OR NOT", "日本語の部屋", "te", "tea*"]
    for name in names:
        Channel.objects.create(name=name, kind="public")
    Channel.objects.create(name="archived tea", kind="public", archived_at=datetime.now(UTC))
    Channel.objects.create(name="private tea", kind="private")
    asked = ["tea", "TEA", '"tea"', "tea OR", "tea*", "100%", "a_b", "e", "te", "本語の", "tea and coffee", "nothing"]
    found = {search: searched(ann, search) for search in asked}
    monkeypatch.setattr(name_search, "LEAST_CHARS", 1_000)
    assert found == {search: searched(ann, search) for search in asked}
    assert found["tea"] == ['say "tea"', "Tea and Coffee", "teapot 100%", "steam", "Tea OR NOT", "tea*"]


@pytest.mark.usefixtures("index")
def test_the_index_follows_new_names_and_channels_that_are_gone(ann: UserRef) -> None:
    channel = Channel.objects.create(name="kettle", kind="public")
    assert searched(ann, "kettle") == ["kettle"]
    channel.name = "samovar"
    channel.save()
    assert (searched(ann, "kettle"), searched(ann, "samovar")) == ([], ["samovar"])
    channel.delete()
    assert searched(ann, "samovar") == []


@pytest.mark.usefixtures("index")
def test_a_search_reads_no_more_than_what_it_finds(ann: UserRef) -> None:
    """60 searches among 50,000 channels read all of their names, and held everybody else up for 621 ms."""
    for number in range(30):
        Channel.objects.create(name=f"room {number}", kind="public")
    condition, parameters, _ = name_search.find(connection, "room 7", 0, 10)
    with connection.cursor() as cursor:
        explain = "EXPLAIN QUERY PLAN" if is_sqlite() else "EXPLAIN"
        if not is_sqlite():
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"{explain} SELECT c.id FROM chat_channel c WHERE true{condition}", parameters)
        plan = " ".join(str(row) for row in cursor.fetchall())
    assert "VIRTUAL TABLE INDEX" in plan or name_search.INDEX in plan


@pytest.mark.usefixtures("index")
def test_a_page_of_a_short_search_looks_at_so_many_names_and_the_next_one_goes_on_there(
    ann: UserRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No index knows one or two letters: such a search read all of 50,000 names, whatever it found."""
    monkeypatch.setattr(name_search, "NAMES_AT_ONCE", 10)
    made = [Channel.objects.create(name=f"room {number}", kind="public") for number in range(25)]
    Channel.objects.create(name="会議室", kind="public")
    page = listed(ann, search="会議")
    there_already = Channel.objects.filter(id__lt=made[0].id, kind="public").count()
    assert (page["results"], page["next"]) == ([], str(made[9 - there_already].id))
    assert searched(ann, "会議") == ["会議室"]
    assert searched(ann, "m 2") == ["room 2", *(f"room {number}" for number in range(20, 25))]
    assert searched(ann, "qq") == []


@pytest.mark.usefixtures("index")
def test_a_migration_finds_no_trigger_and_leaves_the_index_whole(ann: UserRef) -> None:
    """SQLite refuses to change a table that a trigger speaks of; what is renamed meanwhile is found all the same."""
    channel = Channel.objects.create(name="kettle", kind="public")
    name_search.put_away("default")
    Channel.objects.filter(pk=channel.pk).update(name="samovar", name_folded="samovar")
    name_search.ensure("default")
    assert (searched(ann, "kettle"), searched(ann, "samovar")) == ([], ["samovar"])


@pytest.fixture
def threaded(ann: UserRef) -> tuple[ChannelKey, str]:
    """A channel of 1,500 messages, of which the thread of one shows most alone; beside another like it."""
    bob = user_ref("writer")
    roots = []
    for key in [channel_of(ann, key) for key in ("large", "other")]:
        (first,) = store_batch([Post(ann, key, "root", "root")])
        assert isinstance(first, Stored)
        roots.append(first.message["id"])
        plain = [Post(bob, key, "plain", f"p{number}") for number in range(100)]
        aside = [Post(bob, key, "aside", f"a{number}", thread=roots[-1]) for number in range(1_300)]
        for start in range(0, 1_300, 260):
            store_batch([*plain[start // 13 : start // 13 + 20], *aside[start : start + 260]])
    prefer_indexes()
    return ChannelKey("large"), roots[0]


def test_pages_of_the_flow_and_of_a_thread_run_along_an_index_each(threaded: tuple[ChannelKey, str]) -> None:
    key, root = threaded
    channel_id = Channel.objects.get(key=key).id
    marks: dict[str, int]
    for marks in ({}, {"before": 700}, {"after": 700}, {"around": 700}, {"after": 3}, {"before": 10}):
        for what in ({"flow": True}, {"thread": root}):
            wanted: dict[str, Any] = {**marks, **what, "limit": 30}
            assert_indexed(lambda wanted=wanted: selectors.messages_page(channel_id, **wanted))
            for sql, plan in plans_of(lambda wanted=wanted: selectors.messages_page(channel_id, **wanted)):
                if "RECURSIVE" in sql:
                    assert "message_thread" in plan, f"{sql}\n{plan}"
                    assert "sqlite_autoindex" not in plan, f"{sql}\n{plan}"
                elif "number DESC" in sql or "ORDER BY m.number" in sql:
                    early = "m.number > " in sql and "m.number < " in sql
                    index = "message_number" if early else "message_flow"
                    assert index in plan or "sqlite_autoindex_chat_message" in plan, f"{sql}\n{plan}"
                    assert index != "message_flow" or index in plan, f"{sql}\n{plan}"


def test_a_page_of_a_thread_is_never_sorted_however_short_the_database_takes_the_thread_for(ann: UserRef) -> None:
    """It knows what threads have on average, and reads and sorts a whole one that it takes for a page. Without
    prefer_indexes(): what it likes best at the size of a test is the question.
    """
    key = channel_of(ann, "many")
    roots = store_batch([Post(ann, key, "root", f"r{number}") for number in range(40)])
    for root in roots:
        assert isinstance(root, Stored)
        thread = root.message["id"]
        store_batch([Post(ann, key, "aside" * 20, f"{thread} {number}", thread=thread) for number in range(60)])
    if not is_sqlite():
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    channel_id = Channel.objects.get(key=key).id
    marks: dict[str, int]
    for marks in ({}, {"before": 500}, {"after": 30}, {"around": 60}):
        wanted: dict[str, Any] = {**marks, "thread": thread}
        for sql, plan in plans_of(lambda wanted=wanted: selectors.messages_page(channel_id, **wanted)):
            if "ORDER BY m.number" in sql or "RECURSIVE" in sql:
                assert "Sort" not in plan, f"{sql}\n{plan}"
                assert "TEMP B-TREE" not in plan, f"{sql}\n{plan}"


def test_every_page_of_the_flow_is_a_part_of_it(threaded: tuple[ChannelKey, str]) -> None:
    """Whatever its mark, and though hundreds of messages between two of them are not shown."""
    key, _ = threaded
    channel = Channel.objects.get(key=key)
    shown = list(Message.objects.filter(channel=channel, is_aside=None).order_by("number"))
    numbers = [each.number for each in shown]
    assert [each.number - (each.aside or 0) for each in shown] == list(range(1, 102))

    def page(**wanted: Any) -> tuple[list[int], bool]:
        found = selectors.messages_page(channel.pk, flow=True, limit=8, **wanted)
        return [each["number"] for each in found.messages], found.has_more

    for mark in (0, 1, 2, 20, 21, 22, 23, 300, 301, 302, 700, channel.number, channel.number + 1):
        below = [number for number in numbers if number < mark]
        assert page(before=mark) == (below[-8:], len(below) > 8)
        above = [number for number in numbers if number > mark]
        assert page(after=mark) == (above[:8], len(above) > 8)
    assert page() == (numbers[-8:], True)


def test_ones_threads_are_found_from_the_user(ann: UserRef, threaded: tuple[ChannelKey, str]) -> None:
    services.thread_follow(user=ann, key=threaded[0], thread=threaded[1])
    prefer_indexes()
    assert selectors.my_threads(user=ann)["results"][0]["unread"] == 1_000, "more are not counted"
    assert_indexed(lambda: selectors.my_threads(user=ann))
