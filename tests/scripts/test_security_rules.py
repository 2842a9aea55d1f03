"""The rules about secrets and safe pages find what they are for, and are content with what is well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHECK = ROOT / "scripts" / "security_rules.py"

BROKEN = {
    "LOG: a token": 'logger.info("in: %s", token)',
    "LOG: what is asked of something": 'logger.warning("said %s", message.text)',
    "LOG: in a dict": 'logger.error("body %s", request["password"])',
    "LOG: inside a text": 'self._logger.debug(f"mail to {user.email}")',
    "LOG: in other words": 'logger.exception("refused " + str(refresh))',
    "SAME: a digest": "found = stored.digest == digest",
    "SAME: a signature": "if signature != expected_signature: pass",
    "HTML: a mark": "shown = mark_safe(text)",
    "HTML: a form": "shown = format_html(form, name)",
    "WHY: nothing said": "x = eval(y)  # noqa: S307",
}
WELL = (
    'logger.info("in: %s", user.pk)',
    'logger.info("%d tokens", token_count)',
    'logger.info("text %s", len(text))',
    "found = hmac.compare_digest(stored.digest, digest)",
    'is_set = token != ""',
    'button = "<b>{}</b>"\nshown = format_html(button, name)',
    "x = eval(y)  # noqa: S307  our own",
    'logger.warning("bye: %s", bye.text)  # rule LOG: our own words',
)
PAGES = {
    "{{ text|safe }}": 1, "{% autoescape off %}": 1, "<script>go()</script>": 1, '<a onclick="go()">x</a>': 1,
    '<script src="{% static \'x.js\' %}"></script><p>{{ text }}</p>': 0,
}  # fmt: skip


def checked(folder: Path, name: str, text: str) -> list[str]:
    """What is said of a package with this one file."""
    path = folder / "package" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    command = [sys.executable, str(CHECK), "package"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    assert done.returncode == (1 if done.stdout else 0)
    return done.stdout.splitlines()


def test_what_breaks_a_rule_is_named_with_its_line_and_its_rule(tmp_path: Path) -> None:
    found = checked(tmp_path, "code.py", "\n".join(BROKEN.values()))
    said = sorted((int(line.split(":")[1]), line.split(": ")[1]) for line in found)
    assert said == [(number, what.partition(":")[0]) for number, what in enumerate(BROKEN, 1)]


def test_what_is_well_passes(tmp_path: Path) -> None:
    assert checked(tmp_path, "code.py", "\n".join(WELL)) == []


@pytest.mark.parametrize("page", PAGES)
def test_a_template_escapes_and_runs_nothing(page: str, tmp_path: Path) -> None:
    assert len(checked(tmp_path, "templates/page.html", page)) == PAGES[page]


def test_this_code_keeps_them() -> None:
    command = [sys.executable, str(CHECK), "accounts", "chat", "reaktor"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == ""
