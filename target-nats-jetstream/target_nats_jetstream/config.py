"""Takes single settings out of a config, for the clients that describe them in ``PROPERTIES``.

Environment variables arrive as text, so numbers and flags may be text as well. Every complaint
names the setting, never the value: it may be a secret under the wrong name.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from target_nats_jetstream.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

INTEGER, NUMBER, FLAG = ["integer", "string"], ["number", "string"], ["boolean", "string"]


def described(
    kind: str | list[str], title: str, description: str, default: object = None, **more: object
) -> dict[str, Any]:
    """The JSON schema of a setting, as ``--about``, Meltano and the checks read it."""
    entry = {"type": kind, "title": title, "description": description, **more}
    return entry if default is None else {**entry, "default": default}


def refuse(name: str, what: str, remedy: str) -> NoReturn:
    """Complain about the setting ``name``."""
    reason = f"setting `{name}` {what}"
    raise ConfigurationError(reason, remedy) from None


class Config:
    """Settings by name; one that is absent or blank has the default of its description.

    Args:
        config: What the operator has set.
        properties: The JSON schemas of the settings.

    Raises (all methods): ConfigurationError, where a value is not usable.
    """

    def __init__(
        self, config: Mapping[str, Any], properties: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self._config = config
        self._properties = properties

    def value(self, name: str) -> Any:  # noqa: ANN401 - whatever the config holds
        """The value as it is set."""
        value = self._config.get(name)
        return self._properties[name].get("default") if value is None or value == "" else value

    def text(self, name: str) -> str | None:
        """The value as text, None where there is none."""
        value = self.value(name)
        return None if value is None else str(value)

    def needed(self, name: str) -> str:
        """The text of a setting that has a default."""
        return str(self.value(name))

    def choice(self, name: str) -> str:
        """One of the values that the description lists."""
        value, allowed = self.needed(name), self._properties[name]["enum"]
        if value not in allowed:
            refuse(name, "is not one of its values", f"Choose {' | '.join(allowed)}")
        return value

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self.needed(name).lower()
        if value not in {"true", "false", "1", "0"}:
            refuse(name, "is neither true nor false", "Set true or false")
        return value in {"true", "1"}

    def number(self, name: str, least: float, most: float = math.inf) -> float:
        """A finite number from ``least`` to ``most``; a whole one where the description says so."""
        try:
            value = float(self.value(name))
        except (TypeError, ValueError):
            refuse(name, "is no number", "Set a number")
        whole = self._properties[name]["type"] is INTEGER
        if not least <= value <= most or math.isinf(value) or (whole and not value.is_integer()):
            kind = "a whole number, at least" if whole else "at least"
            refuse(name, "is out of range", f"Set {kind} {least:g}")
        return value

    def secret(self, name: str) -> str | None:
        """The secret itself, out of ``<name>`` or the file that ``<name>_file`` names."""
        value, path = self.text(name), self.text(f"{name}_file")
        if value and path:
            refuse(name, f"and `{name}_file` are both set", "Keep one of them")
        if not path:
            return value
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            cause = error.strerror if isinstance(error, OSError) else "no text"
            refuse(f"{name}_file", f"cannot be read: {cause}", "Check the path")

    def file(self, name: str) -> str | None:
        """The path of a file that is there."""
        path = self.text(name)
        if path and not Path(path).is_file():
            refuse(name, "names no file", "Check the path")
        return path
