"""The AsyncAPI 3 document of /ws/v1, generated from the registries that validate its frames and from the shapes.

Served at /api/v1/asyncapi.json. A change of a frame that is not in the registries can't be documented, and one that is
can't be forgotten here. A MessageData becomes the component `message`.
"""

from __future__ import annotations

from typing import Any

from chat.domain.events import DURABLE, EventType
from chat.transports.native.examples import EXAMPLES
from chat.transports.native.operations import OPERATIONS, Operation
from chat.transports.native.protocol import SUBPROTOCOL
from chat.transports.native.schemas import EVENTS, REPLIES
from reaktor.errors import CloseCode, ErrorDetail
from reaktor.shapes import Schema, Writer, shape_name

REQUEST_ID: Schema = {"type": ["integer", "string", "null"]}


def _component(shape: Any) -> str:
    name = str(shape_name(shape)).removesuffix("Data")
    return name[0].lower() + name[1:]


def _refer(shape: Any) -> Schema:
    return {"$ref": f"#/components/schemas/{_component(shape)}"}


def components(*shapes: Any) -> dict[str, Schema]:
    """These shapes and those inside of them, by name. A frame has no field beside theirs: objects are closed."""
    found: dict[str, Schema] = {}
    waiting = list(shapes)

    def refer(shape: Any) -> Schema:
        waiting.append(shape)
        return _refer(shape)

    writer = Writer(refer, nullable=lambda schema: {"anyOf": [schema, {"type": "null"}]})
    while waiting:
        shape = waiting.pop()
        if (name := _component(shape)) not in found:
            schema = writer.component(shape)
            found[name] = schema | ({"additionalProperties": False} if "properties" in schema else {})
    return found


def request_schema(operation: Operation) -> Schema:
    """A client's frame for one operation; unknown fields are ignored."""
    required = [name for name, field in operation.fields.items() if field.required]
    data: Schema = {
        "type": "object",
        "properties": {name: field.schema() for name, field in operation.fields.items()},
        "required": required,
    }
    properties: Schema = {"op": {"const": operation.name}, "id": REQUEST_ID, "data": data}
    needed = ["op"]
    if operation.needs_channel:
        properties["channel"] = {"type": "string"}
        needed.append("channel")
    elif operation.may_name_channel:
        properties["channel"] = {"type": ["string", "null"]}
    if required:
        needed.append("data")
    return {"type": "object", "properties": properties, "required": needed}


def answer_schema(reply: str) -> Schema:
    """The frame that grants an operation whose reply is this one."""
    return {
        "type": "object",
        "properties": {"re": REQUEST_ID, "ok": {"const": True}, "data": _refer(REPLIES[reply])},
        "required": ["re", "ok", "data"],
        "additionalProperties": False,
    }


def refusal_schema() -> Schema:
    """The frame that refuses any operation."""
    return {
        "type": "object",
        "properties": {"re": REQUEST_ID, "ok": {"const": False}, "error": _refer(ErrorDetail)},
        "required": ["re", "ok", "error"],
        "additionalProperties": False,
    }


def event_schema(kind: EventType) -> Schema:
    """The frame of one event."""
    properties: Schema = {"event": {"const": kind.value}}
    required = ["event"]
    if kind is not EventType.PING:
        properties["data"] = _refer(EVENTS[kind][1])
        required.append("data")
    properties["channel"] = {"type": "string"}
    if kind in DURABLE:
        properties["seq"] = {"type": "integer", "minimum": 1}
        required += ["channel", "seq"]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def document() -> dict[str, Any]:
    """The whole document, JSON-ready."""
    messages: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for operation in OPERATIONS.values():
        name = operation.name.replace(".", "_")
        messages[name] = {
            "name": operation.name,
            "summary": operation.summary,
            "payload": request_schema(operation),
            "examples": [{"name": "Example", "payload": EXAMPLES[operation.name]}],
        }
        operations[name] = _operation("receive", [name], operation.summary)
        if operation.reply is not None:
            messages[f"{name}_answer"] = {
                "name": f"{operation.name} answer",
                "payload": answer_schema(operation.reply),
            }
            replies = [_message_ref(f"{name}_answer"), _message_ref("refusal")]
            operations[name]["reply"] = {"channel": {"$ref": "#/channels/session"}, "messages": replies}
    messages["refusal"] = {"name": "refusal", "summary": "Any operation refused.", "payload": refusal_schema()}
    events = [*EVENTS, EventType.PING]
    for kind in events:
        summary = EVENTS[kind][0] if kind in EVENTS else "Answer with pong."
        messages[_event_name(kind)] = {"name": kind.value, "summary": summary, "payload": event_schema(kind)}
    operations["events"] = _operation("send", [_event_name(kind) for kind in events], "What happens.")
    said = [*REPLIES.values(), *(shape for _, shape in EVENTS.values()), ErrorDetail]
    codes = ", ".join(f"{int(code)} {code.reason}" for code in CloseCode)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Reaktor",
            "version": "1",
            "description": f"JSON over WebSocket, subprotocol {SUBPROTOCOL}. Close codes: {codes}.",
        },
        "channels": {
            "session": {
                "address": "/ws/v1",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {"ws": {"method": "GET"}},
            }
        },
        "operations": operations,
        "components": {"messages": messages, "schemas": components(*said)},
    }


def _event_name(kind: EventType) -> str:
    return "event_" + kind.value.replace(".", "_")


def _message_ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/session/messages/{name}"}


def _operation(action: str, names: list[str], summary: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/session"},
        "summary": summary,
        "messages": [_message_ref(name) for name in names],
    }
