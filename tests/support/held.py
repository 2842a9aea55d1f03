"""How much the objects of this project hold: the sizes of their containers, found by walking from one owner.

For tests that say "when everybody is gone, nothing of them is left", without a list of structures that somebody would
have to keep: what is added to a class is walked with the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any

OURS = ("reaktor", "chat", "accounts")


def held(owner: object) -> dict[str, int]:
    """Path → how many things, of every container that is not empty. Items of containers are not walked into."""
    found: dict[str, int] = {}
    seen: set[int] = set()
    waiting: list[tuple[str, object]] = [("", owner)]
    while waiting:
        path, each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if type(each).__module__.split(".")[0] in OURS:
            waiting += [(f"{path}.{name}", value) for name, value in _attributes(each)]
        elif isinstance(each, Sized) and not isinstance(each, str | bytes | type) and len(each):
            found[path] = len(each)
    return found


def _attributes(each: object) -> Iterator[tuple[str, Any]]:
    yield from getattr(each, "__dict__", {}).items()
    for base in type(each).__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(each, name):
                yield name, getattr(each, name)
