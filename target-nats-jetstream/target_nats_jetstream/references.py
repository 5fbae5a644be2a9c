"""References of a JSON schema, and whether they stay within it. Pure.

A schema comes from somebody else's program. What it refers to has to be in it: following a
reference to anywhere else would let the input decide where the process connects or what it reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urldefrag, urljoin

from target_nats_jetstream.errors import DataError
from target_nats_jetstream.shown import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Keywords whose value is a schema, a list of schemas, or an object of schemas by name.
_SCHEMAS: Final = frozenset(
    {"additionalItems", "additionalProperties", "contains", "contentSchema", "else", "extends"}
    | {"if", "items", "not", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"}
    | {"allOf", "anyOf", "oneOf", "prefixItems", "disallow", "type"}
)
_NAMED_SCHEMAS: Final = frozenset(
    {"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"}
)
#: Names and numbers on the way from one part of a schema to another.
SchemaPath = tuple[str | int, ...]
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
#: The drafts themselves come with the validator.
_DRAFTS: Final = ("http://json-schema.org/draft", "https://json-schema.org/draft")


def check_references(stream: str, schema: Mapping[str, Any]) -> None:
    """Refuse a schema that refers to anything but itself.

    Raises:
        DataError: It does.
    """
    if (reference := leaving(schema)) is not None:
        reason = f"the SCHEMA of stream {stream} refers to {shown(reference)}, which is not in it"
        remedy = "Have the tap write it into the schema, or set `validate_records: false`"
        raise DataError(reason, remedy)


def refuse_retrieval(uri: str) -> NoReturn:
    """Refuse to fetch a document; validators call it for what a schema refers to outside itself.

    Raises:
        LookupError: Always.
    """
    raise LookupError(uri)


def leaving(schema: Mapping[str, Any]) -> str | None:
    """The first reference to what is not in ``schema``; None where there is none."""
    parts = list(_parts(schema))
    own = {"", *(base for base, _ in parts)}
    for base, part in parts:
        for reference in (part.get(name) for name in _REFERENCES):
            if not isinstance(reference, str):
                continue
            document = _document(base, reference)
            if document not in own and not document.startswith(_DRAFTS):
                return reference
    return None


def _parts(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All schemas in a schema, with the documents that they are of."""
    left: list[tuple[str, Any]] = [("", schema)]
    while left:
        base, part = left.pop()
        named = part.get("$id", part.get("id"))
        base = _document(base, named) if isinstance(named, str) else base
        yield base, part
        left += ((base, one) for _, one in schemas_in(part))


def schemas_in(schema: Mapping[str, Any]) -> Iterator[tuple[SchemaPath, Mapping[str, Any]]]:
    """The schemas that stand right in a schema, and where."""
    for name in _SCHEMAS & schema.keys():
        yield from _schemas_of((name,), schema[name])
    for name in _NAMED_SCHEMAS & schema.keys():
        if isinstance(schema[name], dict):
            for inner, one in schema[name].items():
                yield from _schemas_of((name, inner), one)


def _schemas_of(path: SchemaPath, found: object) -> Iterator[tuple[SchemaPath, Mapping[str, Any]]]:
    if isinstance(found, dict):
        yield path, found
    elif isinstance(found, list):
        yield from (
            ((*path, number), one) for number, one in enumerate(found) if isinstance(one, dict)
        )


def _document(base: str, reference: str) -> str:
    """What a reference refers to, without the place in it."""
    try:
        return urldefrag(urljoin(base, reference)).url
    except ValueError:  # it is no URL
        return reference
