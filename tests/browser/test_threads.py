"""Threads in the web client: answering beside the channel, the count under the root, and one's own list."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, WebSocketRoute, expect

from tests.browser.conftest import People, Room
from tests.support.browser import Person

pytestmark = pytest.mark.browser


def panel(person: Person) -> Locator:
    return person.page.get_by_role("complementary", name="Thread")


def expect_channel(person: Person, *texts: str) -> None:
    """These stand in the channel, and nothing else: the thread beside it has a log of its own."""
    expect(person.page.locator(".messages .message > .text")).to_have_text(list(texts))


def answer(person: Person, text: str) -> None:
    panel(person).get_by_label("Reply", exact=True).fill(text)
    panel(person).get_by_label("Reply", exact=True).press("Enter")


def test_a_message_is_answered_in_a_thread_and_the_channel_shows_how_often(people: People, room: Room) -> None:
    room.post("Who likes tea?")
    ada, bob = people("ada").register(room.path), people("bob").register(room.path)
    root = ada.page.locator(".messages .message", has_text="Who likes tea?")
    root.hover()
    root.get_by_role("link", name="Reply in thread").click()
    answer(ada, "I do")
    expect(panel(ada).locator(".message .text")).to_have_text(["Who likes tea?", "I do"])
    # The channel shows the count alone, to both.
    for person in (ada, bob):
        expect(person.page.locator(".messages").get_by_role("link", name="1 reply", exact=True)).to_be_visible()
        expect_channel(person, "Who likes tea?")
    bob.page.locator(".messages").get_by_role("link", name="1 reply", exact=True).click()
    panel(bob).get_by_label("Also in the channel").check()
    answer(bob, "Me, too")
    for person in (ada, bob):
        expect(panel(person).locator(".message .text")).to_have_text(["Who likes tea?", "I do", "Me, too"])
        expect_channel(person, "Who likes tea?", "Me, too")
        expect(person.page.locator(".messages").get_by_role("link", name="2 replies")).to_be_visible()
    expect(panel(bob).get_by_label("Also in the channel")).not_to_be_checked()
    # What is not looked at is unread, and stands in the list of threads.
    ada.page.goto(f"{ada.url}/#/")
    answer(bob, "With milk")
    expect(panel(bob).locator(".message .text").last).to_have_text("With milk")
    ada.page.get_by_role("link", name="Threads").click()
    row = ada.page.get_by_role("listitem").filter(has_text="Who likes tea?")
    expect(row.get_by_text("3 replies")).to_be_visible()
    expect(row.get_by_text("1 unread")).to_be_attached()
    row.get_by_role("link").click()
    expect(panel(ada).locator(".message .text").last).to_have_text("With milk")
    panel(ada).get_by_role("link", name="Close the thread").click()
    expect(panel(ada)).to_have_count(0)
    expect_channel(ada, "Who likes tea?", "Me, too")


def test_a_thread_is_opened_though_the_line_comes_later_than_the_page(people: People, room: Room) -> None:
    """It was asked for once, and stayed empty."""
    (root,) = room.post("Who likes tea?")
    ada = people("ada").register(room.path)
    lines: list[WebSocketRoute] = []

    def connect(line: WebSocketRoute) -> None:
        lines.append(line)
        if len(lines) > 1:
            line.connect_to_server()
        else:
            line.close(code=1013)

    ada.page.route_web_socket(re.compile("/ws/v1"), connect)
    ada.page.goto(f"{ada.url}{room.path}/t/{root}")
    ada.page.reload()
    expect(panel(ada).locator(".message .text")).to_have_text(["Who likes tea?"])
    assert len(lines) == 2
