"""Formatted, long and odd texts in the page: they look as typed or as meant, and stay in their place."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import People, Room

pytestmark = pytest.mark.browser

MARKS = "".join(chr(0x300 + at) for at in range(60))
LONG = (
    "x" * 4_000,
    "`" + "y" * 3_998 + "`",
    "```\n" + "z" * 3_990 + "\n```",
    "https://example.org/" + "a" * 3_900,
    "[" + "w" * 2_000 + ".org](https://example.org/" + "b" * 1_900 + ")",
    "999. " + "v" * 3_900,
    ">>> " + "u" * 3_900,
    "\u05d0" * 4_000,
    "\U0001f469\U0001f3fd\u200d\U0001f680" * 1_000,
    "a" + MARKS * 60,
)


def is_too_wide(page: Page) -> bool:
    """Whether anything makes the page or the list of messages wider than it is."""
    found: bool = page.evaluate(
        "[document.documentElement, document.querySelector('.scroller')]"
        ".some((each) => each.scrollWidth > each.clientWidth)"
    )
    return found


def test_formatting_is_shown_and_code_is_left_alone(people: People, room: Room) -> None:
    bob = people("bob").register(room.path)
    ada = people("ada").register(room.path)
    ada.say(f"**bold** @{bob.name} @nobody `@{bob.name}`")
    message = bob.log.locator(".message .text")
    expect(message.locator("strong")).to_have_text("bold")
    expect(message.locator(".name")).to_have_text([f"@{bob.name}"])
    expect(message.locator("code")).to_have_text(f"@{bob.name}")
    ada.say(f"```py\n@{bob.name}\n```")
    expect(bob.log.locator("pre")).to_have_text(f"@{bob.name}")
    expect(bob.log.locator(".is-for-me")).to_have_count(1)
    bob.context.grant_permissions(["clipboard-read", "clipboard-write"])
    bob.page.get_by_role("button", name="Copy the code").click()
    expect(bob.page.get_by_role("button", name="Copy the code")).to_have_text("Copied")
    assert bob.page.evaluate("navigator.clipboard.readText()") == f"@{bob.name}"


def test_the_composer_says_how_words_are_formatted(people: People, room: Room) -> None:
    ada = people("ada", width=390).register(room.path)
    button = ada.page.get_by_role("button", name="Formatting")
    button.click()
    expect(ada.page.get_by_role("group", name="Formatting").locator("strong")).to_have_text("bold")
    expect(button).to_have_attribute("aria-expanded", "true")
    assert not is_too_wide(ada.page)
    button.click()
    expect(ada.page.get_by_role("group", name="Formatting")).to_have_count(0)


def test_long_and_odd_texts_stay_within_the_page_and_their_message(people: People, room: Room) -> None:
    room.post(*LONG, "the last one")
    for width in (1280, 390):
        ada = people("ada", width=width).register(room.path)
        expect(ada.log.locator(".message .text").last).to_have_text("the last one")
        expect(ada.log.locator("pre")).to_have_count(1)
        assert not is_too_wide(ada.page)
    # What is painted outside of a box does not make it larger: it must be cut off.
    piled = ada.log.locator(".text").nth(len(LONG) - 1)
    assert piled.evaluate("(text) => getComputedStyle(text).overflowY") == "clip"
    assert piled.bounding_box()["height"] < 400  # type: ignore[index]


def test_what_turns_the_direction_of_writing_turns_no_more_than_its_own_text(people: People, room: Room) -> None:
    """The mark of an edited message stood before the text that it belonged to, and was part of what was turned."""
    ada = people("ada").register(room.path)
    ada.say("first")
    ada.expect_texts(["first"])
    ada.field.press("ArrowUp")
    field = ada.page.get_by_label("Edit message")
    field.fill("\u202eturned")
    field.press("Enter")
    text = ada.log.locator(".text", has_text="edited")
    expect(text.locator("span")).to_have_count(2)
    places = text.locator("span").evaluate_all("(all) => all.map((each) => each.getBoundingClientRect().left)")
    assert places == sorted(places)
    ada.say("\u05d0\u05d1 abc")
    row = ada.log.locator(".text p").last
    expect(row).to_contain_text("abc")
    expect(row).to_have_css("direction", "rtl")
