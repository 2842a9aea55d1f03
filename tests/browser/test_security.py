"""Settings, Security: a second factor, from its QR code to a log-in with a recovery code; app passwords; sessions."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import People, Room
from tests.support.browser import Person
from tests.support.factors import code_of
from tests.support.server import PASSWORD

pytestmark = pytest.mark.browser


def part(page: Page, heading: str) -> Locator:
    """The block of the section that begins with this heading."""
    title = page.get_by_role("heading", name=heading, exact=True)
    return page.locator(".settings-form").filter(has=title)


def set_up(person: Person) -> tuple[str, list[str]]:
    """(the key, the recovery codes), as the pages show them."""
    page = person.page
    page.goto(f"{person.url}/#/settings/security")
    form = part(page, "Second factor")
    form.get_by_label("Password").fill(PASSWORD)
    form.get_by_role("button", name="Set up").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    assert page.get_by_role("img", name="QR code").evaluate("(image) => image.naturalWidth > 0")
    secret = (page.locator("code.secret-key").text_content() or "").replace(" ", "")
    page.get_by_label("Code").fill("000000" if code_of(secret) != "000000" else "000001")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("alert").filter(has_text="not the code")).to_be_visible()
    page.get_by_label("Code").fill(code_of(secret))
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_focused()
    codes = page.locator(".secrets code").all_text_contents()
    assert len(codes) == 10
    return secret, codes


def back_at_security(person: Person) -> Locator:
    """Logged in again, and at the section; its block about the second factor."""
    expect(person.page.locator(".shell")).to_be_visible()
    person.page.goto(f"{person.url}/#/settings/security")
    return part(person.page, "Second factor")


def log_out_and_in(person: Person, code: str) -> None:
    page = person.page
    page.get_by_role("button", name="Log out", exact=True).click()
    page.get_by_label("Username").fill(person.name)
    page.get_by_label("Password").fill(PASSWORD)
    expect(page.get_by_label("Code")).to_be_hidden()
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_label("Code")).to_be_focused()
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Log in").click()


def test_who_sets_up_a_second_factor_logs_in_with_a_code_and_with_a_recovery_code(
    people: People, tmp_path: Path
) -> None:
    ada = people("ada").register()
    ada.expect_problem(r"HTTP 403 POST .*/me/second-factor/confirm|HTTP 401 POST .*/tokens")
    page = ada.page
    secret, codes = set_up(ada)
    with page.expect_download() as coming:
        page.get_by_role("button", name="Download").click()
    assert coming.value.suggested_filename == f"{ada.name}-recovery-codes.txt"
    coming.value.save_as(tmp_path / "codes.txt")
    assert (tmp_path / "codes.txt").read_text().split() == codes
    page.get_by_role("button", name="I have kept it").click()
    expect(part(page, "Second factor")).to_contain_text("10 recovery codes left")

    # The code that set it up is used; the server takes the next one a little early.
    log_out_and_in(ada, code_of(secret, steps=1))
    expect(back_at_security(ada)).to_contain_text("10 recovery codes left")
    log_out_and_in(ada, codes[0])
    expect(back_at_security(ada)).to_contain_text("9 recovery codes left")
    log_out_and_in(ada, codes[0])
    expect(page.get_by_role("alert")).to_contain_text("used already")
    expect(page.get_by_label("Code")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Code").fill(codes[1])
    page.get_by_role("button", name="Log in").click()

    form = back_at_security(ada)
    form.get_by_label("Password").fill(PASSWORD)
    form.get_by_role("button", name="New recovery codes").click()
    expect(page.locator(".secrets code").first).not_to_have_text(codes[0])
    fresh = page.locator(".secrets code").all_text_contents()
    page.get_by_role("button", name="I have kept it").click()
    removal = part(page, "Remove the second factor")
    removal.get_by_label("Password").fill(PASSWORD)
    removal.get_by_label("Code").fill(fresh[0])
    removal.get_by_role("button", name="Remove").click()
    expect(part(page, "Second factor").get_by_role("button", name="Set up")).to_be_visible()


def test_an_app_password_is_shown_once_opens_the_log_in_of_old_clients_and_is_revoked(people: People) -> None:
    ada = people("ada").register("/#/settings/security")
    page = ada.page
    form = part(page, "App passwords")
    form.get_by_label("What it is for").fill("Old phone")
    form.get_by_label("Password", exact=True).fill(PASSWORD)
    form.get_by_role("button", name="Make an app password").click()
    expect(page.get_by_role("heading", name="App password for Old phone")).to_be_focused()
    shown = page.locator(".secrets code").text_content()
    given = {"name": ada.name, "password": shown}
    assert httpx.post(f"{ada.url}/auth/login", json=given, timeout=30).status_code == 200
    page.get_by_role("button", name="I have kept it").click()
    page.reload()
    row = page.get_by_role("list", name="App passwords").get_by_role("listitem")
    expect(row).to_contain_text("Old phone last used: today")
    assert str(shown) not in page.content()
    page.get_by_role("button", name="Revoke Old phone").click()
    expect(row).to_have_count(0)
    assert httpx.post(f"{ada.url}/auth/login", json=given, timeout=30).status_code == 401


def test_a_log_in_elsewhere_is_seen_and_ended_and_another_password_ends_the_rest(people: People, room: Room) -> None:
    ada = people("ada").register(room.path)
    other = people("other")
    other.name = ada.name
    other.log_in(room.path)
    other.expect_channel(room.name)
    other.expect_problem("HTTP 401")
    page = ada.page
    page.goto(f"{ada.url}/#/settings/security")
    rows = page.get_by_role("list", name="Logged in now").get_by_role("listitem")
    expect(rows).to_have_count(2)
    page.get_by_role("button", name=re.compile("^Log out Web")).click()
    expect(other.page.get_by_label("Password")).to_be_visible()
    expect(rows).to_have_count(1)
    form = part(page, "Password")
    form.get_by_label("Password now").fill(PASSWORD)
    form.get_by_label("New password").fill("staple in a stable")
    ada.expect_problem("HTTP 401")
    form.get_by_role("button", name="Change the password").click()
    page.get_by_label("Username").fill(ada.name)
    page.get_by_label("Password").fill("staple in a stable")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Channels", exact=True)).to_be_visible()


@pytest.mark.parametrize("is_dark", [False, True])
def test_the_section_fits_a_phone(people: People, *, is_dark: bool) -> None:
    ada = people("ada", width=360, height=740).register()
    ada.page.emulate_media(color_scheme="dark" if is_dark else "light")
    ada.expect_problem(r"HTTP 403 POST .*/me/second-factor/confirm")
    set_up(ada)
    assert ada.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert ada.page.locator(".settings-body").evaluate("(body) => body.scrollWidth <= body.clientWidth")
