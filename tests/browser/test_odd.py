"""Odd texts and amounts in the page: 4,000 code points of any kind, 200 names, 500 reactions, 10,000 replies."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import People, Room
from tests.browser.test_formatting import is_too_wide
from tests.support.browser import Person
from tests.support.odd import ANSWER_10000_TIMES, REACT_499_TIMES, REPLIES, TEXTS
from tests.support.server import LiveServer

pytestmark = pytest.mark.browser


def test_odd_texts_stay_within_the_page_and_turn_nothing_around_them(people: People, room: Room) -> None:
    room.post(*TEXTS.values(), "the last one")
    for width in (1280, 390):
        ada = people("ada", width=width).register(room.path)
        expect(ada.log.locator(".message > .text").last).to_have_text("the last one")
        expect(ada.log.locator(".message > .text")).to_have_count(len(TEXTS) + 1)
        assert not is_too_wide(ada.page)
        last = ada.log.locator(".message > .text").last
        assert last.evaluate("(text) => getComputedStyle(text).direction") == "ltr"
    expect(ada.log.get_by_text(TEXTS["flags"][:200])).to_be_attached()


def test_of_200_names_those_that_are_named_are_marked(people: People, room: Room, server: LiveServer) -> None:
    names = [server.account()[0] for _ in range(21)]
    room.post(" ".join(f"@{name}" for name in names * 10))
    ada = people("ada").register(room.path)
    marked = ada.log.locator(".text .name")
    expect(marked).to_have_text([f"@{name}" for name in names[:20]] * 10)
    assert not is_too_wide(ada.page)


def test_a_message_bears_500_reactions(people: People, room: Room, server: LiveServer) -> None:
    (message,) = room.post("react!")
    server.manage("shell", "-c", REACT_499_TIMES.format(id=message, prefix=message[-6:]))
    room.react(message, "\U0001f44d")
    for width in (1280, 390):
        ada = people("ada", width=width).register(room.path)
        chips = ada.log.locator(".reaction")
        expect(chips).to_have_count(50)
        expect(chips.first).to_have_text("\U0001f44d 451")
        assert not is_too_wide(ada.page)
    # No room is left, and the page says so.
    ada.expect_problem("HTTP 409")
    chips.first.click()
    expect(ada.page.get_by_text("as many reactions as it can bear")).to_be_visible()
    expect(chips.first).to_have_text("\U0001f44d 451")


def test_a_thread_of_10000_replies_opens_at_its_end_and_goes_back(
    people: People, room: Room, server: LiveServer
) -> None:
    (root,) = room.post("the root")
    server.manage("shell", "-c", ANSWER_10000_TIMES.format(author=room.owner, key=room.key, root=root))
    ada = people("ada").register(f"{room.path}/t/{root}")
    panel = ada.page.get_by_role("complementary", name="Thread")
    texts = panel.locator(".message > .text")
    expect(texts.last).to_have_text(f"reply {REPLIES}")
    expect(texts.first).to_have_text("the root")
    shown = texts.count()
    assert shown <= 101
    panel.get_by_role("button", name="Earlier replies").click()
    expect(texts).to_have_count(2 * shown - 1)
    expect(texts.nth(1)).to_have_text(f"reply {REPLIES - 2 * (shown - 1) + 1}")
    panel.get_by_label("Reply", exact=True).fill("the last")
    panel.get_by_label("Reply", exact=True).press("Enter")
    expect(texts.last).to_have_text("the last")
    expect(ada.page.locator(".messages").get_by_role("link", name=f"{REPLIES + 1:,} replies")).to_be_visible()


def test_the_composer_counts_as_the_server_does(migrated_server: LiveServer, browser: Browser, tmp_path: Path) -> None:
    """Below 1,000 it counted UTF-16 units, of which an emoji has two: where the limit is low, it sent too little."""
    settings = {"LIMITS": "off", "LIMIT_TEXT_CHARS": "20", "DJANGO_SETTINGS_MODULE": "tests.support.live_settings"}
    server = migrated_server.copy(tmp_path / "data", **settings)
    server.start()
    room, ada = Room(server), Person(browser.new_context(), server.url, "ada")
    try:
        ada.register(room.path).field.fill("\U0001f30a" * 21)
        expect(ada.page.get_by_text("1 too many")).to_be_visible()
        ada.field.press("Enter")
        ada.field.fill("\U0001f30a" * 20)
        expect(ada.page.get_by_text("0 left")).to_be_visible()
        ada.field.press("Enter")
        ada.expect_texts(["\U0001f30a" * 20])
        assert ada.unexpected() == []
    finally:
        ada.leave()
        ada.context.close()
        room.close()
        server.stop()
