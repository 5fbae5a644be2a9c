"""The settings of the ledger: their schema and one frozen value.

A ``LedgerSettings`` that exists is free of contradictions and shows no secret in its repr. Nothing
heavy is imported, because ``--about`` and ``--help`` read the schema.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from target_nats_jetstream.config import FLAG, INTEGER, NUMBER, Config, described, refuse
from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.publisher.properties import PROPERTIES as NATS

if TYPE_CHECKING:
    from collections.abc import Mapping


PROPERTIES: Final[dict[str, dict[str, Any]]] = {
    "program_name": described(
        "string",
        "Program name",
        "PROGRAM_NAME of the pipeline's row in the ledger. Each pipeline needs its own.",
        "M_INTIMECASEAGENT",
    ),
    "mariadb_host": described(
        "string",
        "MariaDB host",
        "Host of the MariaDB or MySQL server that has the ledger. With neither this nor ledger_url "
        "no ledger is kept.",
    ),
    "mariadb_port": described(INTEGER, "MariaDB port", "Port of the MariaDB server.", 3306),
    "mariadb_database": described("string", "MariaDB database", "Database of the ledger's table."),
    "mariadb_user": described(
        "string", "MariaDB user", "User with SELECT, INSERT and UPDATE on the table."
    ),
    "mariadb_password": described(
        "string", "MariaDB password", "Password of the MariaDB user.", secret=True
    ),
    "mariadb_password_file": described(
        "string", "MariaDB password file", "File that holds the password."
    ),
    "mariadb_ssl": described(
        FLAG,
        "MariaDB TLS",
        "Refuse a connection without TLS. Implied by any of the files below.",
        default=False,
    ),
    "mariadb_ssl_ca": described(
        "string", "MariaDB TLS CA", "PEM file of the authorities to trust; else the system's."
    ),
    "mariadb_ssl_cert": described(
        "string", "MariaDB TLS certificate", "PEM file of the client certificate."
    ),
    "mariadb_ssl_key": described(
        "string", "MariaDB TLS key", "PEM file of the client certificate's key."
    ),
    "mariadb_ssl_verify": described(
        FLAG,
        "MariaDB TLS verification",
        "Check the server's certificate and its name. Turn it off for a test only.",
        default=True,
    ),
    "ledger_url": described(
        "string",
        "Ledger URL",
        "In place of the mariadb_ settings: sqlite:///file.db or mysql://user:password@host/database.",
        secret=True,
    ),
    "ledger_table": described(
        "string",
        "Ledger table",
        "Table of the ledger. One that exists is used as it is and never altered.",
        "ETL_PRMREC",
    ),
    "ledger_create_table": described(
        FLAG, "Create ledger table", "Create the table when it is missing.", default=True
    ),
    "ledger_on_error": described(
        "string",
        "Ledger on error",
        "What happens when the ledger's database stays away: fail ends the run before STATE goes "
        "out, warn goes on and catches up when it is back.",
        "fail",
        enum=["fail", "warn"],
    ),
    "ledger_timeout": described(
        NUMBER, "Ledger timeout", "Seconds for a connect or an answer of the database.", 10
    ),
    "max_retries": described(
        INTEGER,
        "Maximum retries",
        "How often the ledger's database is tried again, at the pace of the backoff settings.",
        8,
    ),
}
#: Settings that say which row is written: empty text is a mistake there, and not the default.
NEVER_BLANK: Final = ("program_name", "ledger_table")
#: The ledger waits at the publisher's pace.
PACE: Final = {
    name: NATS[name] for name in ("initial_backoff", "max_backoff", "backoff_multiplier")
}


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
        read = Config(config, {**PROPERTIES, **PACE})
        settings = cls(
            program_name=read.needed("program_name"),
            url=read.text("ledger_url"),
            host=read.text("mariadb_host"),
            port=int(read.number("mariadb_port", 1, 65535)),
            database=read.text("mariadb_database"),
            user=read.text("mariadb_user"),
            password=read.secret("mariadb_password"),
            tls=_tls(read),
            table=_table(read),
            create_table=read.flag("ledger_create_table"),
            warn_only=read.choice("ledger_on_error") == "warn",
            timeout=read.number("ledger_timeout", 0.1),
            waits=_waits(read),
        )
        if settings.url and settings.host:
            reason = "settings `ledger_url` and `mariadb_host` are both set"
            raise ConfigurationError(reason, "Keep one of them")
        for name in ("mariadb_database", "mariadb_user"):
            if settings.host and not read.text(name):
                refuse(name, "is missing beside `mariadb_host`", f"Set `{name}`")
        return settings


def _table(read: Config) -> str:
    name = "ledger_table"
    table = read.needed(name)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]{0,63}", table):
        refuse(name, "is no plain name", "The database belongs into `mariadb_database`")
    return table


def _tls(read: Config) -> Tls | None:
    ca, cert, key = (read.text(f"mariadb_ssl_{part}") for part in ("ca", "cert", "key"))
    if bool(cert) != bool(key):
        missing = "mariadb_ssl_key" if cert else "mariadb_ssl_cert"
        refuse(missing, "is missing: a client certificate has two files", f"Set `{missing}`")
    if not (read.flag("mariadb_ssl") or ca or cert):
        return None
    return Tls(ca, cert, key, read.flag("mariadb_ssl_verify"))


def _waits(read: Config) -> tuple[float, ...]:
    most, factor = read.number("max_backoff", 0), read.number("backoff_multiplier", 1)
    waits = [min(most, read.number("initial_backoff", 0))]
    for _ in range(int(read.number("max_retries", 0, 10_000))):
        waits.append(min(most, waits[-1] * factor))
    return tuple(waits[:-1])
