"""The catalogues of the web client's words, as Node reads them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

CLIENT = Path(__file__).parents[2] / "chat" / "static" / "chat"
CATALOGUES = CLIENT / "words"

Message = str | dict[str, str]
"""One form, or one for each form of a plural."""
Parts = dict[str, dict[str, Message]]
"""Messages by key, by the part of the catalogue that they stand in."""

READ_CATALOGUE = """
const { default: first, parts } = await import(process.argv[1]);
const found = { "": first };
for (const [part, load] of Object.entries(parts)) found[part] = (await load()).default;
const plurals = new Intl.PluralRules(process.argv[2]).resolvedOptions().pluralCategories;
console.log(JSON.stringify({ found, plurals }));
"""


def run_node(*arguments: str) -> Any:
    """What a program prints as JSON."""
    node = shutil.which("node")
    assert node is not None, "Node is needed: see scripts/test-requirements"
    done = subprocess.run([node, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def catalogue(language: str) -> tuple[Parts, set[str]]:
    """Its messages by part, and which forms of a plural the language has."""
    module = str(CATALOGUES / f"{language}.js")
    found = run_node("--input-type=module", "--eval", READ_CATALOGUE, module, language)
    return found["found"], set(found["plurals"])


def messages_of(parts: Parts) -> dict[str, Message]:
    return {key: message for part in parts.values() for key, message in part.items()}


def forms(message: Message) -> list[str]:
    return [message] if isinstance(message, str) else list(message.values())


def names_in(message: Message) -> set[str]:
    return {name for form in forms(message) for name in re.findall(r"\{(\w+)\}", form)}


def pattern_of(form: str) -> re.Pattern[str]:
    """Matches what a form of a message becomes, whatever is put into it."""
    parts = re.split(r"\{\w+\}", form.strip())
    return re.compile(".+".join(map(re.escape, parts)), re.DOTALL)
