"""Slack's body of an incoming webhook, as a text: what senders that know Slack say, in words that every client shows.

In comes JSON that nobody has checked, or a form with it; out comes a Posting, or InvalidError. Whatever is of another
type than Slack writes is left out. Pure. Source: Slack, "Incoming webhooks", "Blocks", "Secondary attachments",
"Formatting text".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import orjson

from chat.domain.formatting import CUT, shortened
from chat.domain.rules import has_unstorable, shown_via
from reaktor.errors import InvalidError
from reaktor.scripts import is_unseen

MAX_PARTS = 200
"""Blocks, attachments, fields and pieces of rich text of one message: as many as Slack takes, and more than is read."""
MAX_DEPTH = 8
"""Of lists in rich text. Slack's have four levels."""
FORM_FIELDS = 20
RULE = "———"
"""A divider."""
_MARKUP = re.compile(r"<((?:[@#!]|[a-z][a-z0-9+.-]*:)[^<>\n]*)>", re.IGNORECASE)
_TO_ALL = re.compile(r"@+(?=(?:here|channel|everyone|all)\b)", re.IGNORECASE)
_BLANK_LINES = re.compile(r"\n{3,}")
_ESCAPES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


class Posting(NamedTuple):
    """What is to be posted. `via`: the name that the sender wants it to be shown with, "" for none."""

    text: str
    via: str


def posting_of(body: bytes, *, max_chars: int) -> Posting:
    """The posting in a request's body: a JSON object, or a form whose field `payload` is one. Raises InvalidError."""
    payload = _payload(body)
    text = cut(text_of(payload), max_chars)
    if is_unseen(text):
        raise InvalidError("There is no text in it.", fields={"text": "is missing"})
    return Posting(text, shown_via(payload.get("username")))


def _payload(body: bytes) -> dict[str, Any]:
    source = body.strip()
    if not source.startswith((b"{", b"[")):
        try:
            fields = parse_qs(source.decode(), max_num_fields=FORM_FIELDS)
        except ValueError:
            raise InvalidError("The body is neither JSON nor a form.") from None
        source = fields.get("payload", [""])[0].encode()
        if not source:
            raise InvalidError("The body must be JSON, or a form with a payload.", fields={"payload": "is missing"})
    try:
        payload = orjson.loads(source)
    except orjson.JSONDecodeError:
        raise InvalidError("The body is not valid JSON.") from None
    if not isinstance(payload, dict):
        raise InvalidError("The body must be a JSON object.")
    return payload


def text_of(payload: dict[str, Any]) -> str:
    """All that a payload says, as plain text. Where there are blocks, `text` is their summary, and left out."""
    said = [_blocks(payload.get("blocks")) or _marked(payload.get("text"))]
    said += [_attachment(each) for each in _objects(payload.get("attachments"))]
    text = "\n\n".join(part for part in said if part)
    text = _TO_ALL.sub("", "".join(char for char in text if not has_unstorable(char)))
    return _BLANK_LINES.sub("\n\n", text).strip()


def cut(text: str, max_chars: int) -> str:
    """The text, or as much of it as fits, ended by "…": at the end of a line, else of a word, where one is near."""
    if len(text) <= max_chars:
        return text
    kept = shortened(text, max_chars - len(CUT))
    for end in ("\n", " "):
        at = kept.rfind(end)
        if at >= len(kept) * 3 // 4:
            kept = kept[:at]
            break
    return f"{kept.rstrip()}{CUT}"


def plain(text: str) -> str:
    """Slack's markup of links, names and escapes as text. Bold, italic and code are written alike, and stay."""
    text = _MARKUP.sub(lambda found: _link(found[1]), text)
    for escape, char in _ESCAPES:
        text = text.replace(escape, char)
    return text


def _link(inner: str) -> str:
    """`url|label`, `@U123|ada`, `#C123|general`, `!here`, `!date^…|…`."""
    target, _, label = inner.partition("|")
    if target.startswith("!"):
        return label or target[1:].partition("^")[0]
    if target.startswith(("@", "#")):
        return f"{target[0]}{label}" if label else target
    if not label or label == target.removeprefix("mailto:"):
        return target.removeprefix("mailto:")
    return f"{label} ({target})" if target else label


# -- Blocks -------------------------------------------------------------------------------------------------------


def _blocks(blocks: Any) -> str:
    return "\n".join(part for part in map(_block, _objects(blocks)) if part)


def _block(block: dict[str, Any]) -> str:
    match block.get("type"):
        case "divider":
            return RULE
        case "section":
            return _lines([_text(block.get("text")), *map(_text, _objects(block.get("fields")))])
        case "context":
            return " ".join(part for part in map(_text, _objects(block.get("elements"))) if part)
        case "actions":
            return " ".join(part for part in map(_button, _objects(block.get("elements"))) if part)
        case "image" | "video":
            return _lines([_text(block.get("title")), _text(block)])
        case "rich_text":
            return "".join(_rich(block, MAX_DEPTH)).strip()
        case _:
            return _text(block.get("text"))


def _text(element: Any) -> str:
    """Of a text object, or of an image its description."""
    if not isinstance(element, dict):
        return ""
    if isinstance(alt := element.get("alt_text"), str):
        return alt.strip()
    return _marked(element.get("text"))


def _button(element: dict[str, Any]) -> str:
    label, url = _text(element.get("text")), element.get("url")
    return f"{label} ({url})" if label and isinstance(url, str) and url else label


def _rich(element: dict[str, Any], depth: int) -> Iterator[str]:
    """The pieces of rich text; each section, quote and item of a list ends its line."""
    kind = element.get("type")
    if kind in {"text", "link", "emoji", "user", "channel", "broadcast"}:
        yield _piece(element)
    elif depth:
        is_list = kind == "rich_text_list"
        for child in _objects(element.get("elements")):
            if is_list:
                yield "• "
            yield from _rich(child, depth - 1)
        if kind in {"rich_text_section", "rich_text_quote", "rich_text_preformatted"}:
            yield "\n"


def _piece(element: dict[str, Any]) -> str:
    said, url = element.get("text"), element.get("url")
    if isinstance(url, str):
        return f"{said} ({url})" if isinstance(said, str) and said and said != url else url
    if isinstance(said, str):
        return said
    name = element.get("name") or element.get("user_id") or element.get("range")
    if not isinstance(name, str):
        return ""
    return f":{name}:" if element.get("type") == "emoji" else name


# -- Attachments --------------------------------------------------------------------------------------------------


def _attachment(attachment: dict[str, Any]) -> str:
    title, link = _marked(attachment.get("title")), attachment.get("title_link")
    if title and isinstance(link, str) and link:
        title = f"{title} ({link})"
    found = _lines(
        [
            _marked(attachment.get("pretext")),
            _marked(attachment.get("author_name")),
            title,
            _marked(attachment.get("text")),
            _blocks(attachment.get("blocks")),
            *map(_field, _objects(attachment.get("fields"))),
            _marked(attachment.get("footer")),
        ]
    )
    return found or _marked(attachment.get("fallback"))


def _field(field: dict[str, Any]) -> str:
    title, value = _marked(field.get("title")), _marked(field.get("value"))
    return f"{title}: {value}" if title and value else title or value


def _marked(text: Any) -> str:
    return plain(text).strip() if isinstance(text, str) else ""


def _lines(parts: Iterable[str]) -> str:
    return "\n".join(part for part in parts if part)


def _objects(found: Any) -> list[dict[str, Any]]:
    return [each for each in found[:MAX_PARTS] if isinstance(each, dict)] if isinstance(found, list) else []
