"""One's own settings: sections that load when they are opened, taking one's data along, deleting the account."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import People, Room
from tests.support.server import PASSWORD

pytestmark = pytest.mark.browser


def test_settings_are_opened_from_the_side_bar_and_have_an_address(people: People, room: Room) -> None:
    ada = people("ada").register(room.path)
    page = ada.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    expect(page.get_by_role("heading", name="Profile")).to_be_visible()
    assert any("views/settings/profile" in url for url in asked), "sections are not part of the first load"
    page.get_by_role("link", name="Account").click()
    page.reload()
    expect(page.get_by_role("heading", name="Your data")).to_be_visible()
    page.go_back()
    page.go_back()
    expect(page.get_by_role("heading", name=room.name)).to_be_visible()


def test_ones_data_is_downloaded_whole(people: People, room: Room, tmp_path: Path) -> None:
    ada = people("ada").register(room.path)
    ada.say("remember me")
    ada.page.goto(f"{ada.url}/#/settings/account")
    with ada.page.expect_download() as coming:
        ada.page.get_by_role("button", name="Download").click()
    assert coming.value.suggested_filename == f"{ada.name}.json"
    coming.value.save_as(tmp_path / "mine.json")
    pages = json.loads((tmp_path / "mine.json").read_text())
    assert [message["text"] for page in pages for message in page["messages"]] == ["remember me"]


def test_an_account_is_deleted_with_its_password_alone(people: People, room: Room) -> None:
    ada = people("ada").register(room.path)
    ada.expect_problem("HTTP (403|401) (DELETE|POST) .*/api/v1/(me|tokens)")
    page = ada.page
    page.goto(f"{ada.url}/#/settings/account")
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_role("alert").filter(has_text="wrong")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    page.get_by_label("Username").fill(ada.name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("Wrong")


def test_settings_fit_a_phone(people: People, room: Room) -> None:
    ada = people("ada", width=360, height=740).register("/#/settings/account")
    expect(ada.page.get_by_role("heading", name="Your data")).to_be_visible()
    assert ada.page.evaluate("document.documentElement.scrollWidth") <= 360
