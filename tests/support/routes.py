"""Every path that Django serves, with something in the place of what varies: for tests that walk all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, get_resolver
from django.urls.resolvers import RegexPattern

SOMEBODY = "018f0000-0000-7000-8000-000000000000"
_VALUES = {"uuid": SOMEBODY, "int": "64", "str": "x", "path": SOMEBODY, "slug": "x"}


def all_paths() -> list[str]:
    """In the order in which they are tried, each once."""
    return list(dict.fromkeys(_paths(get_resolver(), "/")))


def _paths(resolver: Any, before: str) -> Iterator[str]:
    for found in resolver.url_patterns:
        path = before + _filled(found.pattern)
        if isinstance(found, URLPattern):
            yield path
        else:
            yield from _paths(found, path)


def _filled(pattern: Any) -> str:
    if isinstance(pattern, RegexPattern):
        # The admin's list of an app, and its last resort: `^(?P<app_label>a|b)/$`, `(?P<url>.*)$`.
        plain = re.sub(r"\(\?P<\w+>([^|)]*)[^)]*\)", r"\1", str(pattern))
        return plain.replace(".*", "nowhere").strip("^$").replace("\\", "")
    return re.sub(r"<(?:(\w+):)?\w+>", lambda match: _VALUES[match[1] or "str"], str(pattern))
