"""Names that have just changed: everywhere in a message, over several changes, and only for a while."""

from __future__ import annotations

from typing import cast

from chat.delivery.recent import Recent
from chat.delivery.renames import KEEP_S, Renames
from chat.domain.events import MessageData


def message(**fields: object) -> MessageData:
    found = {"author": "bob", "mentions": [], "reactions": {}, "text": "@ada is here", **fields}
    return cast("MessageData", found)


def test_every_name_in_a_message_is_the_new_one_and_its_text_stays() -> None:
    renames = Renames()
    assert renames.note("ada", "Lovelace", 0.0)
    told = renames.renamed(message(author="ada", mentions=["bob", "ada"], reactions={"👍": ["ada", "bob"]}))
    assert (told["author"], told["mentions"], told["reactions"]) == (
        "Lovelace",
        ["bob", "Lovelace"],
        {"👍": ["Lovelace", "bob"]},
    )
    assert told["text"] == "@ada is here"


def test_a_message_that_names_nobody_of_them_is_not_copied() -> None:
    renames = Renames()
    renames.note("ada", "Lovelace", 0.0)
    untouched = message()
    assert renames.renamed(untouched) is untouched


def test_who_changes_twice_or_comes_back_is_called_by_the_newest_name() -> None:
    renames = Renames()
    for old, new in (("ada", "bea"), ("bea", "cleo"), ("cleo", "Ada")):
        renames.note(old, new, 0.0)
        assert {renames.renamed(message(author=name))["author"] for name in ("ada", old, new)} == {new}


def test_what_is_told_again_is_no_news_and_what_is_old_is_forgotten() -> None:
    renames = Renames()
    assert renames.note("ada", "bea", 0.0)
    assert not renames.note("ADA", "bea", 1.0)
    renames.note("x", "y", KEEP_S + 1)
    assert renames.renamed(message(author="ada"))["author"] == "ada"


def test_names_of_any_script_are_changed_in_any_case_and_in_memory() -> None:
    """Bytes have a lower case in ASCII alone: what was held of somebody named in Cyrillic kept the old name."""
    renames = Renames()
    renames.note("Иван", "Straße", 0.0)
    assert renames.renamed(message(author="ИВАН"))["author"] == "Straße"
    first, second = message(author="Иван", number=1, changed_seq=1), message(author="bob", number=2, changed_seq=2)
    recent = Recent(
        changed=[first, second], newest=[first, second], floor=0, head_number=2, changes=5, numbers=5, max_bytes=1 << 20
    )
    recent.rewrite(renames.renamed, "Иван")
    assert [each["author"] for each in recent.since(0) or []] == ["Straße", "bob"]
    renames.note("straße", "Eve", 0.0)
    recent.rewrite(renames.renamed, "Straße")
    assert [each["author"] for each in recent.since(0) or []] == ["Eve", "bob"]
