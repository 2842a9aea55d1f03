"""One form of a password, whatever keyboard it was typed on. Pure.

An "é" can be one character or two, and a blank can be another blank; people see and type the same. Hashes are made of
the one form. Source: RFC 8265, 4.2 (OpaqueString).
"""

from __future__ import annotations

import unicodedata


def opaque(password: str) -> str:
    """Every blank as U+0020, then Unicode form C. Case, width and everything else stay."""
    blanks = "".join(" " if unicodedata.category(char) == "Zs" else char for char in password)
    return unicodedata.normalize("NFC", blanks)


def forms(password: str) -> list[str]:
    """What a stored hash may have been made of, the likeliest first: older hashes are of what was typed."""
    return list(dict.fromkeys((opaque(password), password)))
