"""Searching in the web client: what was said is found, marked, and led to."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import People, Room
from tests.support.browser import Person

pytestmark = pytest.mark.browser

SOON_MS = 20_000


def until_found(person: Person, hits: Locator, count: int) -> None:
    """What was just said is in the index a moment later."""
    for _ in range(20):
        person.page.get_by_role("searchbox").press("Enter")
        expect(person.page.get_by_role("status").filter(has_text="Searching")).to_have_count(0)
        if hits.count() == count:
            break
        person.page.wait_for_timeout(500)
    expect(hits).to_have_count(count)


def test_a_message_is_found_and_led_to(people: People, room: Room) -> None:
    ada = people("ada").register(room.path)
    for text in ("before it", "the harbour at night 🌊", "after it"):
        ada.say(text)
    ada.page.get_by_role("button", name="Follow").or_(ada.page.get_by_role("button", name="Leave")).first.wait_for()
    ada.page.get_by_role("link", name="Search", exact=True).click()
    field = ada.page.get_by_role("searchbox", name="Search messages")
    hit = ada.page.get_by_role("link").filter(has_text="harbour")
    field.fill("HARBOUR nigh*")
    until_found(ada, hit, 1)
    expect(hit.locator("mark")).to_have_text(["harbour", "night"])
    hit.click()
    expect(ada.page.locator(".message[aria-current]")).to_contain_text("the harbour at night 🌊")
    expect(ada.page.get_by_text("before it")).to_be_visible()
    ada.page.go_back()
    expect(hit).to_be_visible()
    hit.click()
    ada.page.get_by_role("link", name="Open the channel").click()
    ada.expect_texts(["before it", "the harbour at night 🌊", "after it"])


def test_only_messages_with_files_are_found_where_one_says_so(people: People, room: Room, tmp_path: Path) -> None:
    ada = people("ada").register(room.path)
    text = tmp_path / "harbour.txt"
    text.write_text("at night")
    ada.page.locator("input[type=file]").set_input_files(text)
    expect(ada.page.get_by_role("list", name="Files").get_by_text("8 bytes")).to_be_visible(timeout=SOON_MS)
    ada.say("the harbour with a file")
    ada.say("the harbour without one")
    ada.page.get_by_role("button", name="Follow").or_(ada.page.get_by_role("button", name="Leave")).first.wait_for()
    ada.page.get_by_role("link", name="Search", exact=True).click()
    field, files = ada.page.get_by_role("searchbox"), ada.page.get_by_role("switch", name="Only with files")
    hits = ada.page.locator(".is-hit")
    field.fill("harbour")
    until_found(ada, hits, 2)
    files.check()
    expect(hits).to_have_count(1)
    expect(hits).to_contain_text("harbour.txt")
    assert ada.page.evaluate("location.hash") == "#/search/harbour?has=file"
    field.fill("")
    field.press("Enter")
    expect(hits).to_have_count(1)
    hits.click()
    ada.page.go_back()
    expect(files).to_be_checked()
    expect(hits).to_have_count(1)
    files.uncheck()
    expect(hits).to_have_count(0)
