"""How often a schema makes a validator look at one value. Pure.

``allOf`` with two references to a definition that has two to the next one doubles the work with
each definition: a schema of two kilobytes can keep a validator busy for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from target_nats_jetstream.references import schemas_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: A validator does a million a second at least; no schema that people write comes near.
MOST_LOOKS: Final = 100_000
#: Keywords whose schemas look at the same value as the schema that they are in.
_SAME_VALUE: Final = frozenset(
    {"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"}
    | {"extends", "disallow", "type"}
)


def looks_at_a_value(schema: Mapping[str, Any]) -> int:
    """The most schemas that are applied to one and the same value, each as often as it is named.

    Raises:
        RecursionError: The schema is nested too deeply.
    """
    known: dict[int, int] = {}

    def looks(part: Mapping[str, Any]) -> int:
        if id(part) not in known:
            known[id(part)] = 0  # a circle ends where it began
            known[id(part)] = 1 + sum(map(looks, _on_the_same_value(schema, part)))
        return known[id(part)]

    parts: list[Mapping[str, Any]] = [schema]
    for part in parts:
        looks(part)
        parts += (one for _, one in schemas_in(part))
    return max(known.values())


def _on_the_same_value(
    root: Mapping[str, Any], part: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    yield from (one for path, one in schemas_in(part) if path[0] in _SAME_VALUE)
    if isinstance(ref := part.get("$ref"), str) and ref.startswith("#"):
        found: Any = root
        for name in ref.removeprefix("#").split("/")[1:]:
            found = _member(found, unquote(name).replace("~1", "/").replace("~0", "~"))
        if isinstance(found, dict):
            yield found


def _member(value: object, name: str) -> object:
    if isinstance(value, dict):
        return value.get(name)
    is_index = isinstance(value, list) and name.isdecimal() and int(name) < len(value)
    return value[int(name)] if is_index and isinstance(value, list) else None
