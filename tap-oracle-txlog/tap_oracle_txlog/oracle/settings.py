"""The settings of the Oracle source: their JSON schema, and the one value that is made of them.

`PROPERTIES` is the only list of names, defaults and descriptions; `OracleSettings.from_config` is
the only reader of a configuration: what came out of it is complete and free of contradictions.
Passwords are in no ``repr`` and in no message; a DSN that contains one is refused.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_oracle_txlog import properties, source_settings
from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.oracle.identifiers import TableName, identifier
from tap_oracle_txlog.properties import flag, fraction, text, titled, whole
from tap_oracle_txlog.source import TableNames

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from zoneinfo import ZoneInfo


PROGRAM = "tap-oracle-txlog"
"""What a DBA sees in V$SESSION."""

_DSN = (
    "TNS alias, Easy Connect string, connect descriptor, or URL of one of the driver's"
    " configuration providers (config-azure://...); instead of `host`."
)
_THICK = (
    "Use the Oracle Client libraries: for Native Network Encryption, Kerberos, or a database"
    " before 12.1."
)
_OOB = "Set it where connecting hangs, as behind some firewalls and in some containers."

PROPERTIES = titled(
    {
        "user": text("Database user; not needed where a wallet or the client brings the login."),
        "password": text("Password of `user`.", secret=True),
        "password_file": text("File that holds the password, instead of `password`."),
        "dsn": text(_DSN),
        "host": text("Host of the listener; instead of `dsn`."),
        "port": whole("Port of the listener at `host`.", 1521, 1),
        "service_name": text("Service at `host`, for example that of a pluggable database."),
        "sid": text("Instance at `host`, for a database without a service name."),
        "protocol": text("Protocol to `host`; tcps is TLS.", "tcp", enum=["tcp", "tcps"]),
        "config_dir": text("Directory of tnsnames.ora."),
        "wallet_location": text("Directory of ewallet.pem, for mTLS and Autonomous Database."),
        "wallet_password": text("Password of ewallet.pem.", secret=True),
        "wallet_password_file": text("File that holds it, instead of `wallet_password`."),
        "ssl_server_dn_match": flag(
            "With TLS, the certificate must name the server.", default=True
        ),
        "thick_mode": flag(_THICK, default=False),
        "lib_dir": text("Directory of the Oracle Client libraries, with `thick_mode`."),
        "proxy_user": text("User to become, through the grants of `user`."),
        "edition": text("Edition of the session (edition-based redefinition)."),
        "https_proxy": text("Host of an HTTPS proxy to the database; TLS only."),
        "https_proxy_port": whole("Port of that proxy.", 80, 1),
        "connect_timeout": fraction("Seconds that connecting and logging in may take.", 30, 0.01),
        "call_timeout": fraction("Seconds that one round trip may take.", 300, 0.01),
        "expire_time": whole("Minutes between probes of an idle connection; 0 is none.", 2, 0),
        "disable_oob": flag(_OOB, default=False),
        "sdu": whole("Bytes of a network packet, at most.", 65535, 512),
        "array_size": whole(
            "Rows in one round trip, at most; fewer where rows are large.", 5000, 1
        ),
    }
)

_value = partial(properties.value, PROPERTIES)
_number = partial(properties.number, PROPERTIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleSettings:
    """All that the source needs to know; made by `from_config`.

    ``login`` and ``address`` are arguments of ``oracledb.connect``.
    """

    login: Mapping[str, Any] = field(repr=False)
    address: Mapping[str, Any]
    where: str
    thick_mode: bool
    lib_dir: str | None
    connect_timeout: float
    call_timeout: float
    array_size: int
    table: TableName
    names: TableNames
    source_timezone: ZoneInfo | None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> OracleSettings:
        """Read and check a configuration; what is not Oracle's in it is left alone.

        Raises:
            ConfigurationError: A setting is missing, contradicts another, or cannot be used.
        """
        for reason, remedy in _contradictions(config):
            raise ConfigurationError(reason, remedy)
        connect_timeout = _number(config, "connect_timeout")
        return cls(
            login=_login(config),
            address={**_address(config), "tcp_connect_timeout": connect_timeout},
            where=_where(config),
            thick_mode=_value(config, "thick_mode"),
            lib_dir=_value(config, "lib_dir"),
            connect_timeout=connect_timeout,
            call_timeout=_number(config, "call_timeout"),
            array_size=int(_number(config, "array_size")),
            table=TableName.parse(source_settings.value(config, "table")),
            names=table_names(config),
            source_timezone=source_settings.source_zone(config),
        )

    def connect_arguments(self) -> dict[str, Any]:
        """The arguments of ``oracledb.connect``; they hold the passwords."""
        return {**self.address, **self.login, "program": PROGRAM}

    @property
    def user(self) -> str:
        """The user as messages name it."""
        return self.login.get("user") or "the external user"


def table_names(config: Mapping[str, Any]) -> TableNames:
    """The names as the dictionary has them; in upper case where they were typed without quotes.

    Raises:
        ConfigurationError: One of them is no name.
    """
    table = TableName.parse(source_settings.value(config, "table"))

    def column(setting: str) -> str:
        return identifier(source_settings.value(config, setting), setting=setting)

    asked = source_settings.value(config, "columns") or ()
    columns = (identifier(name, setting="columns") for name in asked)
    return TableNames(
        table.name, table.label, column("replication_key"), column("id_column"), tuple(columns)
    )


def _argument(config: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401  # as the driver takes it
    return _number(config, name) if "minimum" in PROPERTIES[name] else _value(config, name)


_EXCLUSIVE = (
    ("service_name", "sid"),
    ("dsn", "host"),
    ("dsn", "service_name"),
    ("dsn", "sid"),
    ("password", "password_file"),
    ("wallet_password", "wallet_password_file"),
)


def _contradictions(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong between the settings of the connection, and the remedy of each."""
    given = {name for name in PROPERTIES if _value(config, name)}
    for one, other in _EXCLUSIVE:
        if {one, other} <= given:
            yield f"both `{one}` and `{other}` are set", "Keep one"
    if not given & {"dsn", "host"}:
        yield "neither `dsn` nor `host` is set", "Set `host` and `service_name`"
    if "host" in given and not given & {"service_name", "sid"}:
        yield "`host` is set without `service_name`", "Set `service_name` (or `sid`)"
    if "dsn" in given and re.match(r"[^(?]*@", config["dsn"]):
        yield "`dsn` contains a login", "Set `user` and `password` instead"
    if "lib_dir" in given and "thick_mode" not in given:
        yield "`lib_dir` is set without `thick_mode`", "Set `thick_mode` to true"
    if given & {"wallet_location", "thick_mode"} or _has_provider(config):
        return  # these can bring user and password with them
    if "user" not in given:
        yield "`user` is not set", "Set `user` and `password`"
    if not given & {"password", "password_file"}:
        yield "no password is set", "Set `password` or `password_file`"


