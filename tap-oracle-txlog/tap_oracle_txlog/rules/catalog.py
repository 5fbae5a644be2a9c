"""A stored catalog beside the table as it is: which of the two says what a column holds.

The table does, as its rows are sent as they are; what the catalog adds to that, and what it
selects, stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Properties = dict[str, Any]

#: What a value of each type also is.
_ALSO: Final = {"integer": "number"}


def merged(table: Mapping[str, Any], catalog: Mapping[str, Any]) -> tuple[Properties, list[str]]:
    """The properties that a SCHEMA has to have, and in which columns the two differ.

    Args:
        table: The properties of the table's columns.
        catalog: Those that were stored.
    """
    properties = {
        name: catalog[name] if name in catalog and _admits(catalog[name], found) else found
        for name, found in table.items()
    }
    return properties, list(_differences(table, catalog))


def _differences(table: Mapping[str, Any], catalog: Mapping[str, Any]) -> Iterator[str]:
    for name, found in table.items():
        if name not in catalog:
            yield f"{name} is new"
        elif not _admits(catalog[name], found):
            yield f"{name} is {_named(found)}, not {_named(catalog[name])}"
    yield from (f"{name} is gone" for name in catalog if name not in table)


def _admits(stored: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether each value of the column fits what the catalog says of it."""
    allowed = _types(stored)
    fits = all(kind in allowed or _ALSO.get(kind) in allowed for kind in _types(found))
    forms = ("format", "contentEncoding")
    return fits and all(stored.get(form) in {None, found.get(form)} for form in forms)


def _types(schema: Mapping[str, Any]) -> set[str]:
    """The types, of which there may be one or several; without any, a value may be all of them."""
    types = schema.get("type", ["null", "boolean", "number", "string", "array", "object"])
    return {types} if isinstance(types, str) else set(types)


def _named(schema: Mapping[str, Any]) -> str:
    kinds = " or ".join(sorted(_types(schema) - {"null"})) or "null"
    more = schema.get("format", schema.get("contentEncoding"))
    nullable = "" if "null" in _types(schema) else " and never null"
    return f"{kinds}{f' ({more})' if more else ''}{nullable}"


def way_named(method: object) -> str:
    """A way of replication for people; what Singer does not know may be anything, and is not shown.

    Args:
        method: As a catalog has it.
    """
    return str(method) if method in ("FULL_TABLE", "LOG_BASED") else "an unknown"
