"""The AsyncAPI document as people read it: what a template of plain loops shows, made from the document alone.

page_context() gives the operations with their example, fields and answer, the events, the shapes and the close codes.
A type is words with the name of a shape to look up where there is one.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from chat.transports.native.asyncapi import document
from chat.transports.native.protocol import SUBPROTOCOL
from reaktor.errors import CloseCode
from reaktor.shapes import Schema


class Row(NamedTuple):
    """A field: `shape` is the name of the shape that its type is made of, "" for none."""

    name: str
    type: str
    shape: str
    is_required: bool
    note: str


def page_context() -> dict[str, Any]:
    """What the template api/native.html shows."""
    found = document()
    messages, schemas = found["components"]["messages"], found["components"]["schemas"]
    operations = [
        _operation(name, operation, messages)
        for name, operation in found["operations"].items()
        if operation["action"] == "receive"
    ]
    events = [
        {"anchor": name, "name": each["name"], "summary": each["summary"], "rows": rows(each["payload"])}
        for name, each in messages.items()
        if name.startswith("event_")
    ]
    shapes = [
        {"name": name, "description": schema.get("description", ""), "rows": rows(schema), "type": typed(schema)[0]}
        for name, schema in sorted(schemas.items())
    ]
    return {
        "subprotocol": SUBPROTOCOL,
        "operations": operations,
        "events": events,
        "shapes": shapes,
        "refusal": rows(messages["refusal"]["payload"]),
        "codes": [(int(code), code.reason, code.may_come_back) for code in CloseCode],
    }


def _operation(name: str, operation: dict[str, Any], messages: dict[str, Any]) -> dict[str, Any]:
    asked = messages[name]
    payload = asked["payload"]["properties"]
    answer = messages.get(f"{name}_answer")
    return {
        "anchor": name,
        "name": asked["name"],
        "summary": operation["summary"],
        "example": json.dumps(asked["examples"][0]["payload"], ensure_ascii=False),
        "rows": rows(payload["data"]),
        "channel": "needed"
        if "channel" in asked["payload"]["required"]
        else "possible"
        if "channel" in payload
        else "",
        "answer": typed(answer["payload"]["properties"]["data"])[1] if answer else "",
    }


def rows(schema: Schema) -> list[Row]:
    """The fields of an object; none of anything else."""
    required = set(schema.get("required", ()))
    return [
        Row(name, *typed(field), name in required, field.get("description", ""))
        for name, field in schema.get("properties", {}).items()
    ]


def typed(schema: Schema) -> tuple[str, str]:
    """(the type in words, the shape in it or ""): `list of`, `member`; `time, or null`, ``."""
    if "$ref" in schema:
        return "", str(schema["$ref"]).rsplit("/", 1)[-1]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            parts = [typed(each) for each in schema[several]]
            shapes = [shape for _, shape in parts if shape]
            words = ", or ".join(word for word, _ in parts if word)
            return ("or " if shapes and words else "") + words, shapes[0] if shapes else ""
    if "const" in schema:
        return json.dumps(schema["const"]), ""
    if "enum" in schema:
        return " | ".join(json.dumps(each) for each in schema["enum"]), ""
    kinds = schema.get("type", "anything")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "array" in kinds:
        word, shape = typed(schema.get("items", {}))
        return f"list of {word}".strip(), shape
    if "object" in kinds and isinstance(schema.get("additionalProperties"), dict):
        word, shape = typed(schema["additionalProperties"])
        return f"by key, {word}".strip(), shape
    return ", or ".join([_WORDS.get(str(schema.get("format")), kinds[0]), *kinds[1:]]), ""


_WORDS = {"date-time": "time", "uuid": "UUID"}
