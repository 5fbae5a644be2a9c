"""Settings that have been replaced, and still work in this release.

Schemas, tables and ``--about`` show none of them. ``old_settings`` says which there are.
"""

from __future__ import annotations

import logging
import os
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final

from tap_oracle_txlog.config import Settings, from_environment, refuse
from tap_oracle_txlog.config_schema import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

logger = logging.getLogger(__name__)

MAX_DELAYS: Final = 1000


class OldSettings(Settings, frozen=True, kw_only=True):
    """Settings that have been replaced; each is marked as ``old``."""

    @abstractmethod
    def instead(self, config: dict[str, Any]) -> dict[str, Any]:
        """The settings that replace them.

        Args:
            config: All other settings. The method removes those that it merges into the result.

        Raises:
            ConfigurationError: They contradict each other, or what is set.
        """

    @classmethod
    def translated(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """A config in which settings of today stand in the place of these.

        Raises:
            ConfigurationError: A value does not fit, or the new setting is there and differs.
        """
        names = cls.properties()
        given = [name for name in names if is_set(config, name)]
        rest = {name: value for name, value in config.items() if name not in names}
        new = cls._converted(cls._given(config)).instead(rest) if given else {}
        for name, value in new.items():
            if is_set(rest, name) and as_text(rest[name]) != as_text(value):
                refuse(given[0], f"and `{name}` are both set, and differ", f"Keep `{name}`")
        return {**rest, **new}


def is_set(config: Mapping[str, Any], name: str) -> bool:
    """Whether a setting has a value; null and empty text are none."""
    return config.get(name) not in (None, "")


def schemas(*clients: type[Settings]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The JSON schemas of the settings of today, and what to do instead of each old one."""
    every = {name: schema for client in clients for name, schema in client.properties().items()}
    ours = {name: schema for name, schema in every.items() if "old" not in schema}
    return ours, {name: every[name]["description"] for name in every if name not in ours}


def modern(
    config: Mapping[str, Any],
    instead: Mapping[str, str],
    old_settings: Iterable[type[OldSettings]],
) -> dict[str, Any]:
    """A config as it is written today, and a warning for each old setting in it.

    Args:
        config: All that is set.
        instead: What to do instead of each old setting.
        old_settings: The classes that know what replaces them.

    Raises:
        ConfigurationError: As with ``OldSettings.translated``.
    """
    for name, what in instead.items():
        if is_set(config, name):
            text = "setting `%s` is deprecated and will be removed in the next release: %s"
            logger.warning(text, name, what)
    found = dict(config)
    for settings in old_settings:
        found = settings.translated(found)
    return found


def inherited(names: Iterable[str], prefix: str) -> dict[str, str]:
    """Old settings from the environment, under Meltano: it passes the environment on, but writes
    only the settings that it knows into the config.
    """
    return from_environment(names, prefix) if "MELTANO_PROJECT_ROOT" in os.environ else {}


def delays(initial: float, longest: float, factor: float) -> list[float]:
    """The ``backoff`` that says the same as the three old settings."""
    found = list[float]()
    while 0 < initial < longest and factor > 1 and len(found) < MAX_DELAYS:
        found.append(initial)
        initial *= factor
    return [*found, min(initial, longest)]
