"""Coming and going: registering, logging in and out, tokens that end, and pages for narrow screens."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import People, Room
from tests.support.server import PASSWORD

pytestmark = pytest.mark.browser


def test_a_newcomer_registers_and_is_told_what_is_wrong_in_words(people: People) -> None:
    ada, other = people("ada"), people("other").register()
    ada.expect_problem("HTTP (400|401|409) POST .*/api/v1/(accounts|tokens)")
    ada.visit()
    page = ada.page
    page.get_by_label("Username").fill(ada.name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).not_to_be_empty()

    register = page.get_by_role("button", name="Register")
    register.click()
    page.get_by_label("Username").fill("a!")
    page.get_by_label("Password").fill("short")
    register.click()
    for label in ("Username", "Password"):
        expect(page.get_by_label(label)).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert")).to_have_text("Please look at what is marked.")
    page.get_by_label("Username").fill("System")
    page.get_by_label("Password").fill("password1")
    register.click()
    expect(page.get_by_role("alert")).to_have_text("That username is not allowed.")
    page.get_by_label("Username").fill(ada.name)
    register.click()
    expect(page.get_by_role("alert")).to_contain_text("too common")
    page.get_by_label("Username").fill(other.name.upper())
    page.get_by_label("Password").fill(PASSWORD)
    register.click()
    expect(page.get_by_role("alert")).to_contain_text("taken")
    page.get_by_label("Username").fill(ada.name)
    register.click()
    expect(page.get_by_role("heading", name="Channels", exact=True)).to_be_visible()
    expect(page.get_by_role("main").get_by_role("link", name="General")).to_be_visible()


def test_logging_out_ends_it_in_every_tab_and_on_the_server(people: People, room: Room) -> None:
    ada, bob = people("ada").register(room.path), people("bob").register(room.path)
    ada.say("a secret draft is left")
    bob.expect_texts(["a secret draft is left"])
    second = ada.tab()
    second.goto(ada.url)
    expect(second.get_by_role("heading", name="Channels", exact=True)).to_be_visible()
    kept = ada.page.evaluate("JSON.parse(localStorage.getItem('reaktor.login'))")

    with ada.page.expect_response("**/tokens/revoke"):
        ada.page.get_by_role("button", name="Log out").click()
    expect(ada.page.get_by_label("Password")).to_be_visible()
    expect(second.get_by_label("Password")).to_be_visible()
    expect(bob.member(ada.name)).to_have_count(0)
    left = ada.page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]")
    assert not {"reaktor.login", "reaktor.unsent", "reaktor.entered"} & set(left)
    answer = httpx.post(f"{ada.url}/api/v1/tokens/refresh", json={"refresh": kept["refresh"]}, timeout=10)
    assert answer.status_code == 401
    ada.page.reload()
    expect(ada.page.get_by_label("Password")).to_be_visible()
    assert "draft" not in ada.page.content()
    ada.log_in(room.path)
    ada.expect_texts(["a secret draft is left"])


def test_when_somebody_else_logs_in_in_another_tab_every_tab_is_theirs(people: People, room: Room) -> None:
    ada = people("ada").register(room.path)
    ada.say("hello")
    second = ada.tab()
    second.goto(ada.url)
    second.get_by_role("button", name="Log out").click()
    second.get_by_role("button", name="Register").click()
    second.get_by_label("Username").fill(f"{ada.name}b")
    second.get_by_label("Password").fill(PASSWORD)
    second.get_by_role("button", name="Register").click()
    for page in (second, ada.page):
        expect(page.get_by_role("navigation")).to_contain_text(f"{ada.name}b")


def test_all_sessions_end_when_the_user_ends_them_and_the_page_says_so(people: People, room: Room) -> None:
    ada = people("ada").register(room.path)
    ada.expect_channel(room.name)
    access = ada.page.evaluate("JSON.parse(localStorage.getItem('reaktor.login')).access")
    # The page asks for another token before it believes that its login is over.
    ada.expect_problem("401")
    answer = httpx.post(
        f"{ada.url}/api/v1/tokens/revoke-all", headers={"Authorization": f"Bearer {access}"}, timeout=10
    )
    assert answer.status_code == 204
    expect(ada.page.get_by_role("alert")).to_have_text("You were logged out.")
    expect(ada.page.get_by_label("Password")).to_be_visible()


def test_an_access_token_that_has_run_out_is_replaced_before_it_is_used(people: People, room: Room) -> None:
    ada = people("ada").register(room.path)
    ada.expect_channel(room.name)
    before = ada.page.evaluate(
        """() => {
            const login = JSON.parse(localStorage.getItem('reaktor.login'));
            localStorage.setItem('reaktor.login', JSON.stringify({...login, access: 'stale', deadline: 0}));
            return login.refresh;
        }"""
    )
    ada.page.reload()
    ada.expect_channel(room.name)
    ada.say("still me")
    ada.expect_texts(["still me"])
    assert ada.page.evaluate("JSON.parse(localStorage.getItem('reaktor.login')).refresh") != before


def test_a_private_channel_is_in_no_list_and_is_entered_by_its_link(people: People) -> None:
    ada, bob = people("ada").register(), people("bob").register()
    ada.page.get_by_role("button", name="Unlisted channel").click()
    ada.page.get_by_label("Name", exact=True).fill("Surprise party")
    ada.page.get_by_role("button", name="Create").click()
    ada.expect_channel("Surprise party")
    link = ada.page.url
    key = link.rpartition("/")[2]
    assert len(key) >= 40
    ada.say("Only for those who know the way.")
    ada.expect_texts(["Only for those who know the way."])

    bob.page.get_by_label("Search channels").fill("Surprise")
    expect(bob.page.get_by_text("No channel has a name like that.")).to_be_visible()
    stranger = people("eve").register(f"/#/c/{key}")
    stranger.expect_texts(["Only for those who know the way."])
    expect(ada.member(stranger.name)).to_be_visible()
    # Known by its link from then on, also after a reload and in another tab.
    second = stranger.tab()
    second.goto(stranger.url)
    expect(second.get_by_role("navigation").get_by_role("link", name=re.compile("Surprise party"))).to_be_visible()


def test_a_link_to_nowhere_says_so(people: People) -> None:
    ada = people("ada").register("/#/c/no-such-channel")
    expect(ada.page.get_by_text("There is no channel under this address.")).to_be_visible()
    ada.page.get_by_role("link", name="All channels").last.click()
    expect(ada.page.get_by_role("heading", name="Channels", exact=True)).to_be_visible()


def test_a_new_channel_appears_in_everybodys_lobby_with_how_many_are_in_it(people: People) -> None:
    ada, bob = people("ada").register(), people("bob").register()
    ada.page.get_by_role("button", name="New channel").click()
    name = f"Garden {ada.name}"
    ada.page.get_by_label("Name", exact=True).fill(name)
    ada.page.get_by_label("Topic").fill("Beds and bulbs")
    ada.page.get_by_role("button", name="Create").click()
    ada.expect_channel(name)
    row = bob.page.get_by_role("main").locator("li", has_text=name)
    expect(row).to_contain_text("Beds and bulbs")
    bob.page.get_by_label("Search channels").fill(name)
    expect(row).to_contain_text("1 online")


def test_every_page_fits_a_screen_of_360_pixels(people: People, room: Room) -> None:
    room.post("a word " * 60, "x" * 400, "https://example.com/" + "long/" * 60)
    ada = people("ada", width=360, height=640)

    def expect_fit() -> None:
        assert ada.page.evaluate("document.documentElement.scrollWidth") == 360

    ada.visit()
    expect_fit()
    ada.register()
    expect(ada.page.get_by_role("main").get_by_role("link", name="General")).to_be_visible()
    expect_fit()
    ada.visit(room.path)
    ada.expect_channel(room.name)
    expect(ada.row("example.com")).to_be_in_viewport()
    expect_fit()
    assert ada.log.evaluate("(element) => element.scrollWidth <= element.clientWidth")
    ada.page.get_by_role("button", name=re.compile("^[0-9]+ online$")).click()
    expect(ada.member(ada.name)).to_be_visible()
    ada.page.get_by_role("button", name=re.compile("^[0-9]+ online$")).click()
    ada.page.get_by_role("button", name="Your channels").click()
    ada.page.get_by_role("link", name="All channels").click()
    expect(ada.page.get_by_role("heading", name="Channels", exact=True)).to_be_visible()
