"""Bots and webhooks in the web client: made, shown once, used, taken away; and the mark of what no person wrote."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import People, Room

pytestmark = pytest.mark.browser


def test_a_bot_is_made_in_the_settings_speaks_and_is_silenced(people: People, room: Room) -> None:
    ada = people("ada").register(room.path)
    page = ada.page
    ada.say("is anybody there?")
    page.goto(f"{ada.url}/#/settings/bots")
    expect(page.get_by_text("You have no bots.")).to_be_visible()
    page.get_by_label("Username").fill(f"bot{ada.name}")
    page.get_by_role("button", name="Make the bot").click()
    shown = page.get_by_label(f"The token of bot{ada.name}")
    expect(shown).to_have_value(re.compile("^rkb_"))
    token = shown.input_value()
    expect(page.get_by_text("reads and writes")).to_be_visible()

    said = {"text": "I am", "nonce": "1"}
    messages = f"{ada.url}/api/v1/channels/{room.key}/messages"
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.post(messages, json=said, headers=headers, timeout=30).status_code == 201
    page.goto(f"{ada.url}{room.path}")
    row = page.locator(".message").filter(has_text="I am")
    expect(row.locator(".author")).to_have_text(f"bot{ada.name}")
    expect(row.locator(".bot-badge")).to_be_visible()
    expect(page.locator(".message").filter(has_text="is anybody there?").locator(".bot-badge")).to_have_count(0)

    page.goto(f"{ada.url}/#/settings/bots")
    expect(page.get_by_label(f"The token of bot{ada.name}")).to_have_count(0)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Revoke token").click()
    expect(page.get_by_text("has no token")).to_be_visible()
    assert httpx.post(messages, json=said, headers=headers, timeout=30).status_code == 401
    page.get_by_role("button", name="Delete: ").click()
    expect(page.get_by_text("You have no bots.")).to_be_visible()


def test_an_owner_makes_a_webhook_and_what_it_posts_has_its_name_and_a_mark(people: People) -> None:
    ada, bob = people("ada").register("/"), people("bob")
    page = ada.page
    page.get_by_role("button", name="New channel").click()
    page.get_by_role("dialog").get_by_label("Name").fill(f"Alerts of {ada.name}")
    page.get_by_role("dialog").get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name=f"Alerts of {ada.name}")).to_be_visible()
    page.get_by_role("button", name="Webhooks").click()
    expect(page.get_by_text("This channel has no webhooks.")).to_be_visible()
    page.get_by_label("Name of a new one").fill("Grafana")
    page.get_by_role("button", name="Make a webhook").click()
    address = page.get_by_label("The address of Grafana").input_value()
    assert "/hooks/rkh_" in address
    expect(page.get_by_text(f"posts as grafana, made by {ada.name}")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    for name in ("Alertmanager", "Alertmanager", "Loki"):
        answer = httpx.post(address, json={"text": f"{name} says", "username": name}, timeout=30)
        assert answer.text == "ok"
    rows = page.locator(".message").filter(has_text="says")
    expect(rows).to_have_count(3)
    expect(rows.locator(".message-head .author")).to_have_text(["Alertmanager", "Loki"])
    expect(rows.locator(".bot-badge")).to_have_count(2)
    bob.register(page.url.removeprefix(ada.url))
    expect(bob.page.locator(".message").filter(has_text="Loki says")).to_be_visible()
    expect(bob.page.get_by_role("button", name="Webhooks")).to_be_hidden()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Webhooks").click()
    page.get_by_role("button", name="Delete: Grafana").click()
    expect(page.get_by_text("This channel has no webhooks.")).to_be_visible()
    assert httpx.post(address, json={"text": "hi"}, timeout=30).status_code == 404


def test_both_fit_a_phone(people: People) -> None:
    ada = people("ada", width=375, height=740).register("/#/settings/bots")
    page = ada.page
    expect(page.get_by_text("You have no bots.")).to_be_visible()
    page.get_by_label("Username").fill(f"bot{ada.name}")
    page.get_by_role("button", name="Make the bot").click()
    expect(page.get_by_label(f"The token of bot{ada.name}")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
