"""The table of look-alikes is what the script makes of the package's data."""

from __future__ import annotations

import hashlib
import unicodedata

from accounts import names
from scripts import confusables

TABLE = confusables.TABLE.read_text("ascii")


def test_the_committed_table_says_what_the_data_says() -> None:
    """Python's Unicode decides which characters a name can hold, so an older one keeps some more."""
    made = confusables.prototypes()
    for char in {*made, *names._PROTOTYPES}:
        if unicodedata.category(char) != "Cn":
            assert names._PROTOTYPES.get(char) == made.get(char), hex(ord(char))


def test_reading_what_is_written_gives_it_back() -> None:
    made = confusables.prototypes()
    again: dict[str, str] = {}
    for line in confusables.written(made).splitlines():
        if not line.startswith("#"):
            looks_like, chars = ([chr(int(each, 16)) for each in part.split()] for part in line.split(": "))
            again |= dict.fromkeys(chars, "".join(looks_like))
    assert again == made


def test_a_new_table_comes_with_a_migration_that_fills_the_skeletons_anew() -> None:
    """Skeletons are stored. Whoever changes the table writes such a migration, as accounts/0007, and then this."""
    assert hashlib.sha256(TABLE.encode()).hexdigest()[:16] == "410cace50de356c5"
