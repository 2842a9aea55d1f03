"""People whose names are not ASCII: they register, talk, and are mentioned; nothing around their names turns."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import People, Room
from tests.support.server import PASSWORD

pytestmark = pytest.mark.browser


def test_people_named_in_three_scripts_talk_and_are_marked_where_they_are_mentioned(people: People, room: Room) -> None:
    ivan = people("Иван").register(room.path)
    maryam = people("مريم").register(room.path)
    taro = people("太郎", width=375, height=700).register(room.path)
    for person in (maryam, taro):
        expect(ivan.member(person.name)).to_be_visible()

    ivan.say(f"@{maryam.name}, @{taro.name}さん: @{ivan.name}ов")
    for person in (maryam, taro):
        expect(person.page.locator(".text .name")).to_have_text([f"@{maryam.name}", f"@{taro.name}"])
        expect(person.page.locator(".text .name.is-me")).to_have_text(f"@{person.name}")
    # Its author gets no event of it: the answer says who is mentioned.
    expect(ivan.page.locator(".text .name")).to_have_count(2)

    maryam.say(f"مرحبا @{ivan.name.upper()}!")
    expect(ivan.page.locator(".text .name.is-me")).to_have_text(f"@{ivan.name.upper()}")
    author = ivan.page.locator(".author", has_text=maryam.name)
    assert author.evaluate("element => getComputedStyle(element).unicodeBidi") == "isolate"
    assert taro.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_name_that_looks_like_anothers_is_refused_in_words(people: People) -> None:
    victim, eve = people("scope").register(), people("eve")
    eve.expect_problem("HTTP 409 POST .*/api/v1/accounts")
    eve.visit()
    eve.page.get_by_role("button", name="Register").click()
    eve.page.get_by_label("Username").fill(victim.name.replace("scope", "\u0455\u0441\u043e\u0440\u0435"))
    eve.page.get_by_label("Password").fill(PASSWORD)
    eve.page.get_by_role("button", name="Register").first.click()
    expect(eve.page.get_by_role("alert")).to_contain_text("looks like one that is")
