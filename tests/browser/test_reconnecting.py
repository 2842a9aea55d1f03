"""The line breaks, the server restarts: whoever comes back finds what was missed, in order, once."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import People, Room
from tests.support.browser import LINE_IS_DOWN
from tests.support.server import LiveServer

pytestmark = pytest.mark.browser


def test_whoever_was_offline_comes_back_to_what_was_missed_in_order_and_once(people: People, room: Room) -> None:
    ada, bob = people("ada").register(room.path), people("bob").register(room.path)
    bob.expect_problem(LINE_IS_DOWN)
    ada.say("before")
    bob.expect_texts(["before"])
    bob.context.set_offline(True)
    expect(bob.page.locator(".banner")).to_contain_text("No connection")
    for text in ("missed one", "missed two", "missed three"):
        ada.say(text)
    bob.say("written without a line")
    expect(bob.row("written without a line")).to_contain_text("sending")
    ada.expect_texts(["before", "missed one", "missed two", "missed three"])
    bob.context.set_offline(False)
    texts = ["before", "missed one", "missed two", "missed three", "written without a line"]
    for person in (ada, bob):
        person.expect_connected()
        person.expect_texts(texts)
    expect(ada.member(bob.name)).to_be_visible()
    ada.say("after")
    bob.expect_texts([*texts, "after"])


def test_a_server_that_crashes_and_comes_back_loses_nothing_that_was_said(
    people: People, room: Room, server: LiveServer
) -> None:
    ada, bob = people("ada").register(room.path), people("bob").register(room.path)
    for person in (ada, bob):
        person.expect_problem(LINE_IS_DOWN)
    ada.say("before")
    bob.expect_texts(["before"])
    server.kill()
    expect(ada.page.locator(".banner")).to_contain_text("Next try in")
    ada.say("during one")
    ada.say("during two")
    expect(ada.log.locator(".is-unsent")).to_have_count(2)
    # A reload loses nothing either: the tab remembers what it has not said yet.
    server.start()
    ada.page.reload()
    for person in (ada, bob):
        if person.page.get_by_role("button", name="Try now").is_visible():
            person.page.get_by_role("button", name="Try now").click()
        person.expect_connected()
        person.expect_texts(["before", "during one", "during two"])
    expect(ada.member(bob.name)).to_be_visible()
    expect(bob.member(ada.name)).to_be_visible()
