"""The settings of the Oracle source.

An `OracleSettings` that exists is complete and free of contradictions, and holds the passwords
themselves, never the names of files. A DSN that contains a password is refused.
"""

from __future__ import annotations

import re
from functools import cached_property, partial
from typing import TYPE_CHECKING, Annotated, Any, Self

from typing_extensions import override

from tap_oracle_txlog.config import from_file, old, secret, setting
from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.oracle.identifiers import TableName, identifier
from tap_oracle_txlog.rules.filter import Filter
from tap_oracle_txlog.source import TableNames
from tap_oracle_txlog.source_settings import SourceSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROGRAM = "tap-oracle-txlog"
"""What a DBA sees in V$SESSION."""

_LOGIN = ("user", "password", "wallet_password")
_ADDRESS = ("dsn", "config_dir", "wallet_location")
_OLD_OPTIONS = (
    "ssl_server_dn_match",
    "https_proxy",
    "https_proxy_port",
    "edition",
    "expire_time",
    "disable_oob",
    "sdu",
)
_OPTIONS = {"expire_time": 2, "sdu": 65535}  # minutes between probes; bytes in a network packet
_FLAGS = {"true": ("true", "on", "yes"), "false": ("false", "off", "no")}
_IN_DSN = "write it into `dsn`, as in db:1521/SERVICE?{}=..., or into the descriptor"
_PYO = "write it into `dsn`, as in db:1521/SERVICE?pyo.{}=..."


