"""Real people for browser tests: each has a Chromium context of their own, and everything that went wrong in it.

launch() starts Chromium through Playwright; Person drives the web client by what is read on the screen (labels,
roles, texts). `problems` gathers console errors, page errors, policy violations and failed or refused requests.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import (
    Browser,
    BrowserContext,
    BrowserType,
    ConsoleMessage,
    Locator,
    Page,
    Response,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.support.server import PASSWORD

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WAIT_MS = 10_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SHELL = "chromium-headless-shell"
"""The same engine without the windows: half the processor time for the same pages. It shows no notifications."""
LINE_IS_DOWN = re.compile(
    r"WebSocket connection to .* failed|net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|INTERNET_DISCONNECTED)"
)
"""What Chromium itself writes to the console while there is no server, whatever the page does."""


@contextmanager
def launch() -> Iterator[Browser]:
    """Chromium without windows, found on the PATH. Ends with everything in it."""
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright, _launch(playwright.chromium, SHELL, *BROWSERS) as browser:
        yield browser


@contextmanager
def launch_beside(browser: Browser) -> Iterator[Browser]:
    """The whole Chromium, which shows notifications, while what launch() gave still runs. Ends with all in it."""
    with _launch(browser.browser_type, *BROWSERS) as whole:
        yield whole


@contextmanager
def _launch(kind: BrowserType, *names: str) -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        raise RuntimeError("browser tests need Chromium: see scripts/test-requirements")
    browser = kind.launch(executable_path=path, args=list(ARGUMENTS))
    try:
        yield browser
    finally:
        browser.close()


class Person:
    """Somebody at a browser of their own, at `url`. leave() when they go; the context may then serve another one."""

    def __init__(self, context: BrowserContext, url: str, name: str, *, width: int = 1280, height: int = 800) -> None:
        self.name = name
        self.url = url
        self.context = context
        self.context.set_default_timeout(WAIT_MS)
        self.size = ViewportSize(width=width, height=height)
        self.problems: list[str] = []
        self.expected: list[re.Pattern[str]] = []
        self.page = self.tab()
        # A page of the same origin without the client on it: nothing may be left of who was here before.
        self.page.goto(f"{url}/static/chat/icon.svg")
        self.page.evaluate("localStorage.clear()")

    def leave(self) -> None:
        """Close every tab, and be online again."""
        for page in self.context.pages:
            page.close()
        self.context.set_offline(False)

    def tab(self) -> Page:
        """Another tab of the same browser."""
        page = self.context.new_page()
        page.set_viewport_size(self.size)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.problems.append(f"error in the page: {error}"))
        page.on("response", self._on_response)
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation', (event) =>"
            " console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI}`))"
        )
        return page

    def _on_console(self, message: ConsoleMessage) -> None:
        # What a refused request says here is judged by its status, below.
        is_status = message.text.startswith("Failed to load resource: the server responded")
        if message.type in {"error", "warning"} and not is_status:
            self.problems.append(f"console: {message.text}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self.problems.append(f"HTTP {response.status} {response.request.method} {response.url}")

    def expect_problem(self, pattern: str | re.Pattern[str]) -> None:
        """This is part of the story and no problem."""
        self.expected.append(re.compile(pattern))

    def unexpected(self) -> list[str]:
        return [each for each in self.problems if not any(pattern.search(each) for pattern in self.expected)]

    # -- What people do ----------------------------------------------------------------------------------------

    def visit(self, path: str = "/") -> None:
        self.page.goto(f"{self.url}{path}")

    def register(self, path: str = "/") -> Person:
        self.visit(path)
        self.page.get_by_role("button", name="Register").click()
        self._fill_in("Register")
        return self

    def log_in(self, path: str = "/") -> Person:
        self.visit(path)
        self._fill_in("Log in")
        return self

    def _fill_in(self, button: str) -> None:
        self.page.get_by_label("Username").fill(self.name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name=button).first.click()
        expect(self.page.locator(".shell")).to_be_visible(timeout=WAIT_MS)

    def enter(self, channel: str) -> Person:
        self.page.get_by_role("navigation").get_by_role("link", name=re.compile(rf"\b{channel}\b")).click()
        self.expect_channel(channel)
        return self

    def expect_channel(self, channel: str) -> None:
        expect(self.page.get_by_role("heading", name=channel, exact=True)).to_be_visible(timeout=WAIT_MS)
        expect(self.field).to_be_visible(timeout=WAIT_MS)

    def say(self, text: str) -> None:
        self.field.fill(text)
        self.field.press("Enter")

    # -- What people see ---------------------------------------------------------------------------------------

    @property
    def field(self) -> Locator:
        return self.page.get_by_label("Message", exact=True)

    @property
    def log(self) -> Locator:
        return self.page.get_by_role("log")

    def row(self, text: str) -> Locator:
        return self.log.locator(".message", has_text=text)

    def member(self, name: str) -> Locator:
        return self.page.get_by_role("complementary").locator("li", has_text=name)

    def place(self, name: str) -> Locator:
        """A channel in the side bar."""
        return self.page.get_by_role("navigation").locator("li", has_text=name)

    def stored_texts(self) -> list[str]:
        """The texts of the acknowledged messages in the log, from top to bottom."""
        return self.log.locator(".message:not(.is-unsent) > .text").all_inner_texts()

    def expect_texts(self, texts: list[str]) -> None:
        """Exactly these, in this order, each once, and none of them waiting."""
        expect(self.log.locator(".message > .text")).to_have_text(texts, timeout=WAIT_MS)
        expect(self.log.locator(".is-unsent")).to_have_count(0, timeout=WAIT_MS)

    def expect_connected(self) -> None:
        expect(self.page.locator(".banner")).to_be_hidden(timeout=WAIT_MS)
