"""Pages that mails and invites lead to: confirm an address, a new password, an invite link, an account that waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import Person
from tests.support.server import PASSWORD, LiveServer
from tests.support.smtp import Mailbox, link_in, smtp_server

pytestmark = pytest.mark.browser
NEW = "staple in a stable"
Comer = Callable[..., Person]
PROMOTE = "from accounts.models import User; User.objects.filter(username={name!r}).update(is_staff=True)"


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with smtp_server() as found:
        yield found


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mail")


@pytest.fixture(scope="module")
def mailing(migrated_server: LiveServer, data: Path, mailbox: Mailbox) -> Iterator[LiveServer]:
    """A server that sends mails, on which everybody may register."""
    yield from serve(migrated_server, data / "open", EMAIL_URL=mailbox.url)


@pytest.fixture(scope="module")
def inviting(migrated_server: LiveServer, data: Path, mailbox: Mailbox) -> Iterator[LiveServer]:
    """One on which one registers by invite, and that has a member of the staff, root."""
    folder = data / "invite"
    yield from serve(migrated_server, folder, EMAIL_URL=mailbox.url, REGISTRATION="invite")


@pytest.fixture(scope="module")
def approving(migrated_server: LiveServer, data: Path) -> Iterator[LiveServer]:
    yield from serve(migrated_server, data / "approval", REGISTRATION="approval", EMAIL_URL="")


def serve(migrated: LiveServer, folder: Path, **environment: str) -> Iterator[LiveServer]:
    settings = "tests.support.live_settings"
    live = migrated.copy(folder, LIMITS="off", DJANGO_SETTINGS_MODULE=settings, **environment)
    live.start()
    yield live
    live.stop()


@pytest.fixture
def come(browser: Browser) -> Iterator[Comer]:
    """come(server, "ada") is somebody with a browser of their own; nothing may have gone wrong for them at the end."""
    present: list[Person] = []

    def at(server: LiveServer, name: str, *, width: int = 1280, height: int = 800) -> Person:
        present.append(Person(browser.new_context(), server.url, name, width=width, height=height))
        return present[-1]

    yield at
    problems = [f"{person.name}: {problem}" for person in present for problem in person.unexpected()]
    for person in present:
        person.context.close()
    assert problems == []


def fill(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)


def in_the_chat(page: Page) -> None:
    expect(page.get_by_role("heading", name="Channels", exact=True)).to_be_visible()


def test_an_address_is_confirmed_and_a_forgotten_password_replaced(
    come: Comer, mailing: LiveServer, mailbox: Mailbox
) -> None:
    ada = come(mailing, "ada")
    ada.visit()
    page = ada.page
    page.get_by_role("button", name="Register").click()
    fill(page, "ada")
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_role("button", name="Register").click()
    in_the_chat(page)

    path = link_in(mailbox.wait_for("ada@example.org")).partition("/#")[2]
    page.goto(f"{ada.url}/#{path}")
    page.get_by_role("button", name="Confirm").click()
    in_the_chat(page)
    expect(page.get_by_text("Your e-mail address is confirmed.")).to_be_visible()
    assert "confirm-email" not in page.url, "the token does not stay in the address"
    page.goto(f"{ada.url}/#/settings/email")
    expect(page.get_by_text("Your address is ada@example.org.")).to_be_visible()
    page.get_by_role("button", name="Log out").click()

    page.get_by_role("link", name="Forgotten your password?").click()
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_role("status")).to_contain_text("a mail is on its way")
    path = link_in(mailbox.wait_for("ada@example.org", 2)).partition("/#")[2]
    page.goto(f"{ada.url}/#{path}")
    page.get_by_label("New password").fill(NEW)
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_text("Log in with the new one.")).to_be_visible()
    fill(page, "ada", NEW)
    page.get_by_role("button", name="Log in").click()
    in_the_chat(page)


def test_a_dead_link_says_what_to_do(come: Comer, mailing: LiveServer) -> None:
    ada = come(mailing, "eve", width=375, height=740)
    ada.expect_problem("HTTP 404 POST .*/api/v1/password/reset/confirm")
    ada.page.goto(f"{ada.url}/#/reset-password/nonsense")
    ada.page.get_by_label("New password").fill(NEW)
    ada.page.get_by_role("button", name="Set the password").click()
    expect(ada.page.get_by_role("alert")).to_contain_text("not good any more")
    assert ada.page.evaluate("document.documentElement.scrollWidth") <= 375


def test_an_address_is_given_and_removed_in_the_settings(come: Comer, mailing: LiveServer, mailbox: Mailbox) -> None:
    mailing.account("bob")
    bob = come(mailing, "bob")
    bob.visit()
    page = bob.page
    fill(page, "bob")
    page.get_by_role("button", name="Log in").click()
    in_the_chat(page)
    page.goto(f"{bob.url}/#/settings/email")
    expect(page.get_by_text("Your account has no e-mail address.")).to_be_visible()
    page.get_by_label("E-mail address").fill("bob@example.org")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Send a link there").click()
    expect(page.get_by_text("bob@example.org waits")).to_be_visible()
    mailbox.wait_for("bob@example.org")
    page.get_by_label("Password, to remove the address").fill(PASSWORD)
    page.get_by_role("button", name="Remove the address").click()
    expect(page.get_by_text("Your account has no e-mail address.")).to_be_visible()
    expect(page.get_by_role("link", name="Invites")).to_have_count(0)


def test_staff_make_an_invite_link_and_whoever_opens_it_registers(come: Comer, inviting: LiveServer) -> None:
    inviting.manage(
        "shell", "-c",
        f"from accounts.services import user_register; user_register(username='root', password={PASSWORD!r},"
        f" strict=True); {PROMOTE.format(name='root')}",
    )  # fmt: skip
    root, ada, late = (come(inviting, name) for name in ("root", "ada", "late"))
    ada.visit()
    ada.page.get_by_role("button", name="Register").click()
    expect(ada.page.get_by_text("You need an invite")).to_be_visible()
    expect(ada.page.get_by_label("Username")).to_be_hidden()

    root.visit()
    fill(root.page, "root")
    root.page.get_by_role("button", name="Log in").click()
    in_the_chat(root.page)
    root.page.goto(f"{root.url}/#/settings/invites")
    root.page.get_by_role("button", name="Make a link").click()
    link = root.page.get_by_label("Invite link").input_value()
    expect(root.page.get_by_text("By root. For 1 more account")).to_be_visible()

    ada.page.goto(link)
    expect(ada.page.get_by_text("You are invited")).to_be_visible()
    fill(ada.page, "ada")
    ada.page.get_by_role("button", name="Register").click()
    in_the_chat(ada.page)

    late.expect_problem("HTTP 403 POST .*/api/v1/accounts")
    late.page.goto(link)
    fill(late.page, "late")
    late.page.get_by_role("button", name="Register").click()
    expect(late.page.get_by_role("alert")).to_contain_text("not good")

    root.page.get_by_role("button", name="Make a link").click()
    # The list that is drawn anew has the new link alone: the first one is used up.
    expect(root.page.get_by_label("Invite link")).not_to_have_value(link)
    root.page.get_by_role("button", name="Revoke").click()
    expect(root.page.get_by_label("Invite link")).to_have_count(0)


@pytest.mark.long
def test_who_waits_for_approval_is_told_so(come: Comer, approving: LiveServer) -> None:
    ada = come(approving, "ada")
    ada.visit()
    page = ada.page
    expect(page.get_by_role("link", name="Forgotten your password?")).to_have_count(0)
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_text("Somebody looks at new accounts")).to_be_visible()
    fill(page, "ada")
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("status")).to_contain_text("waits for approval")
    ada.expect_problem("HTTP 403 POST .*/api/v1/tokens")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("Your account waits for approval.")
