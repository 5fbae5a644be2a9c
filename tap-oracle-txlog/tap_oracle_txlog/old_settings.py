"""Settings of the last release, which still work in this one.

For the next, delete this module and ``deprecation``, every field that is marked as ``old``, and
what reads them. An ``old`` setting is translated by one of the classes in ``TRANSLATED``, or still
read by the struct that has it.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated, Any, Final, Literal

from typing_extensions import override

from tap_oracle_txlog import deprecation
from tap_oracle_txlog.config import old, refuse
from tap_oracle_txlog.config_schema import as_text
from tap_oracle_txlog.deprecation import OldSettings, delays, is_set

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

#: A config as it is written today, and a warning for each old setting in it.
modern: Final = partial(deprecation.modern, old_settings=TRANSLATED)
