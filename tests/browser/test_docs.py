"""The page of the REST interface in a real browser, under the policy of every page."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage

from tests.support.server import LiveServer

pytestmark = pytest.mark.browser


def test_the_page_shows_every_part_and_the_browser_has_nothing_to_complain_of(
    browser: Browser, server: LiveServer
) -> None:
    described = httpx.get(f"{server.url}/api/v1/schema").json()
    page = browser.new_page()
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        said.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{server.url}/api/v1/docs")
    page.locator(".opblock").first.wait_for()
    assert page.locator(".opblock").count() == sum(map(len, described["paths"].values()))
    page.locator("#operations-messages-messages_create .opblock-summary").click()
    page.locator(".opblock-body").first.wait_for()
    assert page.locator(".errors-wrapper").count() == 0
    assert said == []
    page.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_of_the_websocket_protocol_fits_and_asks_nobody_else(
    width: int, browser: Browser, server: LiveServer
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server.url}/api/v1/asyncapi")
    page.get_by_role("link", name="message.send").click()
    assert page.get_by_text('"op": "message.send"').is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert said == []
    assert [url for url in asked if not url.startswith((server.url, "data:"))] == []
    page.close()
