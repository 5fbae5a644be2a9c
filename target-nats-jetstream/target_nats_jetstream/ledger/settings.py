"""The settings of the ledger: their schema and one frozen value.

A ``LedgerSettings`` that exists is free of contradictions and shows no secret in its repr. Nothing
heavy is imported, because ``--about`` and ``--help`` read the schema.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from target_nats_jetstream.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping


def _property(
    kind: str | list[str], title: str, description: str, default: object = None, **more: object
) -> dict[str, Any]:
    entry = {"type": kind, "title": title, "description": description, **more}
    return entry if default is None else {**entry, "default": default}


#: Environment variables arrive as text, so numbers and flags may be text as well.
_INTEGER, _NUMBER, _FLAG = ["integer", "string"], ["number", "string"], ["boolean", "string"]

PROPERTIES: Final[dict[str, dict[str, Any]]] = {
    "program_name": _property(
        "string",
        "Program name",
        "PROGRAM_NAME of the pipeline's row in the ledger. Each pipeline needs its own.",
        "M_INTIMECASEAGENT",
    ),
    "mariadb_host": _property(
        "string",
        "MariaDB host",
        "Host of the MariaDB or MySQL server that has the ledger. With neither this nor ledger_url "
        "no ledger is kept.",
    ),
    "mariadb_port": _property(_INTEGER, "MariaDB port", "Port of the MariaDB server.", 3306),
    "mariadb_database": _property("string", "MariaDB database", "Database of the ledger's table."),
    "mariadb_user": _property(
        "string", "MariaDB user", "User with SELECT, INSERT and UPDATE on the table."
    ),
    "mariadb_password": _property(
        "string", "MariaDB password", "Password of the MariaDB user.", secret=True
    ),
    "mariadb_password_file": _property(
        "string", "MariaDB password file", "File that holds the password."
    ),
    "mariadb_ssl": _property(
        _FLAG,
        "MariaDB TLS",
        "Refuse a connection without TLS. Implied by any of the files below.",
        default=False,
    ),
    "mariadb_ssl_ca": _property(
        "string", "MariaDB TLS CA", "PEM file of the authorities to trust; else the system's."
    ),
    "mariadb_ssl_cert": _property(
        "string", "MariaDB TLS certificate", "PEM file of the client certificate."
    ),
    "mariadb_ssl_key": _property(
        "string", "MariaDB TLS key", "PEM file of the client certificate's key."
    ),
    "mariadb_ssl_verify": _property(
        _FLAG,
        "MariaDB TLS verification",
        "Check the server's certificate and its name. Turn it off for a test only.",
        default=True,
    ),
    "ledger_url": _property(
        "string",
        "Ledger URL",
        "In place of the mariadb_ settings: sqlite:///file.db or mysql://user:password@host/database.",
        secret=True,
    ),
    "ledger_table": _property(
        "string",
        "Ledger table",
        "Table of the ledger. One that exists is used as it is and never altered.",
        "ETL_PRMREC",
    ),
    "ledger_create_table": _property(
        _FLAG, "Create ledger table", "Create the table when it is missing.", default=True
    ),
    "ledger_on_error": _property(
        "string",
        "Ledger on error",
        "What happens when the ledger's database stays away: fail ends the run before STATE goes "
        "out, warn goes on and catches up when it is back.",
        "fail",
        enum=["fail", "warn"],
    ),
    "ledger_timeout": _property(
        _NUMBER, "Ledger timeout", "Seconds for a connect or an answer of the database.", 10
    ),
    "max_retries": _property(
        _INTEGER,
        "Maximum retries",
        "How often the ledger's database is tried again, at the pace of the backoff settings.",
        8,
    ),
}
#: Read here as well, but described by the publisher: both wait at the same pace.
PACE: Final = {"initial_backoff": 0.1, "max_backoff": 2.0, "backoff_multiplier": 2.0}


class Tls(NamedTuple):
    """How the connection is encrypted; where it is given, it is demanded."""

    ca: str | None
    cert: str | None
    key: str | None
    verify: bool


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """Where the ledger is and how it is treated.

    Args:
        url: The ledger's whole address, which then has no ``host``.
        warn_only: Whether publishing goes on while the ledger is away.
        timeout: Seconds for one connect and for one answer.
        waits: Seconds before each retry.
    """

    program_name: str
    url: str | None = field(repr=False)
    host: str | None
    port: int
    database: str | None
    user: str | None
    password: str | None = field(repr=False)
    tls: Tls | None
    table: str
    create_table: bool
    warn_only: bool
    timeout: float
    waits: tuple[float, ...]

    @property
    def enabled(self) -> bool:
        """Whether a ledger is kept at all."""
        return bool(self.url or self.host)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LedgerSettings:
        """Read the settings of the ledger out of a whole config; what is absent has its default.

        Raises:
            ConfigurationError: A value is not usable or missing, or two contradict each other.
        """
        read = _Reader(config)
        settings = cls(
            program_name=read.needed("program_name"),
            url=read.text("ledger_url"),
            host=read.text("mariadb_host"),
            port=int(read.number("mariadb_port", 1, 65535)),
            database=read.text("mariadb_database"),
            user=read.text("mariadb_user"),
            password=read.password(),
            tls=read.tls(),
            table=read.table(),
            create_table=read.flag("ledger_create_table"),
            warn_only=read.choice("ledger_on_error") == "warn",
            timeout=read.number("ledger_timeout", 0.1),
            waits=read.waits(),
        )
        if settings.url and settings.host:
            reason = "settings `ledger_url` and `mariadb_host` are both set"
            raise ConfigurationError(reason, "Keep one of them")
        for name in ("mariadb_database", "mariadb_user"):
            if settings.host and not read.text(name):
                raise _wrong(name, "is missing beside `mariadb_host`", f"Set `{name}`")
        return settings


class _Reader:
    """Takes single settings out of a config; every complaint names the setting, never the value."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config

    def _value(self, name: str) -> Any:  # noqa: ANN401 - whatever the config holds
        value = self._config.get(name)
        if value is not None and value != "":
            return value
        return PACE[name] if name in PACE else PROPERTIES[name].get("default")

    def text(self, name: str) -> str | None:
        value = self._value(name)
        return None if value is None else str(value)

    def needed(self, name: str) -> str:
        return str(self._value(name))

    def choice(self, name: str) -> str:
        value, allowed = self.needed(name), PROPERTIES[name]["enum"]
        if value not in allowed:
            raise _wrong(name, "is not one of its values", f"Choose {' | '.join(allowed)}")
        return value

    def flag(self, name: str) -> bool:
        value = self.needed(name).lower()
        if value not in {"true", "false", "1", "0"}:
            raise _wrong(name, "is neither true nor false", "Set true or false")
        return value in {"true", "1"}

    def number(self, name: str, least: float, most: float = math.inf) -> float:
        try:
            value = float(self._value(name))
        except (TypeError, ValueError):
            raise _wrong(name, "is no number", "Set a number") from None
        whole = name in PROPERTIES and PROPERTIES[name]["type"] is _INTEGER
        if not least <= value <= most or math.isinf(value) or (whole and not value.is_integer()):
            kind = "a whole number" if whole else "a number"
            raise _wrong(name, "is out of range", f"Set {kind} from {least:g}")
        return value

    def table(self) -> str:
        name = "ledger_table"
        table = self.needed(name)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]{0,63}", table):
            raise _wrong(name, "is no plain name", "The database belongs into `mariadb_database`")
        return table

    def password(self) -> str | None:
        name = "mariadb_password"
        password, path = self.text(name), self.text(f"{name}_file")
        if password and path:
            raise _wrong(name, f"and `{name}_file` are both set", "Keep one of them")
        if not path:
            return password
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            cause = error.strerror if isinstance(error, OSError) else "no text"
            name = f"{name}_file"
            raise _wrong(name, f"cannot be read: {cause}", "Check the path") from None

    def tls(self) -> Tls | None:
        ca, cert, key = (self.text(f"mariadb_ssl_{part}") for part in ("ca", "cert", "key"))
        if bool(cert) != bool(key):
            missing = "mariadb_ssl_key" if cert else "mariadb_ssl_cert"
            raise _wrong(
                missing, "is missing: a client certificate has two files", f"Set `{missing}`"
            )
        if not (self.flag("mariadb_ssl") or ca or cert):
            return None
        return Tls(ca, cert, key, self.flag("mariadb_ssl_verify"))

    def waits(self) -> tuple[float, ...]:
        most, factor = self.number("max_backoff", 0), self.number("backoff_multiplier", 1)
        waits = [min(most, self.number("initial_backoff", 0))]
        for _ in range(int(self.number("max_retries", 0, 10_000))):
            waits.append(min(most, waits[-1] * factor))
        return tuple(waits[:-1])


def _wrong(name: str, what: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"setting `{name}` {what}", remedy)
