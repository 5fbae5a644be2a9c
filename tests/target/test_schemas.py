"""Each schema is read by the draft that it is of; what is not a schema is reported by its place.

The cases are written from the specifications: for each keyword whose meaning a draft has changed,
what the draft says about an instance. docs/validation.md has the comparison with the public suite.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from target_nats_jetstream.schemas import (
    DRAFT_3,
    DRAFTS,
    UnusableSchemaError,
    compile_schema,
    declared_names,
    first_misfit,
)

NEWEST, *_, DRAFT_7, DRAFT_6, DRAFT_4 = DRAFTS
DRAFT_2019 = list(DRAFTS)[1]
Schema = dict[str, Any]

#: Drafts, schema, an instance that fits, one that does not.
CASES: dict[str, tuple[list[str], Schema, Any, Any]] = {
    "exclusive as a word": (
        [DRAFT_3, DRAFT_4],
        {"maximum": 5, "exclusiveMaximum": True, "minimum": 1, "exclusiveMinimum": True},
        Decimal("4.99"),
        5,
    ),
    "exclusive as a number": (
        [DRAFT_6, DRAFT_7, DRAFT_2019, NEWEST],
        {"exclusiveMaximum": 5, "exclusiveMinimum": 1},
        Decimal("4.99"),
        5,
    ),
    "a whole decimal is no integer": ([DRAFT_4], {"type": "integer"}, 1, Decimal("1.0")),
    "a whole decimal is an integer": (
        [DRAFT_6, DRAFT_7, DRAFT_2019, NEWEST],
        {"type": "integer"},
        Decimal("1.0"),
        Decimal("1.5"),
    ),
    "items as a list": (
        [DRAFT_3, DRAFT_4, DRAFT_6, DRAFT_7, DRAFT_2019],
        {"items": [{"type": "integer"}, {"type": "string"}]},
        [1, "x", None],
        ["x", 1],
    ),
    "additionalItems": (
        [DRAFT_3, DRAFT_4, DRAFT_6, DRAFT_7, DRAFT_2019],
        {"items": [{"type": "integer"}], "additionalItems": False},
        [1],
        [1, 2],
    ),
    "prefixItems": (
        [NEWEST],
        {"prefixItems": [{"type": "integer"}], "items": {"type": "string"}},
        [1, "x"],
        [1, 2],
    ),
    "required as a word": (
        [DRAFT_3],
        {"properties": {"a": {"required": True}}},
        {"a": 1},
        {},
    ),
    "required as a list": (
        [DRAFT_4, DRAFT_6, DRAFT_7, DRAFT_2019, NEWEST],
        {"required": ["a"]},
        {"a": 1},
        {},
    ),
    "divisibleBy": ([DRAFT_3], {"divisibleBy": 2}, 4, 5),
    "multipleOf a hundredth": (
        [DRAFT_4, DRAFT_6, DRAFT_7, DRAFT_2019, NEWEST],
        {"multipleOf": Decimal("0.01")},
        Decimal("4.35"),
        Decimal("4.355"),
    ),
    "const": ([DRAFT_6, DRAFT_7, DRAFT_2019, NEWEST], {"const": 7}, 7, 8),
    "contains": (
        [DRAFT_6, DRAFT_7, DRAFT_2019, NEWEST],
        {"contains": {"type": "string"}},
        [1, "x"],
        [1],
    ),
    "propertyNames": (
        [DRAFT_6, DRAFT_7, DRAFT_2019, NEWEST],
        {"propertyNames": {"maxLength": 2}},
        {"ab": 1},
        {"abc": 1},
    ),
    "if, then": (
        [DRAFT_7, DRAFT_2019, NEWEST],
        {"if": {"type": "integer"}, "then": {"minimum": 3}},
        "x",
        2,
    ),
    "dependencies": (
        [DRAFT_3, DRAFT_4, DRAFT_6, DRAFT_7],
        {"dependencies": {"a": ["b"]}},
        {"a": 1, "b": 1},
        {"a": 1},
    ),
    "dependentRequired": (
        [DRAFT_2019, NEWEST],
        {"dependentRequired": {"a": ["b"]}},
        {"a": 1, "b": 1},
        {"a": 1},
    ),
    "unevaluatedProperties": (
        [DRAFT_2019, NEWEST],
        {"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": False},
        {"a": 1},
        {"b": 1},
    ),
    "$ref alone": (
        [DRAFT_3, DRAFT_4, DRAFT_6, DRAFT_7],
        {
            "definitions": {"a": {}},
            "properties": {"x": {"$ref": "#/definitions/a", "type": "null"}},
        },
        {"x": 1},
        None,
    ),
    "$ref with siblings": (
        [DRAFT_2019, NEWEST],
        {"$defs": {"a": {}}, "properties": {"x": {"$ref": "#/$defs/a", "type": "null"}}},
        {"x": None},
        {"x": 1},
    ),
    "anyOf of Singer taps": (
        [DRAFT_4, DRAFT_6, DRAFT_7, DRAFT_2019, NEWEST],
        {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
        "no time, as formats are annotations",
        1,
    ),
}
#: Of these two a schema without ``$schema`` cannot say that it is of an older draft.
AMBIGUOUS = {"a whole decimal is no integer", "$ref alone"}


@pytest.mark.parametrize(
    ("draft", "schema", "good", "bad"),
    [(draft, *case) for drafts, *case in CASES.values() for draft in drafts],
    ids=[f"{name}, {draft[16:]}" for name, case in CASES.items() for draft in case[0]],
)
@pytest.mark.parametrize("form", ["http://{}#", "https://{}", "http://{}"])
def test_a_schema_is_read_by_the_draft_that_it_names(
    draft: str, schema: Schema, good: object, bad: object, form: str
) -> None:
    validator = compile_schema({"$schema": form.format(draft), **schema})
    assert validator.is_valid(good)
    assert bad is None or not validator.is_valid(bad)


@pytest.mark.parametrize("name", CASES.keys() - AMBIGUOUS)
@pytest.mark.parametrize("named", [{}, {"$schema": "http://json-schema.org/schema#"}])
def test_without_a_draft_the_newest_that_can_read_the_schema_is_meant(
    name: str, named: Schema
) -> None:
    drafts, schema, good, bad = CASES[name]
    if drafts == [DRAFT_3]:
        return
    validator = compile_schema({**named, **schema})
    assert validator.is_valid(good)
    assert not validator.is_valid(bad)


BROKEN: list[tuple[Schema, str]] = [
    ({"properties": {"A": {"type": "nonsense"}}}, "it is not valid at properties/A/type"),
    ({"properties": {"A": {"pattern": "("}}}, "it is not valid at properties/A/pattern"),
    ({"properties": {"A": {"required": True}}}, "it is not valid at properties/A/required"),
    ({"properties": []}, "it is not valid at properties"),
    ({"properties": {"A": {"$ref": "#/x"}}}, "a $ref leads nowhere at properties/A/$ref"),
    (
        {"$schema": f"http://{DRAFT_4}#", "properties": {"A": {"exclusiveMaximum": 5}}},
        "it is not valid at properties/A",
    ),
    ({"$schema": f"http://{DRAFT_3}#", "properties": 7}, "it is not valid at properties"),
    *(
        ({"$schema": f"http://{DRAFT_3}#", "title": "abc", **schema}, told)
        for schema, told in (
            ({"properties": {"A": {"$ref": "#/x"}}}, "a $ref leads nowhere at properties/A/$ref"),
            ({"items": [{}, {"$ref": "#x"}]}, "a $ref leads nowhere at items/1/$ref"),
            ({"extends": {"$ref": "#/title/x"}}, "a $ref leads nowhere at extends/$ref"),
            ({"extends": [{"$ref": "#/$ref"}]}, "a $ref leads nowhere at extends/0/$ref"),
            ({"type": ["null", {"$ref": "#/x"}]}, "a $ref leads nowhere at type/1/$ref"),
            (
                {"items": {"$ref": "#/x"}, "x": {"$ref": "#/y"}},
                "a $ref leads nowhere at items/$ref/$ref",
            ),
            ({"items": {"$ref": "#/title"}}, "a $ref leads to what is not valid at items/$ref"),
            (
                {"items": {"$ref": "#/x"}, "x": {"properties": 7}},
                "a $ref leads to what is not valid at items/$ref",
            ),
        )
    ),
]


@pytest.mark.parametrize(("schema", "told"), BROKEN)
def test_what_is_no_schema_is_told_by_its_place(schema: Schema, told: str) -> None:
    with pytest.raises(UnusableSchemaError) as caught:
        compile_schema(schema)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    "reference",
    ["#", "#/x", "#/x/0", f"http://{DRAFT_3}#", f"http://{DRAFT_4}#", f"https://{NEWEST}", "named"],
)
def test_a_reference_of_draft_3_may_lead_to_any_schema(reference: str) -> None:
    named = {"id": "named", "extends": [{"$ref": "#"}], "type": "object"}
    schema = {"properties": {"A": {"$ref": reference}, "B": named}, "x": [{"type": "string"}]}
    if reference == "#/x":
        schema["x"] = {"type": "object", "enum": [{"$ref": "#/nope"}, {}]}
    assert compile_schema({"$schema": f"http://{DRAFT_3}#", **schema}).is_valid({})


@pytest.mark.parametrize("draft", [*DRAFTS, DRAFT_3, ""])
def test_a_schema_without_an_end_is_no_schema(draft: str) -> None:
    schema: Schema = {}
    inner = schema
    for _ in range(900):
        inner["properties"] = {"a": {}}
        inner = inner["properties"]["a"]
    with pytest.raises(UnusableSchemaError, match="nested too deeply"):
        compile_schema({"$schema": f"http://{draft}#", **schema})


@pytest.mark.parametrize("draft", [*DRAFTS, DRAFT_3])
def test_a_misfit_is_told_without_its_value_or_a_name_that_may_be_one(draft: str) -> None:
    properties = {
        "A": {"items": {"properties": {"B": {"type": "integer"}}}},
        "M": {"additionalProperties": {"type": "integer"}},
    }
    schema = {"$schema": f"http://{draft}#", "type": "object", "properties": properties}
    validator, names = compile_schema(schema), frozenset(declared_names(schema))
    misfit = first_misfit(validator, names, {"A": [{}, {"B": "SECRET"}]})
    assert misfit.why == "field A.1.B violates 'type' in its schema"
    misfit = first_misfit(validator, names, {"M": {"SECRET": "SECRET"}})
    assert misfit.why == "field M.* violates 'type' in its schema"


#: Numbers and texts by turns: they cannot be sorted, and to compare each with each takes for ever.
MIXED = [item for number in range(1, 50_000) for item in (number, str(number))]


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"properties": {"A": {"pattern": "^x"}}}, {"A": "xy"}, {"A": "yx"}),
        ({"patternProperties": {"^x": {"type": "integer"}}}, {"xy": 1, "y": "a"}, {"xy": "a"}),
        (
            {
                "patternProperties": {"^x": {}},
                "properties": {"A": {}},
                "additionalProperties": False,
            },
            {"xy": 1, "A": 2},
            {"B": 1},
        ),
        ({"additionalProperties": {"type": "integer"}}, {"A": 1}, {"A": "a"}),
        ({"divisibleBy": Decimal("0.01")}, Decimal("1.5e400"), Decimal(f"0.{'1' * 50}")),
        ({"divisibleBy": 3}, Decimal("3e400"), Decimal("1e400")),
        ({"divisibleBy": 3}, "of texts it says nothing", 10**400),
        ({"uniqueItems": True}, MIXED, [*MIXED, 1]),
        ({"uniqueItems": True}, [1, True, "1", None], [{"A": 1}, {"A": Decimal("1.0")}]),
    ],
)
def test_shared_rules_of_draft_3(schema: dict[str, Any], good: Any, bad: Any) -> None:  # noqa: ANN401
    validator = compile_schema({"$schema": "http://json-schema.org/draft-03/schema#", **schema})
    assert validator.is_valid(good)
    assert not validator.is_valid(bad)
    assert list(validator.iter_errors(bad))


@pytest.mark.parametrize("draft", ["draft-03", "draft-04", "draft-07"])
@pytest.mark.parametrize("pattern", ["^(a+)+$", r"^(a|aa)+\\1$"])
def test_no_pattern_keeps_the_process_busy(draft: str, pattern: str) -> None:
    """With Python's own expressions this would not end."""
    schema = {"$schema": f"http://json-schema.org/{draft}/schema#", "properties": {"A": {}}}
    schema["properties"]["A"]["pattern"] = pattern  # type: ignore[index]
    assert not compile_schema(schema).is_valid({"A": "a" * 60 + "!"})
