"""Draft 3 of JSON Schema, which the compiling library does not know.

``jsonschema`` validates it, but by Python's own means: one pattern, or a long list whose items have
to be unique, could keep the process busy for years and hold the signals back as well, and a large
number cannot be divided with the digits of ``Decimal``. The compiling library has limits and exact
numbers, so these rules go through that one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import jsonschema
import jsonschema_rs
from jsonschema.validators import extend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    _Errors = Iterator[jsonschema.ValidationError]


@lru_cache(maxsize=256)
def _compiled(keyword: str, value: Any) -> jsonschema_rs.Draft4Validator:  # noqa: ANN401 - any JSON value
    return jsonschema_rs.Draft4Validator({keyword: value})


def _matches(pattern: str, text: str) -> bool:
    return _compiled("pattern", pattern).is_valid(text)


def matcher(pattern: str) -> Callable[[object], bool]:
    """What tells whether an expression of a schema matches somewhere in a text; always soon."""
    return jsonschema_rs.Draft4Validator({"pattern": pattern}).is_valid


# Each takes the validator, the value of the keyword, the instance and the schema, as jsonschema
# hands them over.


def _same_as(keyword: str) -> Callable[[object, Any, object, object], _Errors]:
    """A rule that is one of draft 4 as well."""

    def rule(_: object, value: Any, instance: object, __: object) -> _Errors:  # noqa: ANN401 - any JSON value
        if not _compiled(keyword, value).is_valid(instance):
            yield jsonschema.ValidationError(keyword)

    return rule


def _pattern_properties(
    validator: Any,  # noqa: ANN401 - its class is made below
    patterns: Mapping[str, Any],
    instance: object,
    _: object,
) -> _Errors:
    if not isinstance(instance, dict):
        return
    for pattern, schema in patterns.items():
        for name, value in instance.items():
            if _matches(pattern, name):
                yield from validator.descend(value, schema, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any,  # noqa: ANN401 - as above
    allowed: object,
    instance: object,
    schema: Mapping[str, Any],
) -> _Errors:
    if not isinstance(instance, dict):
        return
    patterns, known = schema.get("patternProperties", ()), schema.get("properties", ())
    for name, value in instance.items():
        if name in known or any(_matches(pattern, name) for pattern in patterns):
            continue
        if isinstance(allowed, dict):
            yield from validator.descend(value, allowed, path=name)
        elif not allowed:
            yield jsonschema.ValidationError("additionalProperties")


Draft3Validator: Final = extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft3Validator,
    {
        "pattern": _same_as("pattern"),
        "divisibleBy": _same_as("multipleOf"),
        "uniqueItems": _same_as("uniqueItems"),
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    },
)
