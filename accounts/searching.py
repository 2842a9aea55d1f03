"""How accounts are found by the beginning of a name: columns that hold names as they are compared.

A name is folded (no case, no accents, one form) and kept as UTF-8. Bytes compare alike in every database, whatever its
collation, and in the order of code points; so the beginning of a name is a range, and an index serves it.
"""

from __future__ import annotations

from typing import Any

from django.db import models

from reaktor.scripts import folded

MAX_KEY_BYTES = 255
"""An index takes no longer ones; longer names are found by their beginning all the same."""


def search_key(text: str) -> bytes | None:
    """A name as it is compared; None for no name."""
    return folded(text.strip()).encode("utf-8", "ignore")[:MAX_KEY_BYTES] or None


def behind(prefix: bytes) -> bytes:
    """What is greater than everything that begins so: no UTF-8 has that byte."""
    return prefix + b"\xff"


class SearchField(models.BinaryField):  # type: ignore[type-arg]  # generic only in its stubs
    """Filled from the field `source` whenever a row is saved; whoever saves the source alone names this one, too.

    Null where there is nothing to find, and in rows of a version that did not know it (accounts.directory fills those).
    """

    def __init__(self, *args: Any, source: str, **kwargs: Any) -> None:
        self.source = source
        super().__init__(*args, **{"null": True, "editable": False, **kwargs})

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "source": self.source}

    def pre_save(self, model_instance: models.Model, add: bool) -> bytes | None:
        value = search_key(getattr(model_instance, self.source))
        setattr(model_instance, self.attname, value)
        return value
