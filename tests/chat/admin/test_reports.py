"""The queue of reports: open ones first, each message in its context, and a decision is one click."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from chat import services
from chat.models import Message, Report, Sanction
from chat.selectors import user_ref
from tests.support.rest import post, register
from tests.support.staff import press

pytestmark = [pytest.mark.django_db, pytest.mark.database]
QUEUE = "/admin/chat/report/"


@pytest.fixture
def bob() -> User:
    return register("bob")


def report(by: User, author: User, text: str, reason: str = "rude", key: str = "general") -> Report:
    """A report of a new message."""
    made = post(author, text, key)
    found = services.report_create(user=user_ref(by), key=key, message_id=made["id"], reason=reason)
    return Report.objects.get(pk=found["id"])


def queue(client: Client, query: str = "") -> list[Any]:
    answer = client.get(f"{QUEUE}?{query}")
    assert answer.status_code == 200
    return list(answer.context["cl"].cards)


def test_the_message_stands_in_its_context(mia: Client, ada: User, bob: User) -> None:
    for number in range(5):
        post(ada, f"before {number}")
    found = report(bob, ada, "the rude one")
    post(bob, "after 0")
    post(ada, "elsewhere", "random")
    card = queue(mia)[0]
    assert card.report == found
    assert [message.text for message in card.context] == ["before 2", "before 3", "before 4", "the rude one", "after 0"]


def test_open_ones_are_shown_the_oldest_first_and_decided_ones_by_the_filter(mia: Client, ada: User, bob: User) -> None:
    first, second, third = (report(bob, ada, text) for text in ("1", "2", "3"))
    press(mia, second, "dismiss")
    assert [card.report for card in queue(mia)] == [first, third]
    assert [card.report for card in queue(mia, "state=resolved")] == [second]
    assert [card.report for card in queue(mia, "state=all")] == [third, second, first]
    assert b"Dismissed by mia" in mia.get(f"{QUEUE}?state=resolved").content
    Report.objects.filter(pk=third.pk).update(reporter=None)
    assert [card.report for card in queue(mia, "source=words")] == [third]
    assert [card.report for card in queue(mia, "source=people")] == [first]


def test_reports_are_found_by_channel_author_and_reason(mia: Client, ada: User, bob: User) -> None:
    one, two = report(bob, ada, "1", "spam"), report(ada, bob, "2", "insult", "random")
    for query, found in (("by:ADA", [one]), ("in:random", [two]), ("spam", [one]), ("by:nobody", []), ("in:x", [])):
        assert [card.report for card in queue(mia, f"q={query}")] == found, query


def test_one_click_dismisses_or_deletes(mia: Client, ada: User, bob: User) -> None:
    first, second = report(bob, ada, "fine"), report(bob, ada, "rude")
    back = f"{QUEUE}?source=people"
    answer = mia.post(f"{QUEUE}{first.pk}/do/dismiss/", {"back": back}, follow=True)
    assert answer.redirect_chain == [(back, 302)]
    assert press(mia, second, "delete") == ["The message of ada is deleted."]
    texts = list(Message.objects.order_by("number").values_list("text", flat=True))
    assert texts == ["fine", ""]
    assert list(Report.objects.order_by("id").values_list("resolution", flat=True)) == ["dismissed", "deleted"]
    assert press(mia, second, "dismiss") == ["That report is decided already."]


@pytest.mark.parametrize(
    ("choice", "place", "kind", "channel", "hours"),
    [
        ("mute:3600", "here", "mute", "general", 1),
        ("mute:86400", "everywhere", "mute", None, 24),
        ("ban:604800", "here", "ban", "general", 168),
        ("ban:0", "everywhere", "ban", None, None),
    ],
)
def test_one_click_deletes_the_message_and_sanctions_its_author(
    mia: Client, ada: User, bob: User, choice: str, place: str, kind: str, channel: str | None, hours: int | None
) -> None:
    found = report(bob, ada, "rude", "insulting")
    said = press(mia, found, "sanction", choice=choice, place=place)
    assert said[0].startswith("The message is deleted, and ada is ")
    sanction = Sanction.objects.get()
    assert (sanction.kind, sanction.channel and sanction.channel.key) == (kind, channel)
    assert (sanction.user, sanction.reason) == (ada, "insulting")
    left = sanction.until and round((sanction.until - datetime.now(UTC)).total_seconds() / 3600)
    assert left == hours
    assert Message.objects.get().text == ""


def test_what_is_no_choice_is_refused(mia: Client, ada: User, bob: User) -> None:
    found = report(bob, ada, "rude")
    assert "Select a valid choice" in press(mia, found, "sanction", choice="ban:1", place="here")[0]
    assert not Sanction.objects.exists()


def test_a_report_of_a_direct_message_shows_that_message_alone(mia: Client, boss: Client, ada: User, bob: User) -> None:
    key = services.direct_open(user=user_ref(ada), username="bob")[0].channel.key
    post(ada, "something private", key)
    found = report(bob, ada, "a threat", "threat", key)
    assert queue(mia)[0].context == []
    page = mia.get(QUEUE).content
    assert b"a threat" in page
    assert b"something private" not in page
    assert len(queue(boss)[0].context) == 2
    said = press(mia, found, "sanction", choice="ban:0", place="everywhere")
    assert said == ["The message is deleted, and ada is banned everywhere."]


def test_the_queue_asks_the_same_number_of_questions_however_long_it_is(
    mia: Client, ada: User, bob: User, django_assert_max_num_queries: Any
) -> None:
    report(bob, ada, "one")
    with django_assert_max_num_queries(15) as few:
        queue(mia)
    asked = len(few)
    for number in range(10):
        report(bob, ada, f"more {number}", key=("general", "random")[number % 2])
    with django_assert_max_num_queries(asked):
        assert len(queue(mia)) == 11


def test_all_reports_of_one_message_are_one_card_with_every_reason(mia: Client, ada: User, bob: User) -> None:
    """Ten people reported one message, and the queue showed it ten times."""
    first = report(bob, ada, "the rude one", "rude")
    other = services.report_create(
        user=user_ref(register("eve")), key="general", message_id=str(first.message_id), reason="hurts"
    )
    later = report(bob, ada, "another")
    cards = queue(mia)
    assert [card.report for card in cards] == [first, later]
    assert [each.pk for each in cards[0].others] == [other["id"]]
    assert "hurts" in mia.get(QUEUE).content.decode()
    press(mia, first, "dismiss")
    assert [card.report for card in queue(mia)] == [later]
    assert [(card.report, len(card.others)) for card in queue(mia, "state=resolved")] == [(first, 1)]
    assert [card.report.pk for card in queue(mia, "state=all&q=hurts")] == [other["id"]]


def test_the_menu_and_the_index_say_how_many_messages_wait(mia: Client, ada: User, bob: User) -> None:
    """One had to open the queue to see whether there was anything in it."""
    assert b"No report is open" in mia.get("/admin/").content
    first = report(bob, ada, "the rude one")
    services.report_create(
        user=user_ref(register("eve")), key="general", message_id=str(first.message_id), reason="hurts"
    )
    report(bob, ada, "another")
    page = mia.get("/admin/").content.decode()
    assert "2 reported messages to decide" in page
    assert 'Reports <b class="count" title="open">2</b>' in page


def test_a_button_says_all_that_it_does(mia: Client, ada: User, bob: User) -> None:
    """The button for a mute of an hour also deleted the message, and did not say so."""
    report(bob, ada, "the rude one")
    page = mia.get(QUEUE).content.decode()
    for words in ("Delete, mute 1 hour", "Delete, ban for good"):
        assert f">{words}</button>" in page
    assert ">Mute 1 hour</button>" not in page
