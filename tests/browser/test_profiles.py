"""How people show themselves, in two browsers: picture, name, card; who is found; whose server it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import People, Room
from tests.support.browser import Person
from tests.support.pictures import plain, png_that_says
from tests.support.server import LiveServer

pytestmark = pytest.mark.browser

SOON_MS = 20_000
"""Somebody's change is told at once, and the next one ten seconds later."""


def picture_of(person: Person, name: str) -> Locator:
    """The picture beside what somebody of that name wrote, as this person sees it."""
    return person.log.locator(f".avatar[data-person='{name}'] img").first


def settings(person: Person, section: str) -> None:
    person.visit(f"/#/settings/{section}")
    expect(person.page.get_by_role("heading", name=section.capitalize(), exact=True)).to_be_visible()


def test_a_picture_that_one_chooses_is_seen_by_others_in_the_channel(
    people: People, room: Room, tmp_path: Path
) -> None:
    ada, bob = people("ada").register(room.path), people("bob").register(room.path)
    ada.say("hello")
    bob.expect_texts(["hello"])
    expect(picture_of(bob, ada.name)).to_have_count(0)
    file = tmp_path / "me.png"
    file.write_bytes(plain(size=(640, 480)))
    second = ada.tab()
    second.goto(f"{ada.url}/#/settings/profile")
    second.get_by_label("Choose a picture").set_input_files(file)
    second.get_by_role("button", name="Use this picture").click()
    expect(second.get_by_text("This is your picture now.")).to_be_visible(timeout=SOON_MS)
    for each in (ada, bob):
        expect(picture_of(each, ada.name)).to_be_visible(timeout=SOON_MS)
    loaded = picture_of(bob, ada.name).evaluate("image => image.decode().then(() => image.naturalWidth)")
    assert loaded == 96
    second.get_by_label("Display name").fill("Ada Lovelace")
    second.get_by_role("button", name="Save").first.click()
    expect(bob.log.get_by_role("button", name="Ada Lovelace")).to_be_visible(timeout=SOON_MS)
    expect(bob.member("Ada Lovelace")).to_be_visible()
    second.get_by_role("button", name="Remove the picture").click()
    expect(picture_of(bob, ada.name)).to_have_count(0, timeout=SOON_MS)


def test_a_picture_that_is_none_is_refused_in_words(people: People, tmp_path: Path) -> None:
    ada = people("ada").register()
    settings(ada, "profile")
    ada.expect_problem("400")
    file = tmp_path / "bomb.png"
    file.write_bytes(png_that_says(20_000, 3_000))
    ada.page.get_by_label("Choose a picture").set_input_files(file)
    ada.page.get_by_role("button", name="Use this picture").click()
    expect(ada.page.get_by_text("40 million pixels")).to_be_visible(timeout=SOON_MS)


def test_a_card_says_who_somebody_is_and_leads_to_them(people: People, room: Room) -> None:
    ada, bob = people("ada").register(room.path), people("bob").register(room.path)
    settings(ada, "profile")
    ada.page.get_by_label("Display name").fill("Ada Lovelace")
    ada.page.get_by_label("Status").fill("Counting")
    ada.page.get_by_role("button", name="Save").first.click()
    expect(ada.page.get_by_text("Saved.")).to_be_visible()
    ada.visit(room.path)
    ada.say("hello")
    bob.log.get_by_role("button", name="Ada Lovelace").click()
    card = bob.page.locator("dialog[open]")
    for words in ("Ada Lovelace", f"@{ada.name}", "Counting", "Here since"):
        expect(card.get_by_text(words, exact=words != "Here since")).to_be_visible()
    card.get_by_role("button", name="Block").click()
    expect(card.get_by_role("button", name="Unblock")).to_be_visible()
    card.get_by_role("button", name="Unblock").click()
    card.get_by_role("button", name="Message").click()
    expect(bob.page.get_by_role("heading", name=ada.name)).to_be_visible()
    expect(bob.place("Ada Lovelace")).to_be_visible()


def test_people_are_found_by_the_name_that_they_show(people: People) -> None:
    ada, bob = people("ada").register(), people("bob").register()
    settings(ada, "profile")
    ada.page.get_by_label("Display name").fill(f"Zélie {ada.name}")
    ada.page.get_by_role("button", name="Save").first.click()
    expect(ada.page.get_by_text("Saved.")).to_be_visible()
    bob.page.get_by_role("button", name="New message").click()
    bob.page.get_by_label("Usernames").fill(f"zelie {ada.name}"[:4])
    bob.page.get_by_role("button", name=f"Zélie {ada.name}").click()
    expect(bob.page.get_by_label("Usernames")).to_have_value(f"{ada.name} ")
    bob.page.get_by_role("button", name="Open").click()
    expect(bob.page.get_by_role("heading", name=ada.name)).to_be_visible()


def test_who_comes_to_the_door_sees_whose_server_it_is(people: People, server: LiveServer) -> None:
    words = "name='The tea house', welcome='Come in.', rules='Be kind.\\nAlways.'"
    server.manage("shell", "-c", f"from chat.models import ServerPage; ServerPage.objects.create(pk=1, {words})")
    try:
        ada = people("ada")
        ada.visit()
        expect(ada.page.get_by_text("The tea house")).to_be_visible()
        expect(ada.page.get_by_text("Come in.")).to_be_visible()
        expect(ada.page.get_by_text("Be kind.")).to_be_hidden()
        ada.page.get_by_text("Rules of this server").click()
        expect(ada.page.get_by_text("Be kind.")).to_be_visible()
        expect(ada.page).to_have_title("The tea house")
    finally:
        server.manage("shell", "-c", "from chat.models import ServerPage; ServerPage.objects.all().delete()")
