"""A reference that leaves its schema is named; one that stays in it is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from target_nats_jetstream.references import leaving

INTEGER = {"type": "integer"}


def field(schema: object, **more: object) -> dict[str, Any]:
    return {"type": "object", "properties": {"ID": schema}, **more}


@pytest.mark.parametrize(
    ("schema", "reference"),
    [
        (field({"$ref": "http://h/x.json"}), "http://h/x.json"),
        (field({"$ref": "file:///etc/passwd#/a"}), "file:///etc/passwd#/a"),
        (field({"$ref": "x.json"}), "x.json"),
        (field({"$ref": "//h/x"}), "//h/x"),
        (field({"$ref": "http://[h/x"}), "http://[h/x"),
        (field({"$dynamicRef": "http://h/x#y"}), "http://h/x#y"),
        (field({"anyOf": [INTEGER, {"items": [{"$ref": "http://h/x"}]}]}), "http://h/x"),
        (field(INTEGER, definitions={"a": {"$ref": "http://h/x"}}), "http://h/x"),
        (field({"$ref": "other.json"}, **{"$id": "http://h/root.json"}), "other.json"),
        (field(INTEGER, dependencies={"a": ["b"], "c": {"$ref": "urn:x"}}), "urn:x"),
    ],
)
def test_a_reference_to_elsewhere_is_found(schema: dict[str, Any], reference: str) -> None:
    assert leaving(schema) == reference


@pytest.mark.parametrize(
    "schema",
    [
        field(INTEGER),
        field({"$ref": "#"}),
        field({"$ref": "#/definitions/a"}, definitions={"a": INTEGER}),
        field({"$ref": "#/definitions/a"}, definitions={"a": INTEGER}, id="http://h/root.json"),
        field({"$ref": "a.json"}, **{"$id": "http://h/x", "$defs": {"a": {"$id": "a.json"}}}),
        field({"$ref": "urn:a#/x"}, **{"$defs": {"a": {"$id": "urn:a"}}}),
        field({"$ref": "http://json-schema.org/draft-07/schema#"}),
        {"properties": {"$ref": {"type": "string"}, "id": {"type": "string"}}},
        field({"enum": [{"$ref": "http://h/x"}], "default": {"$ref": "http://h/x"}}),
        field({"$ref": 7}),
    ],
)
def test_a_reference_within_the_schema_and_what_is_none_is_left_alone(
    schema: dict[str, Any],
) -> None:
    assert leaving(schema) is None


def test_a_schema_may_be_as_deep_as_it_likes() -> None:
    deep: dict[str, Any] = {"$ref": "http://h/x"}
    for _ in range(20_000):
        deep = {"items": deep}
    assert leaving(deep) == "http://h/x"