class OracleSettings(SourceSettings, frozen=True, kw_only=True, dict=True):
    """All that the source needs to know; durations in seconds."""

    user: Annotated[
        str | None,
        setting(
            "Database user; not needed where a wallet or the client provides the login. "
            "etl[app] logs in as etl and becomes app (proxy authentication)."
        ),
    ] = None
    password: Annotated[str | None, secret("Password of `user`.")] = None
    password_file: Annotated[
        str | None, setting("File that holds the password, instead of `password`.")
    ] = None
    dsn: Annotated[
        str | None,
        setting(
            "Where the database is: an Easy Connect string, which may hold options "
            "(tcps://db:2484/SERVICE?expire_time=5&https_proxy=proxy&https_proxy_port=3128), a TNS "
            "alias, a connect descriptor (as a SID needs), or a file or store from which the "
            "driver takes address and login (config-file:///etc/oracle.json)."
        ),
    ] = None
    config_dir: Annotated[str | None, setting("Directory of tnsnames.ora.")] = None
    wallet_location: Annotated[
        str | None, setting("Directory of ewallet.pem, for mTLS and Autonomous Database.")
    ] = None
    wallet_password: Annotated[str | None, secret("Password of ewallet.pem.")] = None
    wallet_password_file: Annotated[
        str | None, setting("File that holds it, instead of `wallet_password`.")
    ] = None
    thick_mode: Annotated[
        bool,
        setting(
            "Use the Oracle Client libraries: for Native Network Encryption, Kerberos, or a "
            "database before 12.1."
        ),
    ] = False
    lib_dir: Annotated[
        str | None, setting("Directory of the Oracle Client libraries, with `thick_mode`.")
    ] = None
    connect_timeout: Annotated[
        float, setting("Seconds that connecting and logging in may take.", ge=0.01)
    ] = 30
    call_timeout: Annotated[float, setting("Seconds that one round trip may take.", ge=0.01)] = 300
    ssl_server_dn_match: Annotated[bool | None, old(_IN_DSN.format("ssl_server_dn_match"))] = None
    https_proxy: Annotated[str | None, old(_IN_DSN.format("https_proxy"))] = None
    https_proxy_port: Annotated[int | None, old(_IN_DSN.format("https_proxy_port"))] = None
    edition: Annotated[str | None, old(_PYO.format("edition"))] = None
    expire_time: Annotated[int | None, old(_IN_DSN.format("expire_time"))] = None
    disable_oob: Annotated[bool | None, old(_PYO.format("disable_oob"))] = None
    sdu: Annotated[int | None, old(_IN_DSN.format("sdu"))] = None
    array_size: Annotated[
        int, old("remove it; fetches adapt to the size of the rows, within `page_size`", ge=1)
    ] = 5000

    @classmethod
    def unchecked(cls, config: Mapping[str, Any]) -> Self:
        """Read the settings, whether or not they go together.

        Raises:
            ConfigurationError: A value does not fit.
        """
        return cls._converted(cls._given(config))

    @classmethod
    @override
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        given = cls._given(config)
        from_file(given, ("password", "wallet_password"))
        settings = cls._converted(given)
        settings.check()
        return settings

    def check(self) -> None:
        """Raise a ConfigurationError where settings contradict each other, or name nothing."""
        for name, reason, remedy in self._contradictions():
            raise ConfigurationError(reason, remedy, setting=name)
        _ = self.names, self.zone, self.row_filter

    def connect_arguments(self) -> dict[str, Any]:
        """The arguments of ``oracledb.connect``, which hold the passwords. What ``dsn`` says about
        one of them goes first.
        """
        found = {name: getattr(self, name) for name in (*_LOGIN, *_ADDRESS, *_OLD_OPTIONS)}
        given = {name: value for name, value in found.items() if value is not None}
        if self.https_proxy:
            given.setdefault("https_proxy_port", 80)
        if not (self._logs_in or self._has_provider):
            given["externalauth"] = True
        return {
            **_OPTIONS,
            **given,
            "tcp_connect_timeout": self.connect_timeout,
            "program": PROGRAM,
        }

    @property
    def where(self) -> str:
        """The database as messages name it; behind a ``?`` there may be a secret."""
        return re.sub(r"\s+", "", (self.dsn or "").partition("?")[0])[:120]

    @property
    def user_label(self) -> str:
        """The user as messages name it."""
        return (self.user or "").partition("[")[0] or "the external user"

    @cached_property
    def table_name(self) -> TableName:
        """The table, taken apart."""
        return TableName.parse(self.table)

    @property
    @override
    def names(self) -> TableNames:
        """The names as the dictionary has them; in upper case where they were typed without quotes.

        Raises:
            ConfigurationError: One of them is no name.
        """
        return TableNames(
            self.table_name.name,
            self.table_name.label,
            identifier(self.replication_key, setting="replication_key"),
            identifier(self.id_column, setting="id_column"),
            tuple(identifier(name, setting="columns") for name in self.columns or ()),
        )

    @cached_property
    @override
    def row_filter(self) -> Filter:
        """Which rows are read, by names as the dictionary has them.

        Raises:
            ConfigurationError: The filter is not one, or one of its columns is no name.
        """
        return Filter.of(self.filter, partial(identifier, setting="filter"))

    @property
    def _logs_in(self) -> bool:
        """Whether there is a user to log in as; `[app]` only says whom to become."""
        return self.user is not None and not self.user.startswith("[")

    @property
    def _has_provider(self) -> bool:
        """Whether the driver looks address and login up in a store of configurations."""
        return str(self.dsn).startswith("config-")

    def _contradictions(self) -> Iterator[tuple[str, str, str]]:
        """Which setting of the connection is missing or does not fit, why, and the remedy."""
        if not self.dsn:
            yield "dsn", "`dsn` is not set", "Set `dsn`, as in db:1521/SERVICE"
        for name in self._old_options_that_differ():
            yield name, f"`{name}` and `dsn` are both set, and differ", "Keep `dsn`"
        if self.dsn and "@" in self.dsn and not re.match(r"\s*\(|config-", self.dsn):
            yield "dsn", "`dsn` contains a login", "Set `user` and `password` instead"
        if self.lib_dir and not self.thick_mode:
            yield "lib_dir", "`lib_dir` is set without `thick_mode`", "Set `thick_mode` to true"
        if self.wallet_location or self.thick_mode or self._has_provider:
            return  # these can bring user and password with them
        if not self._logs_in:
            yield "user", "`user` is not set", "Set `user` and `password`"
        if not self.password:
            yield "password", "no password is set", "Set `password` or `password_file`"

    def _old_options_that_differ(self) -> Iterator[str]:
        """The old settings of which ``dsn`` says something else."""
        for name in _OLD_OPTIONS:
            value = getattr(self, name)
            said = re.search(rf"\b{name}\s*=\s*([^&)\s]+)", self.dsn or "", re.IGNORECASE)
            text = str(value).lower()
            if value is not None and said and said[1].lower() not in _FLAGS.get(text, (text,)):
                yield name
