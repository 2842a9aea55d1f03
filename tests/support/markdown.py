"""The project's own pages, read as their readers do: links, headings, commands, and paths in the text.

A Page is one Markdown file; all of its questions are answered from its text alone. Pure.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")
_NAMES = re.compile(r"`([\w./]+\.py)` \(([^)]*)\)")
_PATH = re.compile(r"(?<![\w./~<:-])(?:[\w.-]+/)+[\w.-]*")


@dataclass(frozen=True)
class Page:
    """One Markdown file, by its path."""

    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def prose(self) -> str:
        """The text without its code blocks."""
        return _FENCE.sub("", self.text)

    @cached_property
    def code(self) -> str:
        """What stands in its code spans and shell blocks, each on lines of its own."""
        return "\n".join([*_SPAN.findall(self.prose), *self.blocks("sh")])

    def blocks(self, language: str) -> list[str]:
        """The code blocks in a language, in order."""
        return [code for name, code in _FENCE.findall(self.text) if name == language]

    def links(self) -> list[str]:
        """Where its links and pictures point, but for other sites: `path`, `path#anchor` or `#anchor`."""
        return [target for target in _LINK.findall(_SPAN.sub("", self.prose)) if not re.match(r"[a-z]+:", target)]

    @cached_property
    def anchors(self) -> set[str]:
        """What a link may name behind the #: headings as GitHub spells them, repeated ones numbered."""
        seen: Counter[str] = Counter()
        found = set()
        for heading in _HEADING.findall(self.prose):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
            anchor = _NOT_IN_ANCHORS.sub("", plain.lower()).replace(" ", "-")
            found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
            seen[anchor] += 1
        return found

    def paths(self, roots: set[str]) -> set[str]:
        """The paths that begin with one of these names, wherever they stand, code blocks included.

        A path that goes on with a placeholder or a wildcard (`docs/*.md`, `run/<port>`) ends before it.
        """
        found = {path.rstrip(".") for path in _PATH.findall(self.text)}
        return {path for path in found if path.split("/")[0] in roots}

    def names(self) -> set[tuple[str, str]]:
        """(path, name) wherever the names of what to look for stand behind a file: `a/file.py` (`one`, `other`)."""
        return {(path, name) for path, names in _NAMES.findall(self.text) for name in re.findall(r"`(\w+)`", names)}
