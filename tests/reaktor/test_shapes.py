"""JSON Schema of shapes: what a type says stands in the schema, and a type that JSON lacks is refused."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest

from reaktor.shapes import Count, Keyword, ListData, Name, Schema, Time, Writer, shape_name


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class LeafData(TypedDict):
    """A leaf."""

    size: Annotated[Count, "In millimetres."]
    colour: Annotated[str, Colour] | None
    fallen_at: NotRequired[Annotated[Time | None, "Null: not yet."]]


class TreeData(TypedDict):
    leaves: list[LeafData]
    by_name: dict[str, list[LeafData]]
    parent: TreeData | None
    notes: dict[str, Any]
    is_felled: Literal[False]


class OakData(TreeData):
    """An oak."""

    acorns: int


PlantData = Annotated[TreeData | LeafData, Name("PlantData"), "What grows."]


def refer(shape: Any) -> Schema:
    return {"$ref": str(shape_name(shape))}


WRITER = Writer(refer, nullable=lambda schema: {"anyOf": [schema, {"type": "null"}]})


def or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def test_a_shape_is_an_object_with_its_docstring_its_fields_and_those_that_are_required() -> None:
    assert WRITER.component(LeafData) == {
        "type": "object",
        "description": "A leaf.",
        "properties": {
            "size": {"type": "integer", "minimum": 0, "description": "In millimetres."},
            "colour": or_null({"type": "string", "enum": ["red", "blue"]}),
            "fallen_at": {**or_null({"type": "string", "format": "date-time"}), "description": "Null: not yet."},
        },
        "required": ["size", "colour"],
    }


def test_shapes_inside_of_a_shape_are_referred_to_itself_too() -> None:
    leaves = {"type": "array", "items": {"$ref": "LeafData"}}
    assert WRITER.component(TreeData)["properties"] == {
        "leaves": leaves,
        "by_name": {"type": "object", "additionalProperties": leaves},
        "parent": or_null({"$ref": "TreeData"}),
        "notes": {"type": "object", "additionalProperties": {}},
        "is_felled": {"type": "boolean", "enum": [False]},
    }


def test_a_shape_has_the_fields_of_those_that_it_extends_and_a_description_of_its_own() -> None:
    oak, tree = WRITER.component(OakData), WRITER.component(TreeData)
    assert oak["properties"] == {**tree["properties"], "acorns": {"type": "integer"}}
    assert oak["description"] == "An oak."
    assert "description" not in tree


def test_a_list_is_named_after_what_it_lists() -> None:
    assert shape_name(ListData[LeafData]) == "LeafListData"
    listed = WRITER.component(ListData[LeafData])["properties"]
    assert listed["results"] == {"type": "array", "items": {"$ref": "LeafData"}}


def test_a_union_with_a_name_is_a_shape_and_one_without_stands_where_it_is_used() -> None:
    kinds = {"oneOf": [{"$ref": "TreeData"}, {"$ref": "LeafData"}]}
    assert WRITER.field(list[PlantData])["items"] == {"$ref": "PlantData"}
    assert WRITER.component(PlantData) == {**kinds, "description": "What grows."}
    assert WRITER.field(TreeData | LeafData) == kinds


def test_a_keyword_is_passed_on_and_its_tuple_is_a_list() -> None:
    assert WRITER.field(Annotated[int, Keyword("enum", (1, 2))]) == {"type": "integer", "enum": [1, 2]}


@pytest.mark.parametrize("hint", [bytes, set[str], tuple[int, int]])
def test_a_type_that_json_lacks_is_refused(hint: Any) -> None:
    with pytest.raises(KeyError):
        WRITER.field(hint)
