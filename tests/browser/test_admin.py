"""Moderators at the admin, in a browser: what they press there is true at once for who chats, and figures move."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import People, Room
from tests.support.browser import Person
from tests.support.server import PASSWORD, LiveServer

pytestmark = pytest.mark.browser
_MAKE_MODERATOR = """
from accounts import services
from django.contrib.auth.models import Group
user = services.user_register(username="{name}", password="{password}", strict=False)
user.is_staff = True
user.save()
user.groups.add(Group.objects.get(name="Moderators"))
"""


@pytest.fixture(scope="module")
def moderator(server: LiveServer) -> str:
    """The name of an account in the group of moderators."""
    server.manage("shell", "-c", _MAKE_MODERATOR.format(name="mody", password=PASSWORD))
    return "mody"


@pytest.fixture
def desk(people: People, moderator: str) -> Iterator[Person]:
    """The moderator, logged in at the admin."""
    person = people("desk")
    person.visit("/admin/")
    person.page.get_by_label("Username").fill(moderator)
    person.page.get_by_label("Password").fill(PASSWORD)
    person.page.get_by_role("button", name="Log in").click()
    expect(person.page.get_by_role("link", name="Live cluster")).to_be_visible()
    yield person
    person.context.clear_cookies()


def open_user(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Moderation").get_by_role("link", name="Users").click()
    page.locator("#searchbar").fill(name)
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=name, exact=True).click()


def test_a_ban_ends_the_live_session_of_who_is_banned(people: People, room: Room, desk: Person) -> None:
    ada = people("ada").register(room.path)
    ada.expect_connected()
    ada.expect_problem(r"HTTP (401|403)")
    open_user(desk.page, ada.name)
    expect(desk.page.get_by_role("cell", name="native")).to_be_visible()
    form = desk.page.get_by_role("form", name="Ban")
    form.get_by_label("Reason").fill("a lesson")
    form.get_by_role("button", name="1 day").click()
    expect(desk.page.get_by_text("is banned everywhere until")).to_be_visible()
    expect(desk.page.get_by_text("Not connected.")).to_be_visible()
    told = re.compile(r"This account is banned until .*\d:\d\d.*: a lesson")
    expect(ada.page.get_by_text(told)).to_be_visible()
    ada.visit("/")
    # The same where they try to log in again.
    ada.page.get_by_label("Username").fill(ada.name)
    ada.page.get_by_label("Password").fill(PASSWORD)
    ada.page.get_by_role("button", name="Log in").first.click()
    expect(ada.page.get_by_text(told)).to_be_visible()
    expect(ada.page.get_by_role("button", name="Log in").first).to_be_visible()


def test_a_ban_for_good_asks_first(people: People, room: Room, desk: Person) -> None:
    ada = people("ada").register(room.path)
    open_user(desk.page, ada.name)
    form = desk.page.get_by_role("form", name="Ban")
    form.get_by_label("Reason").fill("enough")
    form.get_by_role("button", name="For good").click()
    expect(desk.page.get_by_text(f"Ban {ada.name} everywhere for good?")).to_be_visible()
    desk.page.get_by_role("link", name="No, take me back").click()
    expect(desk.page.get_by_role("form", name="Ban")).to_be_visible()
    ada.expect_connected()


def test_one_click_in_the_queue_deletes_the_message_and_mutes_its_author(
    people: People, room: Room, desk: Person, server: LiveServer
) -> None:
    ada = people("ada").register(room.path)
    ada.say("good morning")
    ada.say("something rude")
    ada.expect_texts(["good morning", "something rude"])
    _, token = server.account()
    with httpx.Client(base_url=f"{server.url}/api/v1", headers={"Authorization": f"Bearer {token}"}) as rest:
        found = rest.get(f"/channels/{room.key}/messages").json()["messages"]
        made = rest.post(f"/channels/{room.key}/messages/{found[-1]['id']}/reports", json={"reason": "insulting"})
        assert made.status_code < 300, made.text
    desk.page.get_by_role("link", name="Reports").first.click()
    card = desk.page.get_by_role("article").filter(has_text=ada.name)
    expect(card.locator(".reported")).to_contain_text("something rude")
    expect(card).to_contain_text("good morning")
    card.get_by_role("button", name="Delete, mute 1 day").click()
    expect(desk.page.get_by_text(re.compile(f"{ada.name} is muted in {room.name}"))).to_be_visible()
    expect(card).to_have_count(0)
    expect(ada.log).not_to_contain_text("something rude")
    ada.say("but why")
    expect(ada.page.get_by_text(re.compile("You are muted here until .* insulting"))).to_be_visible()


def test_a_ban_from_a_channel_stays_on_its_page_until_it_is_lifted(people: People, room: Room, desk: Person) -> None:
    """A note that went by itself after six seconds was all there was."""
    ada = people("ada").register(room.path)
    ada.say("good morning")
    open_user(desk.page, ada.name)
    form = desk.page.get_by_role("form", name="Ban")
    form.get_by_label("Where").select_option(label=room.name)
    form.get_by_label("Reason").fill("off topic")
    form.get_by_role("button", name="1 hour").click()
    told = ada.page.locator(".notice")
    expect(told).to_contain_text(re.compile(r"You are banned from this channel until .*\d:\d\d.*: off topic"))
    expect(ada.page.locator(".composer")).to_be_hidden()
    desk.page.get_by_role("button", name="Lift").click()
    expect(told).to_be_hidden()
    ada.say("good evening")


WIDE = """() => [...document.querySelectorAll(".workplace .module, .cluster .module")]
  .filter((each) => each.scrollWidth > each.clientWidth + 1)
  .map((each) => each.querySelector("h2").textContent)
  .concat(document.documentElement.scrollWidth > innerWidth ? ["the page"] : [])"""


@pytest.mark.parametrize("width", [1280, 390])
def test_the_tables_of_a_user_a_channel_and_the_cluster_fit(
    width: int, people: People, room: Room, desk: Person
) -> None:
    """On a screen of 1280 px the last columns, with their buttons, stood outside."""
    ada = people("ada").register(room.path)
    ada.say("a message without a blank: " + "long" * 60)
    open_user(desk.page, ada.name)
    form = desk.page.get_by_role("form", name="Mute")
    form.get_by_label("Where").select_option(label=room.name)
    form.get_by_label("Reason").fill("a reason of some length, which says all that a moderator thought of it")
    form.get_by_role("button", name="1 day").click()
    desk.page.set_viewport_size({"width": width, "height": 900})
    expect(desk.page.get_by_role("button", name="Lift")).to_be_visible()
    assert desk.page.evaluate(WIDE) == []
    desk.page.get_by_role("cell", name=room.name).get_by_role("link").first.click()
    expect(desk.page.get_by_role("button", name=re.compile("Delete message"))).to_be_visible()
    assert desk.page.evaluate(WIDE) == []
    desk.visit("/admin/cluster/")
    expect(desk.page.locator(".workers tbody tr")).to_have_count(1)
    assert desk.page.evaluate(WIDE) == []
    desk.page.set_viewport_size({"width": 1280, "height": 800})


def test_the_live_page_moves_by_itself(people: People, room: Room, desk: Person) -> None:
    desk.visit("/admin/cluster/")
    sessions = desk.page.locator("[data-total=sessions]")
    expect(sessions).to_have_text(re.compile(r"\d+"))
    expect(desk.page.locator(".workers tbody tr")).to_have_count(1)
    before = int(sessions.inner_text())
    ada = people("ada").register(room.path)
    expect(sessions).to_have_text(str(before + 1))
    stored = desk.page.locator("[data-total=in]")
    expect(stored).to_have_text("0")
    for number in range(8):
        ada.say(f"message {number}")
    expect(stored).not_to_have_text("0")
    expect(desk.page.locator(".rates .line")).to_have_attribute("points", re.compile(r"\d+ .*\d+"))
    expect(desk.page.get_by_role("alert")).to_be_hidden()
