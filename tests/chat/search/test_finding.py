"""What a search is answered with: pages, filters, highlights, bounds of time, and what is refused."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime, timedelta

import pytest

from chat import services
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.search import Filters
from chat.models import Message, message_search
from chat.posting.batches import Post, store_batch
from chat.search import finding
from chat.search.finding import PAGE, messages_search
from chat.search.indexing import index_now
from reaktor.db.ids import uuid7
from reaktor.errors import InvalidError, NotFoundError, ReaktorError
from tests.chat.search.conftest import found, post
from tests.support.databases import channel_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
BACK = (timedelta(seconds=1), timedelta(hours=2), timedelta(days=5), timedelta(days=300))


def spread(ids: list[str]) -> list[datetime]:
    """Let these messages be from further and further back, the last one the oldest; when each was posted."""
    times = []
    for pk, back in zip(ids, itertools.accumulate(itertools.cycle(BACK)), strict=False):
        at = datetime.now(UTC) - back
        Message.objects.filter(pk=pk).update(id=uuid7(at), created_at=at)
        times.append(at)
    return times


def test_a_hit_is_a_message_its_channel_and_where_it_was_found(ann: UserRef, tea: ChannelKey) -> None:
    post(ann, tea, "Green TEA, and more tea")
    index_now()
    page = messages_search(user=ann, q="tea", filters={})
    (hit,) = page["results"]
    assert page["next"] is None
    assert hit["channel"] == {"key": "tea", "name": "tea", "kind": "public"}
    assert hit["highlights"] == [[6, 9], [20, 23]]
    assert (hit["message"]["author"], hit["message"]["number"]) == ("ann", 1)


def test_pages_lead_to_the_end_newest_first_over_years(ann: UserRef, tea: ChannelKey) -> None:
    ids = post(ann, tea, *(f"tea {number}" for number in range(PAGE * 2 + 3)))
    spread(ids)
    index_now()
    assert found(ann, "tea") == [f"tea {number}" for number in range(PAGE * 2 + 3)]
    assert len(messages_search(user=ann, q="tea", filters={})["results"]) == PAGE


def test_a_thread_is_its_root_and_what_was_answered_there(ann: UserRef, bob: UserRef, tea: ChannelKey) -> None:
    root, other = post(ann, tea, "tea?", "more tea")
    for text, more in (("green tea", {}), ("tea for all", {"also_in_channel": True})):
        store_batch([Post(bob, tea, text, text, thread=root, **more)])
    store_batch([Post(bob, tea, "tea elsewhere", "n", thread=other)])
    index_now()
    assert found(ann, "tea", thread=root) == found(bob, "tea", thread=root, channel="tea")
    assert found(ann, "tea", thread=root) == ["tea for all", "green tea", "tea?"]
    (reply,) = Message.objects.filter(text="green tea").values_list("pk", flat=True)
    closed = services.channel_create(user=ann, name="Closed", kind="private").channel.key
    (hidden,) = post(ann, closed, "tea")
    for user, thread, channel, kind in (
        (ann, "tea", None, NotFoundError),
        (ann, str(uuid7()), None, NotFoundError),
        (ann, root, closed, NotFoundError),
        (bob, hidden, None, NotFoundError),
        (ann, str(reply), None, InvalidError),
    ):
        filters: Filters = {"thread": thread} if channel is None else {"thread": thread, "channel": channel}
        with pytest.raises(kind):
            messages_search(user=user, q="tea", filters=filters)


def test_filters_narrow_it(ann: UserRef, bob: UserRef, tea: ChannelKey) -> None:
    other = channel_of(bob, "other")
    times = spread(post(ann, tea, "tea 0", "tea 1 https://tea.example", "tea 2"))
    spread(post(bob, other, "pot of tea"))
    services.membership_join(user=ann, key=other)
    index_now()
    assert len(found(ann, "tea")) == 4
    assert found(ann, "tea", channel="other") == ["pot of tea"]
    assert found(ann, "tea", author="BOB") == ["pot of tea"]
    assert found(ann, "", author="bob") == ["pot of tea"]
    assert found(ann, "", has="link") == found(ann, "tea", has="link") == ["tea 1 https://tea.example"]
    mine = {"channel": "tea"}
    assert found(ann, "tea", before=times[0], **mine) == ["tea 1 https://tea.example", "tea 2"]
    assert found(ann, "tea", after=times[1], **mine) == ["tea 0", "tea 1 https://tea.example"]
    assert found(ann, "tea", after=times[1], before=times[0], **mine) == ["tea 1 https://tea.example"]
    assert found(ann, "tea -https") == ["pot of tea", "tea 0", "tea 2"]
    assert found(ann, '"of tea" po*') == ["pot of tea"]


def test_by_default_one_looks_where_one_belongs(ann: UserRef, bob: UserRef, tea: ChannelKey) -> None:
    post(ann, tea, "public tea")
    index_now()
    assert found(bob, "tea") == []
    assert found(bob, "tea", channel="tea") == ["public tea"], "whoever may read it may search it"


def test_of_many_channels_none_is_left_out(ann: UserRef, bob: UserRef, tea: ChannelKey) -> None:
    for number in range(finding.FEW_CHANNELS + 2):
        post(ann, channel_of(ann, f"c{number}"), f"tea {number}")
    post(bob, channel_of(bob, "other"), "not this tea")
    index_now()
    assert len(found(ann, "tea")) == finding.FEW_CHANNELS + 2


def test_a_phrase_is_found_among_very_many_that_have_its_words_apart(
    ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "ROUGH_CANDIDATES", 40)
    apart = ["pot of tea"] * 90
    post(ann, tea, "the first tea pot", *apart, "a tea pot", *apart)
    index_now()
    assert found(ann, '"tea pot"') == ["a tea pot", "the first tea pot"]


def test_windows_of_any_length_end_where_marks_do_and_leave_nothing_out(ann: UserRef, tea: ChannelKey) -> None:
    ids = post(ann, tea, *(f"tea {number}" for number in range(60)))
    spread(ids)
    index_now()
    wanted = message_search.Wanted([message_search.Needle("tea")])
    newest = message_search.newest_below(message_search.TOP)
    assert newest is not None
    for bits in range(message_search.SHORTEST + 8, message_search.LONGEST + 2):
        high, places = newest + 1, []
        while (below := message_search.newest_below(high)) is not None:
            high = below + 1
            low = message_search.window_start(bits, high)
            assert low <= below
            look = message_search.look(wanted, bits=bits, low=low, high=high, limit=100, within_s=5.0)
            places += [each.place for each in look]
            high = low
        assert len(places) == 60
        assert places == sorted(places, reverse=True)


@pytest.mark.parametrize(
    ("q", "filters", "error"),
    [
        ("", {}, InvalidError),
        ("-tea", {}, InvalidError),
        ("🍵", {}, InvalidError),
        ("a*", {}, InvalidError),
        ("x" * 257, {}, InvalidError),
        ("tea", {"has": "nothing"}, InvalidError),
        ("tea", {"channel": "none"}, NotFoundError),
        ("tea", {"author": "nobody"}, NotFoundError),
    ],
)
def test_what_is_refused(q: str, filters: Filters, error: type[ReaktorError], ann: UserRef, tea: ChannelKey) -> None:
    with pytest.raises(error):
        messages_search(user=ann, q=q, filters=filters)


@pytest.mark.parametrize("cursor", ["", "x", "1" * 33, "-1", " 1"])
def test_what_is_no_cursor_is_refused(cursor: str, ann: UserRef, tea: ChannelKey) -> None:
    with pytest.raises(InvalidError):
        messages_search(user=ann, q="tea", filters={}, cursor=cursor)


def test_when_the_time_is_up_the_page_ends_and_leads_on(
    ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here at each look at the clock more of it is over than there was: every page still comes further."""
    ids = post(ann, tea, *(f"{'tea' if number % 4 else 'pot'} {number}" for number in range(12)))
    spread(ids)
    index_now()
    monkeypatch.setattr(message_search, "NEWEST_ROWS", 2)
    hurry = itertools.count(0.0, 1.0)
    texts: list[str] = []
    cursor: str | None = None
    pages = 0
    while pages == 0 or cursor is not None:
        page = messages_search(user=ann, q="pot", filters={}, cursor=cursor, clock=lambda: next(hurry))
        texts += [hit["message"]["text"] or "" for hit in page["results"]]
        assert page["next"] != cursor
        cursor, pages = page["next"], pages + 1
    assert texts == ["pot 0", "pot 4", "pot 8"]
    assert pages > 1


def test_a_look_that_takes_too_long_is_ended(ann: UserRef, tea: ChannelKey) -> None:
    """By the database itself; the connection goes on."""
    from chat.domain.search import lexemes

    post(ann, tea, *("tea " * 5 + str(number) for number in range(300)))
    index_now()
    assert lexemes("tea 1") == {"tea", "1"}
    wanted = message_search.Wanted([message_search.Needle("tea")])
    began = time.monotonic()
    bounds = {"low": 0, "high": message_search.TOP, "limit": 100}
    for _ in range(3):
        try:
            message_search.look(wanted, bits=message_search.WHOLE, within_s=0.0, **bounds)
        except message_search.TooSlowError:
            break
    assert time.monotonic() - began < 60
    assert len(message_search.look(wanted, bits=message_search.WHOLE, within_s=5.0, **bounds)) == 100
