"""The web client in other languages than English, and in other colours and hours than the browser's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import People, Room
from tests.support.browser import Person
from tests.support.server import PASSWORD, LiveServer
from tests.support.words import catalogue, forms, messages_of, pattern_of

pytestmark = pytest.mark.browser

Comes = Callable[[str], Person]
SHOWN = """() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.nodeType === Node.TEXT_NODE) {
      if (node.parentElement.tagName !== "NOSCRIPT") found.push(node.data);
    } else {
      for (const name of ["aria-label", "title", "placeholder", "alt"]) found.push(node.getAttribute(name) ?? "");
    }
  }
  return [...new Set(found.map((text) => text.trim()))];
}"""
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def english() -> dict[str, re.Pattern[str]]:
    """What only the English catalogue says, by key."""
    german = [form for each in messages_of(catalogue("de")[0]).values() for form in forms(each)]
    known = [pattern_of(form) for form in german]
    found = {}
    for key, message in messages_of(catalogue("en")[0]).items():
        for form in forms(message):
            # Some words are the same: online, Status; and some are hardly any: {name}: {text}
            if not any(pattern.fullmatch(form) for pattern in known) and re.search(r"[^\W\d_]{2}", form):
                found[f"{key}: {form}"] = pattern_of(form)
    return found


@pytest.fixture
def come(browser: Browser, server: LiveServer) -> Iterator[Comes]:
    """People whose browsers ask for German."""
    present: list[Person] = []

    def german(name: str) -> Person:
        context = browser.new_context(locale="de-AT")
        present.append(Person(context, server.url, f"{name}{id(context)}"))
        return present[-1]

    yield german
    problems = [problem for person in present for problem in person.unexpected()]
    for person in present:
        person.context.close()
    assert problems == []


def sign_up(person: Person, path: str = "/") -> None:
    page = person.page
    person.visit(path)
    page.get_by_role("button", name="Registrieren").click()
    page.get_by_label("Benutzername").fill(person.name)
    page.get_by_label("Passwort").fill(PASSWORD)
    page.get_by_role("button", name="Registrieren").first.click()
    expect(page.locator(".shell")).to_be_visible()


def test_whoever_reads_german_meets_no_english_on_the_main_pages(come: Comes, people: People, room: Room) -> None:
    only_english = english()
    assert len(only_english) > 300
    hanna = come("hanna")
    page = hanna.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    met: dict[str, Any] = {}

    def look(where: str) -> None:
        for text in page.evaluate(SHOWN):
            for key, pattern in only_english.items():
                if pattern.fullmatch(text):
                    met[f"{where}: {text}"] = key

    hanna.visit(room.path)
    expect(page.get_by_role("heading", name="Willkommen zurück")).to_be_visible()
    look("log in")
    hanna.expect_problem("HTTP 401 POST .*/tokens")
    page.get_by_label("Benutzername").fill("niemand")
    page.get_by_label("Passwort").fill(PASSWORD)
    page.get_by_role("button", name="Anmelden").first.click()
    expect(page.get_by_role("alert")).to_have_text("Benutzername oder Passwort ist falsch.")
    page.get_by_role("button", name="Registrieren").click()
    look("register")
    hanna.expect_problem("HTTP 400 POST .*/accounts")
    page.get_by_label("Benutzername").fill("System")
    page.get_by_role("button", name="Registrieren").first.click()
    expect(page.get_by_role("alert")).to_have_text("Dieser Benutzername ist nicht erlaubt.")
    page.get_by_label("Benutzername").fill(hanna.name)
    page.get_by_role("button", name="Registrieren").first.click()
    expect(page.locator(".shell")).to_be_visible()
    assert page.evaluate("[document.documentElement.lang, document.documentElement.dir]") == ["de", "ltr"]

    field = page.get_by_label("Nachricht", exact=True)
    field.fill("**guten Tag**")
    field.press("Enter")
    row = page.locator(".message", has_text="guten Tag")
    expect(row).not_to_have_class(re.compile("is-unsent"))
    bob = people("bob").register(room.path)
    bob.say("hello Hanna")
    expect(page.locator(".message", has_text="hello Hanna")).to_be_visible()
    row.hover()
    expect(page.get_by_role("toolbar")).to_be_visible()
    look("channel")
    page.get_by_role("button", name="Löschen").click()
    look("deletion")
    page.get_by_role("button", name="Behalten").click()
    page.get_by_role("button", name="Formatierung").click()
    expect(page.get_by_text("durchgestrichen").first).to_be_visible()
    look("formatting")
    row.hover()
    page.get_by_role("link", name="Im Thread antworten").click()
    expect(page.get_by_label("Antwort", exact=True)).to_be_visible()
    look("thread")
    page.get_by_role("link", name="Den Thread schließen").click()
    page.get_by_role("button", name="Angeheftet").click()
    expect(page.get_by_text("In diesem Kanal ist nichts angeheftet.")).to_be_visible()
    look("pins")
    page.get_by_role("button", name="Schließen").click()
    page.locator(".message-head").get_by_role("button", name=bob.name).click()
    expect(page.get_by_role("button", name="Blockieren")).to_be_visible()
    look("card")
    page.get_by_role("button", name="Schließen").click()

    page.get_by_role("link", name="Alle Kanäle").click()
    expect(page.get_by_role("heading", name="Kanäle", exact=True)).to_be_visible()
    look("channels")
    page.get_by_role("button", name="Neuer Kanal").click()
    look("new channel")
    page.get_by_role("button", name="Abbrechen").click()
    page.get_by_role("button", name="Neue Nachricht").click()
    page.get_by_label("Benutzernamen").fill(hanna.name)
    hanna.expect_problem("HTTP 400 POST .*/direct")
    page.get_by_role("button", name="Öffnen").click()
    expect(page.get_by_text("Das bist du selbst.")).to_be_visible()
    look("new message")
    page.get_by_role("button", name="Abbrechen").click()
    page.get_by_role("link", name="Threads").click()
    expect(page.get_by_role("status").filter(has_text="Du folgst noch keinem Thread")).to_be_visible()
    look("threads")
    page.get_by_role("link", name="Suche").click()
    page.get_by_role("searchbox").fill("nichts davon")
    page.get_by_role("searchbox").press("Enter")
    expect(page.get_by_text("Nichts gefunden.")).to_be_visible()
    look("search")
    page.get_by_role("link", name="Einstellungen").click()
    sections = page.get_by_role("navigation", name="Einstellungen").get_by_role("link")
    expect(sections.first).to_be_visible()
    names = sections.all_inner_texts()
    assert names[:3] == ["Profil", "Aussehen", "Konto"]
    for name in names:
        sections.filter(has_text=name).first.click()
        expect(page.get_by_role("heading", name=name, exact=True, level=2)).to_be_visible()
        page.wait_for_load_state("networkidle")
        look(f"settings, {name}")
    assert met == {}
    assert [url for url in asked if "/words/en" in url] == []


def test_whoever_is_muted_is_told_until_when_in_their_language_and_by_their_clock(come: Comes, room: Room) -> None:
    hanna = come("hanna")
    sign_up(hanna, room.path)
    field = hanna.page.get_by_label("Nachricht", exact=True)
    expect(field).to_be_visible()
    room.mute(hanna.name, "2099-01-05T14:30:00Z", "zu laut")
    field.fill("hört ihr mich?")
    field.press("Enter")
    clock = hanna.page.evaluate("new Date('2099-01-05T14:30:00Z').toLocaleTimeString('de-AT', { timeStyle: 'short' })")
    said = f"Du bist hier bis 5. Jänner 2099, {clock} stummgeschaltet: zu laut"
    expect(hanna.page.get_by_role("alert").filter(has_text=said)).to_be_visible()


def test_language_colours_and_hours_are_chosen_and_kept_on_the_device(people: People, room: Room) -> None:
    ada = people("ada").register(room.path)
    page = ada.page
    ada.say("what time is it?")
    page.goto(f"{ada.url}/#/settings/appearance")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_label("Theme").select_option("dark")
    dark = page.evaluate(paper)
    assert dark != light
    page.emulate_media(color_scheme="dark")
    page.get_by_label("Theme").select_option("light")
    assert page.evaluate(paper) == light
    page.get_by_label("Theme").select_option("")
    assert page.evaluate(paper) == dark
    page.get_by_label("Theme").select_option("light")

    page.get_by_label("Time").select_option("h23")
    expect(page.get_by_label("Time")).to_have_value("h23")
    page.goto(f"{ada.url}{room.path}")
    time = ada.row("what time is it?").locator("time")
    expect(time).to_have_text(re.compile(r"^\d\d:\d\d$"))
    page.goto(f"{ada.url}/#/settings/appearance")
    page.get_by_label("Time").select_option("h12")
    expect(page.get_by_label("Time")).to_have_value("h12")
    page.goto(f"{ada.url}{room.path}")
    expect(time).to_have_text(re.compile(r"^\d{1,2}:\d\d\s[AP]M$"))

    page.goto(f"{ada.url}/#/settings/appearance")
    page.get_by_label("Language").select_option("de")
    expect(page.get_by_role("heading", name="Einstellungen")).to_be_visible()
    second = ada.tab()
    second.goto(f"{ada.url}{room.path}")
    expect(second.get_by_role("button", name="Verlassen")).to_be_visible()
    assert second.evaluate(paper) == light


def test_a_page_that_is_read_from_right_to_left_has_its_side_bar_at_the_right(people: People, room: Room) -> None:
    """No language of ours is; the style sheets must be ready for one that is."""
    ada = people("ada").register(room.path)
    page = ada.page
    ada.say("שלום")
    page.evaluate("document.documentElement.dir = 'rtl'")
    bar = page.locator(".sidebar").bounding_box()
    conversation = page.locator(".conversation").bounding_box()
    assert bar is not None
    assert conversation is not None
    assert bar["x"] > conversation["x"] + conversation["width"] / 2
    assert page.evaluate(WIDE) <= 0
    for path in ("/#/", "/#/settings/profile"):
        page.evaluate("(hash) => (location.hash = hash)", path.removeprefix("/"))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate(WIDE) <= 0
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate(WIDE) <= 0
