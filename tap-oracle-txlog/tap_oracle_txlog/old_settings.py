"""Settings of the last release, which still work in this one.

For the next, delete this module, every field that is marked as ``old``, and what reads them.

An ``old`` setting is translated by one of the classes in ``TRANSLATED``, or still read by the
struct that has it. Schemas, tables and ``--about`` show none of them.
"""

from __future__ import annotations

import logging
import os
import re
from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from typing_extensions import override

from tap_oracle_txlog.config import Settings, from_environment, old, refuse
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


_ADDRESS: Final = "write it into `dsn`, as in db:1521/SERVICE or tcps://db:2484/SERVICE"
_OPTIONS: Final = ("ssl_server_dn_match", "https_proxy", "https_proxy_port", "expire_time", "sdu")
_BACKOFF: Final = "set `backoff`, the delays themselves, such as 1,2,4,8,16,30"


class OldAddress(OldSettings, frozen=True, kw_only=True):
    """Where the database is, in parts."""

    host: Annotated[str | None, old(_ADDRESS)] = None
    port: Annotated[int, old(_ADDRESS, ge=1)] = 1521
    service_name: Annotated[str | None, old(_ADDRESS)] = None
    sid: Annotated[
        str | None, old("write it into `dsn`, as a descriptor with (CONNECT_DATA=(SID=...))")
    ] = None
    protocol: Annotated[Literal["tcp", "tcps"], old(_ADDRESS)] = "tcp"

    @override
    def instead(self, config: dict[str, Any]) -> dict[str, Any]:
        """As a ``dsn``; a port or protocol without a host was never read."""
        if self.service_name and self.sid:
            refuse("service_name", "and `sid` are both set", "Keep one, and write it into `dsn`")
        for name, value in (("service_name", self.service_name), ("sid", self.sid)):
            if value and not self.host:
                refuse(name, "is set without `host`", "Set `dsn` alone, as in db:1521/SERVICE")
        if not self.host:
            return {}
        if self.sid:
            at = f"(ADDRESS=(PROTOCOL={self.protocol})(HOST={self.host})(PORT={self.port}))"
            return {"dsn": f"(DESCRIPTION={at}(CONNECT_DATA=(SID={self.sid})))"}
        if not self.service_name:
            refuse("host", "is set without `service_name`", "Set `dsn`, as in db:1521/SERVICE")
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "tcps://" if self.protocol == "tcps" else ""
        return {"dsn": f"{scheme}{host}:{self.port}/{self.service_name}{_options(config)}"}


def _options(config: dict[str, Any]) -> str:
    """The old options of an address, out of the config, as the end of an Easy Connect string."""
    found = {name: as_text(config.pop(name)) for name in _OPTIONS if is_set(config, name)}
    if "https_proxy" in found:
        found.setdefault("https_proxy_port", "80")
    return "?" * bool(found) + "&".join(f"{name}={value}" for name, value in found.items())


class OldProxyUser(OldSettings, frozen=True, kw_only=True):
    """The user to become."""

    proxy_user: Annotated[str, old("write it into `user`, as in etl[proxy_user]")] = ""

    @override
    def instead(self, config: dict[str, Any]) -> dict[str, Any]:
        user = str(config.pop("user", None) or "").removesuffix(f"[{self.proxy_user}]")
        if "[" in re.sub(r'"[^"]*"', "", user):
            refuse("proxy_user", "and the one in `user` differ", "Keep `user`")
        return {"user": f"{user}[{self.proxy_user}]"}


class OldBackoff(OldSettings, frozen=True, kw_only=True):
    """The delays between retries, by a formula."""

    initial_backoff: Annotated[float, old(_BACKOFF, ge=0)] = 1
    max_backoff: Annotated[float, old(_BACKOFF, ge=0)] = 30
    backoff_multiplier: Annotated[float, old(_BACKOFF, ge=1)] = 2

    @override
    def instead(self, config: dict[str, Any]) -> dict[str, Any]:
        waits = delays(self.initial_backoff, self.max_backoff, self.backoff_multiplier)
        return {"backoff": ",".join(f"{wait:g}" for wait in waits)}


TRANSLATED: Final[tuple[type[OldSettings], ...]] = (OldAddress, OldProxyUser, OldBackoff)
