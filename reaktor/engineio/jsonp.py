"""JSONP polling of revision 3, for who switches it on (docs/adr/0010-jsonp-off.md). Pure.

Source: engine.io 1.8, transport polling-jsonp.
"""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs

from reaktor.engineio.packets import PayloadError

_NEWLINE = re.compile(r"(\\)?\\n")


def wrap(index: int, payload: bytes) -> bytes:
    """A polling answer as a script. ASCII throughout, so U+2028 and U+2029 can't end the string."""
    return f"___eio[{index}]({json.dumps(payload.decode())});".encode("ascii")


def unwrap(body: bytes) -> bytes:
    """The payload in a form's field `d`. Raises PayloadError.

    Forms change newlines, so clients write `\\n` for one, and `\\\\n` for a backslash before an n.
    """
    try:
        values = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=10).get("d")
    except ValueError as error:
        raise PayloadError("a JSONP body must be a form") from error
    if not values:
        raise PayloadError("a JSONP body must have the field d")
    text = _NEWLINE.sub(lambda match: match[0] if match[1] else "\n", values[0])
    return text.replace("\\\\n", "\\n").encode("utf-8", "replace")
