"""Searching in the web client: what was said is found, marked, and led to."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import People, Room

pytestmark = pytest.mark.browser


def test_a_message_is_found_and_led_to(people: People, room: Room) -> None:
    ada = people("ada").register(room.path)
    for text in ("before it", "the harbour at night 🌊", "after it"):
        ada.say(text)
    ada.page.get_by_role("button", name="Follow").or_(ada.page.get_by_role("button", name="Leave")).first.wait_for()
    ada.page.get_by_role("link", name="Search", exact=True).click()
    field = ada.page.get_by_role("searchbox", name="Search messages")
    # What was just said is in the index a moment later.
    hit = ada.page.get_by_role("link").filter(has_text="harbour")

    def ask() -> None:
        field.fill("HARBOUR nigh*")
        field.press("Enter")
        expect(ada.page.get_by_role("status").filter(has_text="Searching")).to_have_count(0)

    for _ in range(20):
        ask()
        if hit.count():
            break
        ada.page.wait_for_timeout(500)
    expect(hit.locator("mark")).to_have_text(["harbour", "night"])
    hit.click()
    expect(ada.page.locator(".message[aria-current]")).to_contain_text("the harbour at night 🌊")
    expect(ada.page.get_by_text("before it")).to_be_visible()
    ada.page.go_back()
    expect(hit).to_be_visible()
    hit.click()
    ada.page.get_by_role("link", name="Open the channel").click()
    ada.expect_texts(["before it", "the harbour at night 🌊", "after it"])
