"""Shapes: what clients read, each declared once as a TypedDict; and JSON Schema written from them.

The docstring of a shape describes it. The type of a field says what it holds: str, int, float, bool, Any, list, dict,
another shape, a union, Literal, NotRequired. Annotated says more: a string describes, an enum lists the values, a
Keyword is passed on to JSON Schema as it stands. The OpenAPI document (reaktor.web.openapi) and the AsyncAPI document
(chat.transports.native.asyncapi) are written from the same shapes. Pure.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NotRequired,
    TypedDict,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

Schema = dict[str, Any]
Item = TypeVar("Item")


class Keyword(NamedTuple):
    """A keyword of JSON Schema, for what Python's types cannot say. The value must be hashable, as all of a type is."""

    name: str
    value: Any


class Name(NamedTuple):
    """What a union is called: it is a shape of its own then, not written where it stands."""

    name: str


Time = Annotated[str, Keyword("format", "date-time")]
Uuid = Annotated[str, Keyword("format", "uuid")]
Count = Annotated[int, Keyword("minimum", 0)]
Ordinal = Annotated[int, Keyword("minimum", 1)]
Seconds = Annotated[float, Keyword("minimum", 0), "Seconds."]


class ListData(TypedDict, Generic[Item]):
    """One page of a list."""

    results: list[Item]
    next: Annotated[str | None, "The cursor of the next page."]


def shape_name(hint: Any) -> str | None:
    """What a shape is called; None for a type that is no shape."""
    kind, arguments = get_origin(hint) or hint, get_args(hint)
    if kind is Annotated:
        return next((mark.name for mark in arguments[1:] if isinstance(mark, Name)), None)
    if not is_typeddict(kind):
        return None
    return "".join(str(shape_name(each)).removesuffix("Data") for each in arguments) + str(kind.__name__)


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes JSON Schema for one document: how it refers to a shape, how it allows null beside a schema."""

    refer: Callable[[Any], Schema]
    nullable: Callable[[Schema], Schema]

    def field(self, hint: Any) -> Schema:
        """The schema of a value of this type; a shape is referred to. Raises KeyError for a type that JSON lacks."""
        return self.refer(hint) if shape_name(hint) is not None else self.component(hint)

    def component(self, hint: Any) -> Schema:
        """The same with the shape itself; those inside of it are referred to."""
        kind, arguments = get_origin(hint) or hint, get_args(hint)
        if is_typeddict(kind):
            return self._object(kind, arguments)
        if kind is Annotated:
            schema = self.field(arguments[0])
            for mark in arguments[1:]:
                schema = schema | _said(mark)
            return schema
        if kind in {Union, UnionType}:
            kinds = [self.field(each) for each in arguments if each is not NoneType]
            schema = {"oneOf": kinds} if len(kinds) > 1 else kinds[0]
            return self.nullable(schema) if NoneType in arguments else schema
        if kind is list:
            return {"type": "array", "items": self.field(arguments[0])}
        if kind is dict:
            return {"type": "object", "additionalProperties": self.field(arguments[1])}
        if kind is Literal:
            return _PLAIN[type(arguments[0])] | {"enum": list(arguments)}
        return dict(_PLAIN[kind])

    def _object(self, kind: Any, arguments: tuple[Any, ...]) -> Schema:
        properties, required = {}, []
        for name, hint in get_type_hints(kind, include_extras=True).items():
            # Not __required_keys__: it is wrong where annotations are strings.
            if get_origin(hint) is NotRequired:
                hint = get_args(hint)[0]
            else:
                required.append(name)
            properties[name] = self.field(hint[arguments] if getattr(hint, "__parameters__", ()) else hint)
        described = {"description": inspect.cleandoc(kind.__doc__)} if kind.__doc__ else {}
        return {"type": "object", **described, "properties": properties, "required": required}


_PLAIN: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number", "format": "double"},
    bool: {"type": "boolean"},
    Any: {},
}


def _said(mark: Any) -> Schema:
    """What an annotation says, in JSON Schema."""
    if isinstance(mark, Keyword):
        return {mark.name: list(mark.value) if isinstance(mark.value, tuple) else mark.value}
    if isinstance(mark, type) and issubclass(mark, Enum):
        return {"enum": [each.value for each in mark]}
    return {"description": mark} if isinstance(mark, str) else {}
