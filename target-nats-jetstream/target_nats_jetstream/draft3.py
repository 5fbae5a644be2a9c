"""Draft 3 of JSON Schema, which the compiling library does not know.

``jsonschema`` validates it, but by Python's regular expressions: one pattern of a schema could keep
the process busy for years, and hold the signals back as well. The compiling library gives up on
such a pattern, so all patterns go through that one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import jsonschema
import jsonschema_rs
from jsonschema.validators import extend

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    _Errors = Iterator[jsonschema.ValidationError]


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> jsonschema_rs.Draft4Validator:
    return jsonschema_rs.Draft4Validator({"pattern": pattern})


def _matches(pattern: str, text: str) -> bool:
    return _compiled(pattern).is_valid(text)


# Each takes the validator, the value of the keyword, the instance and the schema, as jsonschema
# hands them over.


def _pattern(_: object, pattern: str, instance: object, __: object) -> _Errors:
    if isinstance(instance, str) and not _matches(pattern, instance):
        yield jsonschema.ValidationError("pattern")


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
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    },
)
