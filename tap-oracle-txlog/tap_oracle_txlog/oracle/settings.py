"""The settings of the Oracle source.

An `OracleSettings` that exists is complete and free of contradictions, and holds the passwords
themselves, never the names of files. A DSN that contains a password is refused.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from typing_extensions import override

from tap_oracle_txlog.config import from_file, secret, setting
from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.oracle.identifiers import TableName, identifier
from tap_oracle_txlog.source import TableNames
from tap_oracle_txlog.source_settings import SourceSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROGRAM = "tap-oracle-txlog"
"""What a DBA sees in V$SESSION."""

_ADDRESS = (
    "dsn",
    "config_dir",
    "wallet_location",
    "ssl_server_dn_match",
    "edition",
    "https_proxy",
    "expire_time",
    "disable_oob",
    "sdu",
)
_AT_HOST = ("host", "port", "service_name", "sid", "protocol")
_EXCLUSIVE = (("service_name", "sid"), ("dsn", "host"), ("dsn", "service_name"), ("dsn", "sid"))


class OracleSettings(SourceSettings, frozen=True, kw_only=True, dict=True):
    """All that the source needs to know; durations in seconds."""

    user: Annotated[
        str | None,
        setting("Database user; not needed where a wallet or the client provides the login."),
    ] = None
    password: Annotated[str | None, secret("Password of `user`.")] = None
    password_file: Annotated[
        str | None, setting("File that holds the password, instead of `password`.")
    ] = None
    dsn: Annotated[
        str | None,
        setting(
            "TNS alias, Easy Connect string, connect descriptor, or URL of one of the driver's "
            "configuration providers (config-azure://...); instead of `host`."
        ),
    ] = None
    host: Annotated[str | None, setting("Host of the listener; instead of `dsn`.")] = None
    port: Annotated[int, setting("Port of the listener at `host`.", ge=1)] = 1521
    service_name: Annotated[
        str | None, setting("Service at `host`, for example that of a pluggable database.")
    ] = None
    sid: Annotated[
        str | None, setting("Instance at `host`, for a database without a service name.")
    ] = None
    protocol: Annotated[Literal["tcp", "tcps"], setting("Protocol to `host`; tcps is TLS.")] = "tcp"
    config_dir: Annotated[str | None, setting("Directory of tnsnames.ora.")] = None
    wallet_location: Annotated[
        str | None, setting("Directory of ewallet.pem, for mTLS and Autonomous Database.")
    ] = None
    wallet_password: Annotated[str | None, secret("Password of ewallet.pem.")] = None
    wallet_password_file: Annotated[
        str | None, setting("File that holds it, instead of `wallet_password`.")
    ] = None
    ssl_server_dn_match: Annotated[
        bool, setting("With TLS, the certificate must name the server.")
    ] = True
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
    proxy_user: Annotated[str | None, setting("User to become, through the grants of `user`.")] = (
        None
    )
    edition: Annotated[
        str | None, setting("Edition of the session (edition-based redefinition).")
    ] = None
    https_proxy: Annotated[
        str | None, setting("Host of an HTTPS proxy to the database; TLS only.")
    ] = None
    https_proxy_port: Annotated[int, setting("Port of that proxy.", ge=1)] = 80
    connect_timeout: Annotated[
        float, setting("Seconds that connecting and logging in may take.", ge=0.01)
    ] = 30
    call_timeout: Annotated[float, setting("Seconds that one round trip may take.", ge=0.01)] = 300
    expire_time: Annotated[
        int, setting("Minutes between probes of an idle connection; 0 means none.", ge=0)
    ] = 2
    disable_oob: Annotated[
        bool,
        setting("Set this if connecting hangs, as behind some firewalls and in some containers."),
    ] = False
    sdu: Annotated[int, setting("Maximum bytes per network packet.", ge=512)] = 65535
    array_size: Annotated[
        int, setting("Maximum rows per round trip; fewer if rows are large.", ge=1)
    ] = 5000

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
        for reason, remedy in self._contradictions():
            raise ConfigurationError(reason, remedy)
        _ = self.names, self.zone

    def connect_arguments(self) -> dict[str, Any]:
        """The arguments of ``oracledb.connect``; they hold the passwords."""
        return {**self.address, **self._login(), "program": PROGRAM}

    @property
    def address(self) -> dict[str, Any]:
        """Those of them that say where the database is."""
        names = _ADDRESS if self.dsn else (*_ADDRESS, *_AT_HOST)
        if self.https_proxy:
            names = (*names, "https_proxy_port")
        found = {name: getattr(self, name) for name in names}
        found["tcp_connect_timeout"] = self.connect_timeout
        return {name: value for name, value in found.items() if value is not None}

    @property
    def where(self) -> str:
        """The database as messages name it; behind a ``?`` there may be a secret."""
        if self.dsn is not None:
            return re.sub(r"\s+", "", self.dsn.partition("?")[0])[:120]
        return f"{self.host}:{self.port}/{self.service_name or self.sid}"

    @property
    def user_label(self) -> str:
        """The user as messages name it."""
        return self.user or "the external user"

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

    def _login(self) -> dict[str, Any]:
        found = {
            "user": self.user,
            "password": self.password,
            "wallet_password": self.wallet_password,
            "proxy_user": self.proxy_user,
        }
        login: dict[str, Any] = {name: value for name, value in found.items() if value is not None}
        if "user" not in login and not self._has_provider:
            login["externalauth"] = True
        return login

    @property
    def _has_provider(self) -> bool:
        """Whether the driver looks address and login up in a store of configurations."""
        return str(self.dsn).startswith("config-")

    def _contradictions(self) -> Iterator[tuple[str, str]]:
        """What is wrong between the settings of the connection, and the remedy of each."""
        for one, other in _EXCLUSIVE:
            if getattr(self, one) and getattr(self, other):
                yield f"both `{one}` and `{other}` are set", "Keep one"
        if not (self.dsn or self.host):
            yield "neither `dsn` nor `host` is set", "Set `host` and `service_name`"
        if self.host and not (self.service_name or self.sid):
            yield "`host` is set without `service_name`", "Set `service_name` (or `sid`)"
        if self.dsn and re.match(r"[^(?]*@", self.dsn):
            yield "`dsn` contains a login", "Set `user` and `password` instead"
        if self.lib_dir and not self.thick_mode:
            yield "`lib_dir` is set without `thick_mode`", "Set `thick_mode` to true"
        if self.wallet_location or self.thick_mode or self._has_provider:
            return  # these can bring user and password with them
        if not self.user:
            yield "`user` is not set", "Set `user` and `password`"
        if not self.password:
            yield "no password is set", "Set `password` or `password_file`"
