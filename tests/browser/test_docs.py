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
