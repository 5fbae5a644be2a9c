"""How a setting is described, as a property of a JSON schema, and how its value is read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

from tap_oracle_txlog.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

Property: TypeAlias = "dict[str, Any]"
Properties: TypeAlias = "Mapping[str, Property]"


def text(description: str, default: str | None = None, **more: object) -> Property:
    """A text; without a default it may be left out."""
    if default is None:
        return {"type": ["string", "null"], "description": description, **more}
    return {"type": ["string"], "description": description, "default": default, **more}


def flag(description: str, *, default: bool) -> Property:
    """True or false."""
    return {"type": ["boolean"], "description": description, "default": default}


def whole(description: str, default: int, minimum: int) -> Property:
    """An integer."""
    found = {"type": ["integer"], "description": description}
    return {**found, "default": default, "minimum": minimum}


def fraction(description: str, default: float, minimum: float) -> Property:
    """A number that may also be given as text, because Meltano passes fractions that way."""
    found = {"type": ["number", "string"], "description": description}
    return {**found, "default": default, "minimum": minimum}


def titled(properties: Properties) -> dict[str, Property]:
    """The properties with titles that are made from their names."""
    return {
        name: {"title": name.replace("_", " ").capitalize(), **found}
        for name, found in properties.items()
    }


def value(properties: Properties, config: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401  # as various as JSON
    """The value of a setting; its default where it is null, empty or not there."""
    found = config.get(name)
    return properties[name].get("default") if found is None or found == "" else found


def number(properties: Properties, config: Mapping[str, Any], name: str) -> float:
    """The value of a numeric setting, which may be given as text.

    Raises:
        ConfigurationError: It is not a number of that kind, or too small.
    """
    rules = properties[name]
    is_whole = "integer" in rules["type"]
    try:
        found = float(value(properties, config, name))
    except (TypeError, ValueError):
        found = math.nan
    if not rules["minimum"] <= found < math.inf or (is_whole and not found.is_integer()):
        kind = "whole number" if is_whole else "number"
        reason = f"setting `{name}` is no {kind} of at least {rules['minimum']}"
        raise ConfigurationError(reason, f"The default is {rules['default']}")
    return int(found) if is_whole else found
