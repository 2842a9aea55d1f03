"""Shapes in the OpenAPI document: views name them where drf-spectacular expects a serializer.

Importing this registers it with drf-spectacular. A MessageData becomes the component MessageShape.
"""

from __future__ import annotations

import re
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension

from reaktor.shapes import Schema, Writer, shape_name


class ShapeExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]  # its subclass hook is untyped
    """How drf-spectacular describes a shape."""

    @classmethod
    def _matches(cls, target: Any) -> bool:
        # By class, as drf-spectacular matches, a TypedDict is any dict, and a generic one with its arguments is none.
        return shape_name(target) is not None

    def get_name(self, auto_schema: Any, direction: Any) -> str:
        return re.sub("Data$", "Shape", str(shape_name(self.target)))

    def map_serializer(self, auto_schema: Any, direction: Any) -> Schema:
        def refer(shape: Any) -> Schema:
            found: Schema = auto_schema.resolve_serializer(shape, direction).ref
            return found

        return Writer(refer, nullable).component(self.target)


def nullable(schema: Schema) -> Schema:
    """OpenAPI 3.0 has no type null, and sees nothing beside a reference."""
    if "$ref" in schema:
        return {"allOf": [schema], "nullable": True}
    return {**schema, "nullable": True, **({"enum": [*schema["enum"], None]} if "enum" in schema else {})}
