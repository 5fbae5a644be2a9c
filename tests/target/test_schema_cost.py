"""A schema must not keep a validator busy for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_nats_jetstream.schema_cost import looks_at_a_value
from target_nats_jetstream.schemas import UnusableSchemaError, compile_schema
from tests.support.target import event, schema

if TYPE_CHECKING:
    from tests.support.target import Target


def doubling(levels: int, keyword: str = "allOf", definitions: str = "$defs") -> dict[str, Any]:
    """Each definition applies the one before it twice."""
    found: dict[str, Any] = {"D0": {"type": ["integer", "null"]}}
    for level in range(levels):
        ref = {"$ref": f"#/{definitions}/D{level}"}
        found[f"D{level + 1}"] = {keyword: [ref, ref]}
    top = {"$ref": f"#/{definitions}/D{levels}"}
    return {definitions: found, "properties": {"ID": top}}


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
@pytest.mark.parametrize("definitions", ["$defs", "definitions"])
def test_work_that_doubles_with_each_definition_is_refused(keyword: str, definitions: str) -> None:
    with pytest.raises(UnusableSchemaError, match="one value would be looked at"):
        compile_schema(doubling(39, keyword, definitions))
    compile_schema(doubling(5, keyword, definitions))


@pytest.mark.parametrize(
    ("schema", "looks"),
    [
        ({}, 1),
        ({"properties": {"A": {"properties": {"B": {}}}}}, 1),
        ({"anyOf": [{"type": "null"}, {"not": {}}]}, 4),
        ({"$ref": "#"}, 1),
        ({"$ref": "#/nowhere/0"}, 1),
        ({"allOf": [{}, {"$ref": "#/allOf/0"}, {"$ref": "#/allOf/7"}]}, 5),
        ({"$defs": {"a/b~c": {}}, "$ref": "#/$defs/a~1b~0c"}, 2),
        ({"properties": {"N": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}}, 4),
    ],
)
def test_schemas_are_counted_that_look_at_one_value(schema: dict[str, Any], looks: int) -> None:
    assert looks_at_a_value(schema) == looks


def test_the_run_says_so_in_one_line(target: Target) -> None:
    message = schema()
    message["schema"] = doubling(39)
    run = target.run(message, event(1))
    assert run.code == 5
    assert "line 1 of the input is a SCHEMA of stream EVENTS that cannot be used" in run.error
    assert "one value would be looked at 2e+12 times" in run.error
