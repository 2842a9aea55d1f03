"""The smallest client: a page that uses the protocol client alone, as somebody else's page would."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import People
from tests.support.server import PASSWORD, LiveServer

pytestmark = pytest.mark.browser


def test_the_page_of_the_client_logs_in_reads_and_writes(people: People, server: LiveServer) -> None:
    bob = people("bob")
    account, _ = server.account("example")
    bob.page.goto(f"{server.url}/static/chat/client/example.html")
    bob.page.get_by_label("Username").fill(account)
    bob.page.get_by_label("Password").fill(PASSWORD)
    bob.page.get_by_role("button", name="Log in").click()
    field = bob.page.get_by_label("Message")
    for text in ("hello from a small page", "<b>as text</b>"):
        field.fill(text)
        bob.page.get_by_role("button", name="Send").click()
        expect(bob.page.locator("#messages li").last).to_have_text(f"{account}: {text}")
    bob.context.set_offline(True)
    field.fill("written in a tunnel")
    bob.page.get_by_role("button", name="Send").click()
    bob.context.set_offline(False)
    expect(bob.page.locator("#messages li").last).to_have_text(f"{account}: written in a tunnel")
