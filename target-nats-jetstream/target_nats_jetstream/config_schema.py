"""The JSON schemas of settings, made from the fields of their structs."""

from __future__ import annotations

from functools import cache
from typing import Any, Final, get_type_hints

import msgspec

#: How a name that is no common word is written.
_WORDS: Final = {"ca": "CA", "dsn": "DSN", "id": "ID", "mariadb": "MariaDB"} | {
    "ssl": "TLS",
    "tls": "TLS",
    "url": "URL",
}


@cache
def json_schemas(client: type[msgspec.Struct]) -> dict[str, dict[str, Any]]:
    """The JSON schema of each field that has a description, by its name as a setting."""
    schemas = msgspec.json.schema(client)["$defs"][client.__name__]["properties"]
    hints = get_type_hints(client)
    return {
        field.encode_name: _property(field.encode_name, schema, str(hints[field.name]))
        for field in msgspec.structs.fields(client)
        if "description" in (schema := schemas[field.encode_name])
    }


def _property(name: str, schema: dict[str, Any], hint: str) -> dict[str, Any]:
    """The schema in the form that the SDK and Meltano read: one ``type``, and no ``anyOf``."""
    kinds = schema.pop("anyOf", [schema])
    types = [kind.get("type", "string") for kind in kinds]
    if {"array", "object"} & set(types):
        types.append("string")
    default = schema.pop("default", None)
    found: dict[str, Any] = {"title": _title(name)}
    for kind in kinds:
        found |= kind
    found |= {**schema, "type": types[0] if len(types) == 1 else types}
    if enum := found.pop("enum", None):
        enum.sort(key=lambda word: hint.index(repr(word)))  # in the order of the declaration
        if set(types) <= {"string", "null"}:  # of a number or a word not all can be listed
            found["enum"] = [*enum, None] if "null" in types else enum
    if isinstance(default, tuple | list):
        default = as_text(default)
    return found if default in (None, {}) else {**found, "default": default}


def _title(name: str) -> str:
    words = [_WORDS.get(word, word) for word in name.split("_")]
    return " ".join(words)[0].upper() + " ".join(words)[1:]


def listed(value: object) -> list[Any]:
    """The items of a list; another value as the only one."""
    return list(value) if isinstance(value, list | tuple) else [value]


def as_text(value: object) -> str:
    """A value as an environment variable would have it."""
    return ",".join(map(str, listed(value)))
