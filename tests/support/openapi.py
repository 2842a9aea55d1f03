"""The OpenAPI document in tests: its operations, and whether an answer is as it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import orjson

from chat.transports.rest import docs

DOCUMENT: dict[str, Any] = orjson.loads(docs.document()[0])
METHODS = {"get", "post", "put", "patch", "delete"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, found in DOCUMENT["paths"].items():
        for method in METHODS & set(found):
            yield path, method, found[method]


def check(status: int, body: Any, path: str, method: str = "get") -> None:
    """The answer is one that the document names, in the shape that it names, and has no field beside those."""
    described = DOCUMENT["paths"][path][method]["responses"][str(status)]
    if body is None:
        assert "content" not in described
        return
    schema = described["content"]["application/json"]["schema"]
    jsonschema.Draft4Validator({**strict(schema), "components": strict(DOCUMENT["components"])}).validate(body)


def strict(schema: Any) -> Any:
    """OpenAPI 3.0's `nullable` in JSON Schema's own words; and objects closed, which the document leaves open."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: strict(value) for name, value in schema.items() if name != "nullable"}
    if "required" in schema and "properties" in schema:
        found["additionalProperties"] = False
    return {"anyOf": [found, {"type": "null"}]} if schema.get("nullable") else found