def _has_provider(config: Mapping[str, Any]) -> bool:
    """Whether the driver looks address and login up in a store of configurations."""
    return str(_value(config, "dsn")).startswith("config-")


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


def _address(config: Mapping[str, Any]) -> dict[str, Any]:
    names = _ADDRESS if _value(config, "dsn") else (*_ADDRESS, *_AT_HOST)
    if _value(config, "https_proxy"):
        names = (*names, "https_proxy_port")
    found = {name: _argument(config, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _login(config: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "user": _value(config, "user"),
        "password": _secret(config, "password"),
        "wallet_password": _secret(config, "wallet_password"),
        "proxy_user": _value(config, "proxy_user"),
    }
    login = {name: value for name, value in found.items() if value is not None}
    if "user" not in login and not _has_provider(config):
        login["externalauth"] = True
    return login


def _secret(config: Mapping[str, Any], name: str) -> str | None:
    path = _value(config, f"{name}_file")
    if path is None:
        secret: str | None = _value(config, name)
        return secret
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as cause:
        why = os.strerror(cause.errno or 0) if isinstance(cause, OSError) else "it is no text"
        reason = f"cannot read the {name}_file {path}: {why}"
        raise ConfigurationError(reason, "Check the path, and who may read it") from cause


def _where(config: Mapping[str, Any]) -> str:
    """The database as messages name it; behind a ``?`` there may be a secret."""
    dsn = _value(config, "dsn")
    if dsn is not None:
        return re.sub(r"\s+", "", str(dsn).partition("?")[0])[:120]
    service = _value(config, "service_name") or _value(config, "sid")
    return f"{config['host']}:{_value(config, 'port')}/{service}"
