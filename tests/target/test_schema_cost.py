"""A schema must not keep a validator busy for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema.validators import extend
from jsonschema_specifications import REGISTRY
from referencing.jsonschema import specification_with

from target_nats_jetstream.schema_cost import CHECKED_EVERY, MOST_LOOKS, Looks
from target_nats_jetstream.schemas import DRAFT_3, DRAFTS, TooCostlyError, compile_schema
from tests.support.target import event, record, schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.target import Target

NEWEST, *_ = DRAFTS
SELF = {"$ref": "#"}


def looks_of(schema: dict[str, Any], draft: str = f"https://{NEWEST}") -> Looks:
    return Looks(schema, specification_with(draft))


def nested(levels: int, name: str = "a") -> object:
    value: object = {}
    for _ in range(levels):
        value = {name: value}
    return value


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
def test_work_that_doubles_with_each_definition_is_not_begun(
    keyword: str, definitions: str
) -> None:
    with pytest.raises(TooCostlyError):
        compile_schema(doubling(39, keyword, definitions)).is_valid({"ID": 1})
    assert compile_schema(doubling(39, keyword, definitions)).is_valid({"other": 1})
    compile_schema(doubling(5, keyword, definitions)).is_valid({"ID": 1})


#: Schemas that apply themselves more than once to the same member.
TWICE: dict[str, dict[str, Any]] = {
    "allOf": {"properties": {"a": {"allOf": [SELF, SELF]}}},
    "two branches": {"allOf": [{"properties": {"a": SELF}}, {"properties": {"a": SELF}}]},
    "by name and by pattern": {"properties": {"a": SELF}, "patternProperties": {"a": SELF}},
    "two patterns": {"patternProperties": {"a": SELF, "^": SELF}},
    "the rest of two": {"anyOf": [{"additionalProperties": SELF}, {"unevaluatedProperties": SELF}]},
    "an anchor": {
        "$defs": {"n": {"$anchor": "n", "properties": {"a": {"oneOf": [{"$ref": "#n"}] * 2}}}},
        "$ref": "#n",
    },
    "an id": {
        "$defs": {"n": {"$id": "http://n/", "properties": {"a": {"oneOf": [{"$ref": "/"}, SELF]}}}},
        "$ref": "http://n/",
    },
    "what extends a draft": {
        "$id": "http://x/",
        "$dynamicAnchor": "meta",
        "allOf": [{"$ref": "https://json-schema.org/draft/2020-12/meta/applicator"}] * 2,
        "properties": {"a": {"allOf": [SELF, SELF]}},
    },
}


@pytest.mark.parametrize("schema", TWICE.values(), ids=TWICE)
def test_work_that_doubles_with_the_depth_of_a_record_is_not_begun(schema: dict[str, Any]) -> None:
    looks = looks_of(schema)
    assert looks.may_be_too_many
    assert not looks.are_too_many(nested(10))
    assert looks.are_too_many(nested(60))


def test_an_array_is_looked_at_twice_by_items_and_contains() -> None:
    looks, value = looks_of({"items": SELF, "contains": SELF}), list[Any]()
    for _ in range(60):
        value = [value]
    assert looks.are_too_many(value)


def test_a_signal_ends_the_counting_of_a_large_record() -> None:
    looks, asked = looks_of({"additionalProperties": {"allOf": [SELF] * 200}}), list[None]()

    def stopped() -> None:
        asked.append(None)
        if len(asked) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        looks.are_too_many(dict.fromkeys(map(str, range(10 * CHECKED_EVERY))), stopped)


def test_a_schema_of_draft_3_that_extends_itself_twice_is_counted_as_well() -> None:
    twice = {"extends": {"$ref": "#"}, "type": [{"$ref": "#"}]}
    looks = looks_of({"properties": {"a": twice}}, f"http://{DRAFT_3}")
    assert looks.are_too_many(nested(60))


def test_a_draft_that_is_extended_twice_over_is_counted_through_its_own_references() -> None:
    applicator = {"$ref": "https://json-schema.org/draft/2020-12/meta/applicator"}
    looks = looks_of({"$dynamicAnchor": "meta", "allOf": [applicator, applicator]})
    assert looks.are_too_many(nested(60, "not"))


#: Recursive schemas as people write them.
SANE: dict[str, tuple[dict[str, Any], Any]] = {
    "a tree": ({"properties": {"left": SELF, "right": SELF}}, nested(300, "left")),
    "a list that ends with null": (
        {"properties": {"next": {"anyOf": [SELF, {"type": "null"}]}}},
        nested(300, "next"),
    ),
    "children": (
        {"properties": {"children": {"items": SELF}, "parent": SELF}},
        {"children": [nested(300, "parent")] * 50},
    ),
    "branches with members of their own": (
        {"oneOf": [{"properties": {"a": SELF}}, {"properties": {"b": SELF}}, {"type": "null"}]},
        nested(300),
    ),
    "a pattern beside the rest": (
        {
            "properties": {"a": True},
            "patternProperties": {"^x-": SELF},
            "additionalProperties": SELF,
        },
        nested(300, "x-y"),
    ),
    "JSON": (
        {
            "type": ["object", "array", "number", "string", "boolean", "null"],
            "additionalProperties": SELF,
            "items": SELF,
        },
        {"a": [nested(300, "b")]},
    ),
    "unions within unions, not deep": (
        {"oneOf": [{"properties": {"t": {"const": n}, "in": {"items": SELF}}} for n in range(150)]},
        {"t": 1, "in": [{"t": 2}] * 30, "x": [0] * 1000},
    ),
}


@pytest.mark.parametrize(("schema", "record"), SANE.values(), ids=SANE)
def test_what_people_write_is_validated(schema: dict[str, Any], record: object) -> None:
    assert not looks_of(schema).are_too_many(record)


@pytest.mark.parametrize("draft", [uri for uri in REGISTRY if uri.rstrip("#").endswith("/schema")])
def test_the_schemas_of_the_drafts_may_be_used_as_schemas(draft: str) -> None:
    meta = REGISTRY.contents(draft)
    looks = looks_of(meta, draft)
    assert not looks.are_too_many(meta)
    assert not looks.are_too_many({"properties": nested(300, "properties")})
    referring = looks_of({"properties": {"schema": {"$ref": draft}}}, draft)
    assert not referring.are_too_many({"schema": nested(300, "not")})


@pytest.mark.parametrize(
    ("schema", "is_counted"),
    [
        ({"properties": {f"C{n}": {"type": ["null", "string"]} for n in range(1000)}}, False),
        ({"properties": {f"C{n}": {"anyOf": [{}, {}]} for n in range(1000)}}, False),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {}}}, False),
        ({"properties": {"a": SELF}}, True),
    ],
)
def test_records_are_counted_only_where_the_schema_may_multiply(
    schema: dict[str, Any], *, is_counted: bool
) -> None:
    assert looks_of(schema).may_be_too_many is is_counted


@pytest.mark.parametrize(
    ("schema", "record", "looks"),
    [
        ({}, {"a": [1]}, [1]),
        ({"properties": {"A": {"properties": {"B": {}}}}}, {"A": {"B": 1}, "C": 1}, [1, 1, 1]),
        ({"anyOf": [{"type": "null"}, {"not": {}}]}, 1, [4]),
        (SELF, 1, [1]),
        ({"$ref": "#/nowhere/0"}, 1, [1]),
        ({"allOf": [{}, {"$ref": "#/allOf/0"}, {"$ref": "#/allOf/7"}]}, 1, [5]),
        ({"$defs": {"a/b~c": {}}, "$ref": "#/$defs/a~1b~0c"}, 1, [2]),
        ({"properties": {"N": {"anyOf": [SELF, {"type": "null"}]}}}, {"N": {"N": 1}}, [1, 4, 4]),
        ({"prefixItems": [{}, {"not": {}}], "items": {"allOf": [{}, {}]}}, [1, 2, 3], [1, 1, 2, 3]),
    ],
)
def test_each_value_is_looked_at_so_often(
    schema: dict[str, Any], record: object, looks: list[int]
) -> None:
    assert sorted(looks_of(schema).at_each_value(record)) == looks


def test_what_is_known_of_a_schema_is_forgotten_before_it_takes_too_much_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = looks_of(TWICE["allOf"])
    before = list(looks.at_each_value(nested(5)))
    monkeypatch.setattr("target_nats_jetstream.schema_cost._PARTS_KEPT", 2)
    assert list(looks.at_each_value(nested(5))) == before


# What is reckoned, against a validator that counts

REFERENCES = st.sampled_from(["#", "#/$defs/a", "#/$defs/b"]).map(
    lambda ref: {"counted": True, "$ref": ref}
)


def parts(levels: int) -> st.SearchStrategy[dict[str, Any]]:
    """Schemas that refer to others at members alone: on one value it might have no end."""
    optional: dict[str, st.SearchStrategy[Any]] = {
        "type": st.sampled_from(["object", "array"]),
        "maxProperties": st.integers(0, 2),
    }
    if levels:
        same = parts(levels - 1)
        member = REFERENCES | same
        named = st.dictionaries(st.sampled_from("ab"), member, max_size=2)
        several = st.lists(same, min_size=1, max_size=3)
        optional |= dict.fromkeys(["allOf", "anyOf", "oneOf"], several)
        optional |= dict.fromkeys(["not", "if", "then", "else"], same)
        optional |= dict.fromkeys(["properties", "patternProperties"], named)
        optional |= dict.fromkeys(["additionalProperties", "items", "contains"], member)
        optional |= {
            "propertyNames": member,
            "prefixItems": st.lists(member, min_size=1, max_size=2),
            "dependentSchemas": st.dictionaries(st.sampled_from("ab"), same, max_size=1),
        }
    return st.fixed_dictionaries({"counted": st.just(True)}, optional=optional)


SCHEMAS = st.builds(
    lambda root, a, b: {**root, "$defs": {"a": a, "b": b}}, parts(2), parts(2), parts(1)
)
RECORDS = st.recursive(
    st.integers(0, 1),
    lambda inner: (
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3) | st.lists(inner, max_size=3)
    ),
    max_leaves=8,
)


def counted(schema: dict[str, Any], record: object) -> int:
    """How often another validator applies a part of the schema."""
    applied = 0

    def count(*_: object) -> Iterator[jsonschema.ValidationError]:
        nonlocal applied
        applied += 1
        yield from ()

    counting = extend(jsonschema.Draft202012Validator, {"counted": count})  # type: ignore[no-untyped-call]
    list(counting(schema).iter_errors(record))
    return applied


@given(SCHEMAS, RECORDS)
def test_no_validator_looks_more_often(schema: dict[str, Any], record: object) -> None:
    looks = looks_of(schema)
    reckoned = list(looks.at_each_value(record))
    assert counted(schema, record) <= sum(reckoned)
    assert looks.may_be_too_many or max(reckoned) <= 100


# In a run


def test_a_record_that_is_not_validated_is_told_in_one_line(target: Target) -> None:
    message = schema()
    message["schema"] = doubling(39)
    run = target.run(message, event(1))
    assert run.code == 5
    assert "line 2 is a record of stream EVENTS that cannot be published" in run.error
    assert f"its values would be looked at more than {MOST_LOOKS:,} times" in run.error


def test_only_the_records_that_are_nested_too_deeply_for_their_schema_are_put_aside(
    target: Target,
) -> None:
    twice = {"allOf": [{"$ref": "#/definitions/n"}] * 2}
    message = schema()
    message["schema"]["definitions"] = {"n": {"properties": {"a": twice}}}
    message["schema"]["properties"]["TREE"] = {"$ref": "#/definitions/n"}
    trees = [nested(levels) for levels in (0, 5, 60)]
    lines = [record(ID=number, TREE=tree) for number, tree in enumerate(trees)]
    assert target.run(message, *lines, on_error="dead_letter").code == 0
    assert len(target.stored()) == 2
