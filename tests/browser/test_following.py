"""Badges of channels that one is not looking at, direct messages and groups, in two browsers."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import httpx
import pytest
from playwright.sync_api import Dialog, expect

from tests.browser.conftest import People, Room
from tests.support.browser import Person

pytestmark = pytest.mark.browser


def test_a_direct_message_shows_itself_to_somebody_who_is_in_no_channel(people: People, room: Room) -> None:
    ada, bob = people("ada").register(), people("bob").register()
    bob.expect_connected()
    ada.page.get_by_role("button", name="New message").click()
    ada.page.get_by_label("Usernames").fill("nobodyatall")
    ada.page.get_by_role("button", name="Open").click()
    ada.expect_problem("404")
    expect(ada.page.get_by_text("There is nobody with that username.")).to_be_visible()
    ada.page.get_by_label("Usernames").fill(bob.name)
    ada.page.get_by_role("button", name="Open").click()
    expect(ada.page.get_by_role("heading", name=bob.name)).to_be_visible()
    ada.say("psst")
    place = bob.place(ada.name)
    expect(place.get_by_text("1 unread")).to_be_attached(timeout=5_000)
    ada.say("are you there?")
    expect(place.get_by_text("2 unread")).to_be_attached()
    place.click()
    bob.expect_texts(["psst", "are you there?"])
    expect(place.get_by_text("unread")).to_have_count(0)
    # Hidden, until something is said.
    bob.page.get_by_role("button", name="Hide").click()
    expect(place).to_have_count(0)
    ada.say("still there?")
    expect(place.get_by_text("1 unread")).to_be_attached()


def test_what_is_followed_on_one_device_is_followed_on_the_other(people: People, room: Room) -> None:
    ada, bob = people("ada").register(room.path), people("bob").register(room.path)
    laptop = bob.page
    bob.page.get_by_role("button", name="Follow").click()
    expect(bob.page.get_by_role("button", name="Follow")).to_be_hidden()
    phone = bob.tab()
    phone.goto(f"{laptop.url.split('#')[0]}#/")
    place = phone.get_by_role("link", name=re.compile(room.name)).first
    expect(place).to_be_visible()
    laptop.goto(f"{laptop.url.split('#')[0]}#/")
    ada.say("one")
    expect(phone.locator(".places").get_by_text("1 unread")).to_be_attached()
    # Left on one, gone from both.
    laptop.goto(f"{laptop.url.split('#')[0]}{room.path.removeprefix('/')}")
    laptop.get_by_role("button", name="Leave").click()
    expect(phone.locator(".places").get_by_text(room.name)).to_have_count(0)


def test_who_writes_in_a_channel_follows_it(people: People, room: Room) -> None:
    ada = people("ada").register(room.path)
    expect(ada.page.get_by_role("button", name="Follow")).to_be_visible()
    ada.say("hello")
    expect(ada.page.get_by_role("button", name="Follow")).to_be_hidden()


def test_a_group_is_called_by_the_others(people: People, room: Room) -> None:
    ada, bob, eve = (people(name).register() for name in ("ada", "bob", "eve"))
    for person in (bob, eve):
        person.expect_connected()
    ada.page.get_by_role("button", name="New message").click()
    ada.page.get_by_label("Usernames").fill(f"{bob.name}, {eve.name}")
    ada.page.get_by_role("button", name="Open").click()
    ada.say("picnic?")
    expect(bob.place(", ".join(sorted([ada.name, eve.name]))).get_by_text("1 unread")).to_be_attached()
    eve.place(", ".join(sorted([ada.name, bob.name]))).click()
    eve.say("yes")
    ada.expect_texts(["picnic?", "yes"])


def test_who_leaves_where_nobody_comes_back_alone_is_asked_first(people: People) -> None:
    ada, bob, eve = (people(name).register() for name in ("ada", "bob", "eve"))
    key = ask(ada, "/channels", name="Hideout", kind="private")["key"]
    code = ask(ada, f"/channels/{key}/invites", uses=1)["code"]
    ask(bob, f"/invites/{code}/accept")
    ada.page.get_by_role("button", name="New message").click()
    ada.page.get_by_label("Usernames").fill(f"{bob.name}, {eve.name}")
    ada.page.get_by_role("button", name="Open").click()
    ada.say("picnic?")
    group = ", ".join(sorted([ada.name, eve.name]))
    for place, warning in (("Hideout", "you need an invite"), (group, "you can't come back")):
        bob.place(place).click()
        bob.expect_channel(place)
        asked: list[str] = []
        bob.page.once("dialog", partial(answer, asked, False))
        with bob.page.expect_event("dialog"):
            bob.page.get_by_role("button", name="Leave").click()
        bob.expect_channel(place)
        bob.page.once("dialog", partial(answer, asked, True))
        with bob.page.expect_event("dialog"):
            bob.page.get_by_role("button", name="Leave").click()
        # The page of all channels comes last, and would take the place of what is opened before.
        expect(bob.page.get_by_role("heading", name="Channels", exact=True)).to_be_visible()
        expect(bob.place(place)).to_have_count(0)
        assert len(asked) == 2
        assert all(warning in question for question in asked)
    # The others stay, and see who is left.
    expect(ada.page.get_by_role("heading", name=eve.name, exact=True)).to_be_visible()
    ada.say("just us, then")
    expect(eve.place(ada.name).get_by_text("2 unread")).to_be_attached()


def ask(person: Person, path: str, **body: Any) -> Any:
    """What the REST interface answers somebody who is logged in there."""
    access = person.page.evaluate("JSON.parse(localStorage.getItem('reaktor.login')).access")
    headers = {"Authorization": f"Bearer {access}"}
    return httpx.post(f"{person.url}/api/v1{path}", json=body, headers=headers).raise_for_status().json()


def answer(asked: list[str], is_yes: bool, dialog: Dialog) -> None:
    asked.append(dialog.message)
    if is_yes:
        dialog.accept()
    else:
        dialog.dismiss()


def test_somebody_in_the_list_of_people_is_written_to_alone(people: People, room: Room) -> None:
    ada, bob = people("ada").register(room.path), people("bob").register(room.path)
    ada.page.get_by_role("button", name=f"Direct message to {bob.name}").click()
    expect(ada.page.get_by_role("heading", name=bob.name)).to_be_visible()
    ada.say("just us")
    expect(bob.place(ada.name).get_by_text("1 unread")).to_be_attached()


def test_what_somebody_says_whom_one_blocks_is_one_quiet_line_in_a_group(people: People, room: Room) -> None:
    ada, bob, eve = (people(name).register() for name in ("ada", "bob", "eve"))
    for person in (bob, eve):
        person.expect_connected()
    ada.page.get_by_role("button", name="New message").click()
    ada.page.get_by_label("Usernames").fill(f"{bob.name}, {eve.name}")
    ada.page.get_by_role("button", name="Open").click()
    ada.say("picnic?")
    for person, others in ((bob, (ada, eve)), (eve, (ada, bob))):
        person.place(", ".join(sorted(each.name for each in others))).click()
        person.expect_texts(["picnic?"])
    eve.say("before")
    ada.expect_texts(["picnic?", "before"])
    access = ada.page.evaluate("JSON.parse(localStorage.getItem('reaktor.login')).access")
    httpx.put(
        f"{ada.url}/api/v1/me/blocks/{eve.name}", headers={"Authorization": f"Bearer {access}"}
    ).raise_for_status()
    ada.page.reload()
    hidden = ada.page.get_by_text("A message from somebody you blocked", exact=True)
    expect(hidden).to_have_count(1)
    eve.say("psst")
    expect(hidden).to_have_count(2)
    bob.say("hello")
    ada.expect_texts(["picnic?", *["A message from somebody you blocked"] * 2, "hello"])
    bob.expect_texts(["picnic?", "before", "psst", "hello"])
    line = ada.page.locator(".message.is-hidden").last
    assert eve.name not in line.inner_text()
    line.hover()
    expect(ada.page.get_by_role("toolbar")).to_have_count(0)
