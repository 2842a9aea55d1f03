"""Notices in a browser: what is pushed is shown unless somebody looks, a click leads there, settings are kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect

from tests.browser.conftest import People, Room
from tests.support.browser import launch_beside

pytestmark = pytest.mark.browser
WAIT_S = 20.0
JUNK = (
    "",
    "hello",
    "[]",
    "{}",
    '{"tag": 1}',
    json.dumps({"tag": "a", "channel": "../x", "title": "", "text": ""}),
    json.dumps({"tag": "a", "channel": "x", "thread": "../x", "title": "", "text": ""}),
)
DENIED = "window.asked = 0; Notification.requestPermission = async () => { window.asked += 1; return 'denied'; };"

SHOWN = """async () => {
  const shown = await self.registration.getNotifications();
  return shown.map(({ title, body, tag }) => ({ title, body, tag }));
}"""
CLICK = """async (tag) => {
  const [shown] = await self.registration.getNotifications({ tag });
  self.dispatchEvent(new NotificationEvent("notificationclick", { notification: shown }));
}"""
WINDOWS = """async () => {
  return (await self.clients.matchAll({ type: "window", includeUncontrolled: true })).length;
}"""
READY = """async () => {
  await navigator.serviceWorker.register("/sw.js?untitled=New%20message");
  await navigator.serviceWorker.ready;
}"""


@pytest.fixture(scope="module")
def browser(browser: Browser) -> Iterator[Browser]:
    with launch_beside(browser) as whole:
        yield whole


@pytest.fixture(scope="module")
def contexts(browser: Browser) -> list[BrowserContext]:
    return []


class Pushes:
    """Hands pushes to the service worker of a page, as the browser's own service would."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.origin = page.evaluate("location.origin")
        page.context.grant_permissions(["notifications"], origin=self.origin)
        page.evaluate(READY)
        page.wait_for_function("navigator.serviceWorker.controller !== null")
        self.worker = page.context.service_workers[0]
        self.devtools: CDPSession = page.context.new_cdp_session(page)
        self.registrations: set[str] = set()
        self.devtools.on("ServiceWorker.workerRegistrationUpdated", self._on_registrations)
        self.devtools.send("ServiceWorker.enable")
        self.wait = page.wait_for_timeout
        self.until(lambda: self.registrations)
        self.worker.evaluate("async () => (await self.registration.getNotifications()).map((each) => each.close())")

    def nobody_looks(self) -> None:
        """Playwright has every page of the chat believe that it is in front: there is none any more."""
        self.page.goto("about:blank")
        self.until(lambda: self.worker.evaluate(WINDOWS) == 0)

    def _on_registrations(self, found: dict[str, Any]) -> None:
        mine = [each for each in found["registrations"] if each["scopeURL"].startswith(self.origin)]
        self.registrations |= {each["registrationId"] for each in mine}

    def push(self, data: object) -> None:
        text = data if isinstance(data, str) else json.dumps(data)
        for registration in self.registrations:
            wanted = {"origin": self.origin, "registrationId": registration, "data": text}
            self.devtools.send("ServiceWorker.deliverPushMessage", wanted)

    def push_until_shown(self, data: object) -> None:
        """For a push that must arrive whatever happens: DevTools says nothing of one that it could not deliver."""

        def is_shown() -> bool:
            self.push(data)
            self.wait(500)
            return bool(self.shown())

        self.until(is_shown)

    def shown(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = self.worker.evaluate(SHOWN)
        return found

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, self.shown()
            self.wait(50)


def notice(room: Room, tag: str = "m1", **more: str) -> dict[str, Any]:
    return {"tag": tag, "channel": room.key, "number": 1, "title": "bob · Room", "text": "hello", **more}


def test_a_push_is_shown_once_under_its_tag_and_a_click_leads_to_its_channel(people: People, room: Room) -> None:
    ada = people("ada").register("/")
    pushes = Pushes(ada.page)
    pushes.nobody_looks()
    pushes.push(notice(room))
    pushes.push(notice(room))
    pushes.push(notice(room, "m2", title="", text=""))
    pushes.until(lambda: len(pushes.shown()) == 2)
    assert {(each["tag"], each["title"], each["body"]) for each in pushes.shown()} == {
        ("m1", "bob · Room", "hello"),
        ("m2", "New message", ""),
    }
    ada.visit("/")
    expect(ada.page.locator(".shell")).to_be_visible()
    pushes.worker.evaluate(CLICK, "m1")
    ada.expect_channel(room.name)
    pushes.until(lambda: [each["tag"] for each in pushes.shown()] == ["m2"])


def test_a_click_on_a_push_of_a_reply_leads_to_its_thread(people: People, room: Room) -> None:
    room.post("Who likes tea?")
    ada = people("ada").register("/")
    (root,) = room.ids()
    pushes = Pushes(ada.page)
    pushes.nobody_looks()
    pushes.push_until_shown(notice(room, thread=root))
    ada.visit("/")
    expect(ada.page.locator(".shell")).to_be_visible()
    pushes.worker.evaluate(CLICK, "m1")
    panel = ada.page.get_by_role("complementary", name="Thread")
    expect(panel.locator(".message .text")).to_have_text("Who likes tea?")


def test_what_is_no_notice_is_not_shown(people: People, room: Room) -> None:
    ada = people("ada").register("/")
    pushes = Pushes(ada.page)
    pushes.nobody_looks()
    for junk in JUNK:
        pushes.push(junk)
    pushes.push_until_shown(notice(room, "after"))
    assert [each["tag"] for each in pushes.shown()] == ["after"]


def test_who_looks_at_the_chat_is_shown_nothing_beside_it(people: People, room: Room) -> None:
    ada = people("ada").register(room.path)
    pushes = Pushes(ada.page)
    ada.page.bring_to_front()
    ada.page.wait_for_function("document.hasFocus() && document.visibilityState === 'visible'")
    pushes.push(notice(room, "seen"))
    pushes.nobody_looks()
    pushes.push_until_shown(notice(room, "unseen"))
    assert [each["tag"] for each in pushes.shown()] == ["unseen"]


def test_settings_of_notices_are_kept(people: People, room: Room) -> None:
    ada = people("ada").register(room.path)
    page = ada.page
    page.goto(f"{ada.url}/#/settings/notifications")
    expect(page.get_by_role("heading", name="Quiet hours")).to_be_visible()
    page.get_by_label("Show who wrote").uncheck()
    wanted = page.locator("form").filter(has_text="What to tell")
    wanted.get_by_role("button", name="Save").click()
    expect(wanted.get_by_role("status")).to_have_text("Saved.")
    quiet = page.locator("form").filter(has_text="Quiet hours")
    quiet.get_by_label("Be quiet at these hours").check()
    quiet.get_by_label("From").fill("21:30")
    quiet.get_by_label("Sunday").uncheck()
    quiet.get_by_label("Time zone").fill("Nowhere/Land")
    ada.expect_problem("HTTP 400 PATCH .*/api/v1/me/notifications")
    quiet.get_by_role("button", name="Save").click()
    expect(quiet.get_by_role("alert")).to_contain_text("quiet hours")
    quiet.get_by_label("Time zone").fill("Asia/Kathmandu")
    quiet.get_by_role("button", name="Save").click()
    expect(quiet.get_by_role("status")).to_have_text("Saved.")
    page.reload()
    expect(page.get_by_label("Show who wrote")).not_to_be_checked()
    expect(page.get_by_label("From")).to_have_value("21:30")
    expect(page.get_by_label("Time zone")).to_have_value("Asia/Kathmandu")
    expect(page.get_by_label("Sunday")).not_to_be_checked()
    expect(page.get_by_label("Monday")).to_be_checked()


def test_nobody_is_asked_for_permission_before_they_press_the_button(people: People, room: Room) -> None:
    ada = people("ada").register(room.path)
    page = ada.page
    page.add_init_script(DENIED)
    page.goto(f"{ada.url}/#/settings/notifications")
    page.reload()
    button = page.get_by_role("button", name="Switch on")
    expect(button).to_be_visible()
    assert page.evaluate("window.asked") == 0
    button.click()
    expect(page.get_by_role("status").filter(has_text="does not allow")).to_be_visible()
    assert page.evaluate("window.asked") == 1


def test_settings_of_notices_fit_a_phone(people: People) -> None:
    ada = people("ada", width=360, height=740).register("/#/settings/notifications")
    expect(ada.page.get_by_role("heading", name="Quiet hours")).to_be_visible()
    assert ada.page.evaluate("document.documentElement.scrollWidth") <= 360
