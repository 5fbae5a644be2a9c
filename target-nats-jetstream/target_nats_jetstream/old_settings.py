"""Settings of the last release, which still work in this one.

For the next, delete this module, every field that is marked as ``old``, and what reads them.

An ``old`` setting is translated by one of the classes in ``TRANSLATED``, or still read by the
struct that has it. Schemas, tables and ``--about`` show none of them.
"""

from __future__ import annotations

import logging
import os
from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, Final

from typing_extensions import override

from target_nats_jetstream.config import Settings, from_environment, old, refuse
from target_nats_jetstream.config_schema import as_text

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


def modern(config: Mapping[str, Any], instead: Mapping[str, str]) -> dict[str, Any]:
    """A config as it is written today, and a warning for each old setting in it.

    Args:
        config: All that is set.
        instead: What to do instead of each old setting.

    Raises:
        ConfigurationError: As with ``OldSettings.translated``.
    """
    for name, what in instead.items():
        if is_set(config, name):
            text = "setting `%s` is deprecated and will be removed in the next release: %s"
            logger.warning(text, name, what)
    found = dict(config)
    for old_settings in TRANSLATED:
        found = old_settings.translated(found)
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


_BACKOFF: Final = "set `backoff`, the delays themselves, such as 0.1,0.2,0.4,0.8,1.6,2"
_CREDS: Final = "set `creds`, which takes a file or its content, with JWT and seed or an NKey seed"


class OldBackoff(OldSettings, frozen=True, kw_only=True):
    """The delays between retries, by a formula."""

    initial_backoff: Annotated[float, old(_BACKOFF, ge=0)] = 0.1
    max_backoff: Annotated[float, old(_BACKOFF, ge=0)] = 2
    backoff_multiplier: Annotated[float, old(_BACKOFF, ge=1)] = 2

    @override
    def instead(self, config: dict[str, Any]) -> dict[str, Any]:
        waits = delays(self.initial_backoff, self.max_backoff, self.backoff_multiplier)
        return {"backoff": ",".join(f"{wait:g}" for wait in waits)}


class OldPrefix(OldSettings, frozen=True, kw_only=True):
    """The prefix of the JetStream API; one without a dot gets one, or it would be a domain."""

    js_prefix: Annotated[str, old("set it as `domain`, with a dot in it or at its end")] = ""

    @override
    def instead(self, config: dict[str, Any]) -> dict[str, Any]:
        return {"domain": self.js_prefix if "." in self.js_prefix else f"{self.js_prefix}."}


class OldCredentials(OldSettings, frozen=True, kw_only=True):
    """Keys, by their kinds and by where they are."""

    creds_file: Annotated[str | None, old(_CREDS)] = None
    nkey_seed: Annotated[str | None, old(_CREDS)] = None
    nkey_seed_file: Annotated[str | None, old(_CREDS)] = None

    @override
    def instead(self, config: dict[str, Any]) -> dict[str, Any]:
        given = {name: value for name in self.properties() if (value := getattr(self, name))}
        (first, value), *others = given.items()
        if others:
            refuse(first, f"and `{others[0][0]}` are both set", "Keep one, and call it `creds`")
        return {"creds": value}


class OldToken(OldSettings, frozen=True, kw_only=True):
    """A token, which is a password without a user."""

    token: Annotated[str | None, old("set it as `password`, without `user`")] = None
    token_file: Annotated[str | None, old("set it as `password_file`, without `user`")] = None

    @override
    def instead(self, config: dict[str, Any]) -> dict[str, Any]:
        name = "token" if self.token else "token_file"
        if self.token and self.token_file:
            refuse("token", "and `token_file` are both set", "Keep one of them")
        if is_set(config, "user"):
            refuse(name, "and `user` are both set", "Keep one way to log in")
        return {name.replace("token", "password"): self.token or self.token_file}


TRANSLATED: Final[tuple[type[OldSettings], ...]] = (
    OldBackoff,
    OldPrefix,
    OldCredentials,
    OldToken,
)
