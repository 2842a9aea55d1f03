"""Two people talk to each other in two browsers: live, as text, with edits, reactions, mentions and presence."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import People, Room

pytestmark = pytest.mark.browser


def test_two_people_see_each_other_and_talk(people: People, room: Room) -> None:
    ada, bob = people("ada").register(room.path), people("bob").register(room.path)
    expect(ada.member(bob.name)).to_be_visible()
    expect(bob.member(ada.name)).to_be_visible()
    ada.say("Is anybody here?")
    bob.field.press_sequentially("Y")
    expect(ada.page.get_by_text(f"{bob.name} is typing")).to_be_visible()
    bob.say("Yes, I am.\nOn two lines.")
    for person in (ada, bob):
        person.expect_texts(["Is anybody here?", "Yes, I am.\nOn two lines."])
    expect(ada.page.get_by_text("is typing")).to_have_count(0)
    expect(ada.page.get_by_role("button", name="Send")).to_be_disabled()


def test_what_looks_like_html_is_shown_as_text(people: People, room: Room) -> None:
    ada, bob = people("ada").register(room.path), people("bob").register(room.path)
    texts = [
        "<img src=x onerror=\"document.title='pwned'\">",
        "<script>alert(1)</script><b>bold</b> &amp; &lt;",
        "javascript:alert(1) and https://example.com/?a=<b>&c='d'",
    ]
    for text in texts:
        ada.say(text)
    for person in (ada, bob):
        person.expect_texts(texts)
        assert person.log.locator(".text img, .text script, .text b").count() == 0
        hrefs = person.log.locator(".text a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
        assert hrefs == ["https://example.com/?a="]
    assert "pwned" not in bob.page.title()


def test_the_policy_refuses_what_is_not_the_clients_own(people: People, room: Room) -> None:
    ada = people("ada").register(room.path)
    ada.expect_problem(
        "policy violation: (script-src-elem|style-src-attr)|violates the following Content Security Policy"
    )
    ada.page.evaluate(
        """() => {
            const script = document.createElement('script');
            script.textContent = 'window.hasRun = true';
            document.body.append(script);
            document.body.setAttribute('style', 'color: red');
        }"""
    )
    assert ada.page.evaluate("window.hasRun") is None
    assert any("script-src-elem" in problem for problem in ada.problems)


def test_own_messages_can_be_edited_deleted_and_reacted_to(people: People, room: Room) -> None:
    ada, bob = people("ada").register(room.path), people("bob").register(room.path)
    ada.say("frist")
    ada.say("second thoughts")
    bob.expect_texts(["frist", "second thoughts"])

    ada.row("frist").hover()
    ada.page.get_by_role("button", name="Edit").click()
    ada.page.get_by_label("Edit message").fill("first")
    ada.page.get_by_label("Edit message").press("Enter")
    bob.expect_texts(["first edited", "second thoughts"])

    ada.row("second thoughts").hover()
    ada.page.get_by_role("button", name="Delete", exact=True).click()
    ada.page.get_by_role("button", name="Delete for everybody").click()
    bob.expect_texts(["first edited", "This message was deleted."])

    bob.row("first").hover()
    expect(bob.page.get_by_role("button", name="Edit")).to_have_count(0)
    bob.page.get_by_role("button", name="React", exact=True).click()
    bob.page.get_by_role("button", name="React with 👍").click()
    reaction = ada.row("first").locator(".reaction")
    expect(reaction).to_have_text("👍 1")
    reaction.click()
    expect(bob.row("first").locator(".reaction")).to_have_text("👍 2")
    bob.row("first").locator(".reaction").click()
    expect(reaction).to_have_text("👍 1")


def test_who_is_away_and_who_left_is_shown(people: People, room: Room) -> None:
    ada, bob = people("ada").register(room.path), people("bob").register(room.path)
    ada.page.get_by_label("Away").check()
    expect(bob.member(ada.name)).to_contain_text("away")
    expect(ada.member(ada.name)).to_contain_text("away")
    ada.page.get_by_label("Away").uncheck()
    expect(bob.member(ada.name)).not_to_contain_text("away")
    ada.page.get_by_role("button", name="Leave").click()
    expect(bob.member(ada.name)).to_have_count(0)
    expect(bob.page.get_by_text("Online (1)")).to_be_visible()


def test_the_side_bar_counts_what_is_unread_and_who_mentions_one(people: People) -> None:
    ada, bob = people("ada").register(), people("bob").register()
    ada.enter("Random").enter("General")
    bob.enter("Random")
    bob.say("one")
    bob.say("two")
    expect(ada.place("Random")).to_contain_text("2 unread")
    expect(ada.page).to_have_title(re.compile(r"^\(2\) General"))
    bob.say(f"and you, @{ada.name}?")
    expect(ada.place("Random")).to_contain_text("1 mention")
    # Programming is one that ada belongs to, but is not in: what is said there is only told when it names her.
    bob.enter("Programming")
    bob.say(f"@{ada.name} look here")
    expect(ada.place("Programming")).to_contain_text("1 mention")
    ada.enter("Random")
    expect(ada.row(f"and you, @{ada.name}?").locator(".is-me")).to_be_visible()
    expect(ada.place("Random")).not_to_contain_text("mention")
    expect(ada.place("Random")).not_to_contain_text("unread")
    ada.page.reload()
    ada.expect_channel("Random")
    expect(ada.place("Random")).not_to_contain_text("unread")


def test_a_long_history_is_read_upwards_without_gaps_or_repeats(people: People, room: Room) -> None:
    texts = [f"number {number}" for number in range(1, 131)]
    room.post(*texts)
    ada = people("ada").register(room.path)
    expect(ada.row("number 130")).to_be_in_viewport()
    assert len(ada.stored_texts()) < 130
    scroller = ada.page.get_by_role("log")
    scroller.hover()
    for _ in range(60):
        if ada.page.get_by_text(f"This is where {room.name} begins.").is_visible():
            break
        ada.page.mouse.wheel(0, -1500)
        ada.page.wait_for_timeout(50)
    ada.expect_texts(texts)
    # What comes while one reads above does not pull one down, and is announced.
    # The wheel's motion goes on for a while: it is over when what is set stays for ten frames.
    ada.page.wait_for_function(
        """(element) => {
          element.frames = element.scrollTop === 300 ? (element.frames ?? 0) + 1 : 0;
          element.scrollTop = 300;
          return element.frames > 10;
        }""",
        arg=scroller.element_handle(),
    )
    room.post("news")
    pill = ada.page.get_by_role("button", name="1 new message")
    expect(pill).to_be_visible()
    assert scroller.evaluate("(element) => element.scrollTop") == 300
    pill.click()
    expect(ada.row("news")).to_be_in_viewport()


def test_enter_that_confirms_a_candidate_of_an_input_method_neither_sends_nor_saves(people: People, room: Room) -> None:
    """Whoever wrote Japanese in Safari saved an edit with each word: there, 229 alone tells of the input method."""
    ada = people("ada").register(room.path)
    ada.say("にほん")
    confirm = "field => field.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', keyCode: 229, bubbles: true}))"
    ada.field.fill("日本")
    ada.field.evaluate(confirm)
    expect(ada.field).to_have_value("日本")
    ada.field.fill("")
    ada.field.press("ArrowUp")
    edit = ada.log.locator("form.edit textarea")
    edit.fill("日本語")
    edit.evaluate(confirm)
    expect(edit).to_have_value("日本語")
    edit.press("Enter")
    ada.expect_texts(["日本語 edited"])


def test_what_is_not_sent_yet_is_there_after_a_reload_and_after_a_look_elsewhere(people: People, room: Room) -> None:
    ada = people("ada").register(room.path)
    ada.field.fill("half a thought")
    ada.page.reload()
    expect(ada.field).to_have_value("half a thought")
    ada.page.get_by_role("link", name="All channels").first.click()
    expect(ada.field).to_have_count(0)
    ada.page.go_back()
    expect(ada.field).to_have_value("half a thought")
    ada.field.press("Enter")
    ada.expect_texts(["half a thought"])
    ada.page.reload()
    ada.expect_texts(["half a thought"])
    expect(ada.field).to_have_value("")
