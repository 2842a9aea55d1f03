"""The README's lines, copied as a reader copies them, to a server that `make run` started: they do what it says."""

from __future__ import annotations

import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest
from playwright.sync_api import Page as BrowserPage
from playwright.sync_api import expect

from tests.support.browser import launch
from tests.support.markdown import Page
from tests.support.ports import free_port, is_listening, wait_for

ROOT = Path(__file__).resolve().parents[2]
README = Page(ROOT / "README.md")
SHELL = README.blocks("sh")
PASSWORD = "correct horse battery"


def block(beginning: str) -> str:
    """The one shell block that begins so."""
    (found,) = (code for code in SHELL if code.startswith(beginning))
    return found


class Reader:
    """Somebody who copies lines, on ports of their own. `python3` and `.venv/bin/python` are this run's Python."""

    def __init__(self, directory: Path) -> None:
        self.port, self.page_port = free_port(), free_port()
        self.url = f"http://localhost:{self.port}"
        self.directory = directory
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "REDIS_"))},
            "PORT": str(self.port),
            "DATA_DIR": str(directory / "data"),
            "WORKERS": "1",
            "SPARE_WORKERS": "0",
        }

    def adapted(self, text: str) -> str:
        """The same for the ports and the virtual environment of this run."""
        # Nothing may be installed from here: `make test` has done it.
        make = f"make --directory={ROOT} --old-file={sys.prefix}/.installed VENV={sys.prefix} "
        text = text.replace("localhost:8000", f"localhost:{self.port}").replace("8080", str(self.page_port))
        text = re.sub(r"\bmake (?=(?:run|admin)\b)", make, text)
        text = text.replace("--directory hello", f"--directory {self.directory / 'hello'}")
        return re.sub(r"(?<![\w.])(\.venv/bin/python|python3)\b", sys.executable, text)

    @contextmanager
    def running(self, code: str, until: str = "") -> Iterator[None]:
        """A block that serves until it is ended by Ctrl-C; returns when its log says `until`, or its port is open."""
        log = self.directory / f"log-{len(list(self.directory.iterdir()))}"
        with log.open("wb") as file:
            process = subprocess.Popen(
                ["sh", "-euc", self.adapted(code)],
                cwd=ROOT, env=self.environment, stdout=file, stderr=file, start_new_session=True,
                # Whoever runs the tests in the background has it ignored, and so would all that they start.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )  # fmt: skip

        def is_there() -> bool:
            return until in log.read_text() if until else is_listening(self.page_port)

        family = [psutil.Process(process.pid)]
        try:
            wait_for(lambda: is_there() or process.poll() is not None, 90, code)
            assert process.poll() is None, log.read_text()
            family += family[0].children(recursive=True)
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            process.wait(30)
            _, left = psutil.wait_procs(family, 30)
            for each in left:
                each.kill()
            assert left == []

    def run(self, code: str) -> str:
        """What a block prints; it must not fail."""
        done = subprocess.run(
            ["sh", "-euc", self.adapted(code)],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


@pytest.mark.cluster
def test_the_first_message_is_posted_once_however_often_the_lines_are_copied(reader: Reader) -> None:
    lines = "\n".join(code for code in SHELL if code.startswith(("API=", "curl", "TOKEN=")))
    with reader.running(block("make run"), until="Reaktor is listening"):
        first, second = reader.run(lines), reader.run(lines)
        assert '"access":' in first
        assert '"code":"name_taken"' in second
        for answers in (first, second):
            assert answers.endswith('"has_more":false}')
            # As the answer to the post, and in the channel.
            assert answers.count('"text":"Hello!"') == 2
        become_administrator(reader, "root")
        answer = httpx.post(f"{reader.url}/api/v1/tokens", json={"username": "root", "password": PASSWORD})
        assert answer.json()["user"]["is_staff"] is True
        for path in ("/", "/api/v1/docs", "/admin/login/"):
            assert httpx.get(f"{reader.url}{path}").status_code == 200


def become_administrator(reader: Reader, name: str) -> None:
    """Answer the command's questions at a terminal."""
    terminal, theirs = pty.openpty()
    words = shlex.split(reader.adapted(block("make admin")))
    process = subprocess.Popen(words, cwd=ROOT, env=reader.environment, stdin=theirs, stdout=theirs, stderr=theirs)
    said = b""
    for question, answer in ((b"Username", name), (b"Password:", PASSWORD), (b"(again)", PASSWORD), (b"success", "")):
        while question not in said:
            said += os.read(terminal, 1024)
        said = b""
        os.write(terminal, f"{answer}\n".encode())
    # It still writes there.
    assert process.wait(30) == 0
    os.close(theirs)
    os.close(terminal)


@pytest.mark.cluster
@pytest.mark.browser
def test_two_people_talk_on_the_page(reader: Reader) -> None:
    (page,) = README.blocks("html")
    (reader.directory / "hello").mkdir()
    (reader.directory / "hello/index.html").write_text(reader.adapted(page))
    with (
        reader.running(block("PUBLIC_URL="), until="Reaktor is listening"),
        reader.running(block("python3 -m http.server")),
        launch() as browser,
    ):
        account = "\n".join(code for code in SHELL if code.startswith(("API=", 'curl -s "$API/accounts"')))
        reader.run(account)
        one, other = browser.new_page(), browser.new_page()
        for each in (one, other):
            open_page(each, reader)
        say(one, "Good morning")
        say(other, "Good evening")
        for each in (one, other):
            expect(each.locator("li")).to_have_text(["ada: Good morning", "ada: Good evening"])


def open_page(page: BrowserPage, reader: Reader) -> None:
    """Open it and wait until it is in the channel."""
    with page.expect_websocket() as opening:
        page.goto(f"http://localhost:{reader.page_port}/")
    opening.value.wait_for_event("framereceived", lambda frame: '"re":"join"' in str(frame))


def say(page: BrowserPage, text: str) -> None:
    page.locator("input").fill(text)
    page.locator("input").press("Enter")
    expect(page.locator("li", has_text=text)).to_be_visible()
