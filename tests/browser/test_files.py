"""Files in the web client: chosen, sent with a message, shown small and large, and had by their own page."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import People, Room
from tests.support.pictures import plain

pytestmark = pytest.mark.browser

SOON_MS = 20_000


def test_the_words_of_a_picture_are_taken_away_and_the_picture_stays(
    people: People, room: Room, tmp_path: Path
) -> None:
    ada = people("ada").register(room.path)
    picture = tmp_path / "tea.png"
    picture.write_bytes(plain(size=(64, 48)))
    ada.page.locator("input[type=file]").set_input_files(picture)
    expect(ada.page.get_by_role("list", name="Files").get_by_text("bytes")).to_be_visible(timeout=SOON_MS)
    ada.say("look")
    shown = ada.log.locator(".file-thumb img")
    expect(shown).to_be_visible(timeout=SOON_MS)
    ada.page.get_by_role("textbox", name="Message", exact=True).press("ArrowUp")
    field = ada.page.get_by_role("textbox", name="Edit message")
    field.fill(" ")
    field.press("Enter")
    expect(field).to_have_count(0)
    expect(ada.log.get_by_text("look")).to_have_count(0)
    expect(shown).to_be_visible()


def test_a_picture_and_a_text_are_sent_and_seen_by_others(people: People, room: Room, tmp_path: Path) -> None:
    ada, bob = people("ada").register(room.path), people("bob").register(room.path)
    picture, text = tmp_path / "tea.png", tmp_path / "tea.txt"
    picture.write_bytes(plain(size=(640, 480)))
    text.write_text("green, black, and how long")
    ada.page.locator("input[type=file]").set_input_files([picture, text])
    tray = ada.page.get_by_role("list", name="Files")
    expect(tray.get_by_text("26 bytes")).to_be_visible(timeout=SOON_MS)
    ada.page.get_by_role("button", name="Send").click()
    expect(tray.get_by_role("listitem")).to_have_count(0)
    for each in (ada, bob):
        thumb = each.log.locator(".file-thumb img")
        expect(thumb).to_be_visible(timeout=SOON_MS)
        expect(thumb).to_have_js_property("naturalWidth", 480, timeout=SOON_MS)
    bob.log.locator(".file-thumb").click()
    large = bob.page.locator("dialog[open] img")
    expect(large).to_be_visible()
    expect(large).to_have_js_property("naturalWidth", 640, timeout=SOON_MS)
    bob.page.get_by_role("button", name="Close").click()
    with bob.page.expect_download() as begun:
        bob.log.locator(".file-line").click()
    assert begun.value.suggested_filename == "tea.txt"
    assert begun.value.path().read_text() == text.read_text()


def test_the_address_in_clients_without_files_leads_to_the_file_after_log_in(
    people: People, room: Room, tmp_path: Path
) -> None:
    ada, bob = people("ada").register(room.path), people("bob")
    text = tmp_path / "tea.txt"
    text.write_text("green")
    ada.page.locator("input[type=file]").set_input_files(text)
    expect(ada.page.get_by_role("list", name="Files").get_by_text("5 bytes")).to_be_visible(timeout=SOON_MS)
    ada.page.get_by_role("button", name="Send").click()
    address = ada.log.locator(".file-line").get_attribute("href") or ""
    with bob.page.expect_download() as begun:
        bob.register(f"/f/{address.split('/')[-2]}")
    assert begun.value.path().read_text() == "green"
    # Else each page that is opened next would begin it anew.
    assert bob.page.evaluate("location.pathname") == "/"
