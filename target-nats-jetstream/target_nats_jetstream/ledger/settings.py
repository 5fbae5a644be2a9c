"""The settings of the ledger.

A ``LedgerSettings`` that exists is free of contradictions. Nothing heavy is imported, because
``--about`` and ``--help`` read the schema.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

from typing_extensions import override

from target_nats_jetstream.config import Settings, from_file, old, refuse, secret, setting
from target_nats_jetstream.publisher.settings import BACKOFF, Delays

if TYPE_CHECKING:
    from collections.abc import Mapping

_TABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,63}")
#: MariaDB's limit, less _RUNS.
_LONGEST_WITH_HISTORY = 64 - 5
_OWN_NAMES = {
    "host": "mariadb_host",
    "port": "mariadb_port",
    "database": "mariadb_database",
    "user": "mariadb_user",
    "password": "mariadb_password",
    "password_file": "mariadb_password_file",
    "ssl": "mariadb_ssl",
    "ssl_ca": "mariadb_ssl_ca",
    "ssl_cert": "mariadb_ssl_cert",
    "ssl_key": "mariadb_ssl_key",
    "ssl_verify": "mariadb_ssl_verify",
    "url": "ledger_url",
    "table": "ledger_table",
    "create_table": "ledger_create_table",
    "on_error": "ledger_on_error",
    "timeout": "ledger_timeout",
}


class Tls(NamedTuple):
    """How the connection is encrypted; where it is given, it is demanded."""

    ca: str | None
    cert: str | None
    key: str | None
    verify: bool


class LedgerSettings(Settings, frozen=True, kw_only=True, rename=_OWN_NAMES):
    """Where the ledger is and how it is treated; durations in seconds."""

    never_blank = ("program_name", "ledger_table")

    program_name: Annotated[
        str,
        setting("PROGRAM_NAME of the pipeline's row in the ledger. Each pipeline needs its own."),
    ] = "M_INTIMECASEAGENT"
    host: Annotated[
        str | None,
        setting(
            "Host of the MariaDB or MySQL server that has the ledger. Without this and ledger_url, "
            "no ledger is kept."
        ),
    ] = None
    port: Annotated[int, setting("Port of the MariaDB server.", ge=1, le=65_535)] = 3306
    database: Annotated[str | None, setting("Database of the ledger's table.")] = None
    user: Annotated[str | None, setting("User with SELECT, INSERT and UPDATE on the table.")] = None
    password: Annotated[str | None, secret("Password of the MariaDB user.")] = None
    password_file: Annotated[str | None, setting("File that holds the password.")] = None
    ssl: Annotated[
        bool, setting("Refuse a connection without TLS. Implied by any of the files below.")
    ] = False
    ssl_ca: Annotated[
        str | None, setting("PEM file of the authorities to trust; the system's if not set.")
    ] = None
    ssl_cert: Annotated[str | None, setting("PEM file of the client certificate.")] = None
    ssl_key: Annotated[str | None, setting("PEM file of the client certificate's key.")] = None
    ssl_verify: Annotated[
        bool,
        setting("Check the server's certificate and its name. Turn this off for tests only."),
    ] = True
    url: Annotated[
        str | None,
        secret(
            "In place of the mariadb_ settings: sqlite:///file.db or "
            "mysql://user:password@host/database."
        ),
    ] = None
    table: Annotated[
        str, setting("Table of the ledger. An existing one is used as it is and never altered.")
    ] = "ETL_PRMREC"
    create_table: Annotated[bool, setting("Create the table if it is missing.")] = True
    run_history: Annotated[
        bool,
        setting(
            "Keep a row for each run in a second table, ETL_PRMREC_RUNS (`ledger_table` with _RUNS "
            "added)."
        ),
    ] = False
    on_error: Annotated[
        Literal["fail", "warn"],
        setting(
            "What to do if the ledger's database stays unavailable: fail ends the run before it "
            "passes on a STATE, warn continues and catches up when it is back."
        ),
    ] = "fail"
    timeout: Annotated[
        float, old("remove it; each answer of the database may take 10 seconds", ge=0.1)
    ] = 10
    max_retries: Annotated[
        int,
        setting(
            "How often to try again to reach the ledger's database, with the delays of `backoff`. "
            "For NATS, `max_outage` says how long.",
            ge=0,
            le=10_000,
        ),
    ] = 8
    backoff: Delays = BACKOFF

    @property
    def enabled(self) -> bool:
        """Whether a ledger is kept at all."""
        return bool(self.url or self.host)

    @property
    def warn_only(self) -> bool:
        """Whether publishing goes on while the ledger is away."""
        return self.on_error == "warn"

    @property
    def waits(self) -> tuple[float, ...]:
        """The seconds before each retry."""
        longest = len(self.backoff) - 1
        return tuple(self.backoff[min(retry, longest)] for retry in range(self.max_retries))

    @property
    def tls(self) -> Tls | None:
        """How the connection is encrypted; None where nothing asks for it."""
        if not (self.ssl or self.ssl_ca or self.ssl_cert):
            return None
        return Tls(self.ssl_ca, self.ssl_cert, self.ssl_key, self.ssl_verify)

    @classmethod
    @override
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        given = cls._given(config)
        from_file(given, ["mariadb_password"])
        return cls._converted(given)

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if not _TABLE_NAME.fullmatch(self.table):
            refuse(
                "ledger_table", "is not a plain name", "Put the database into `mariadb_database`"
            )
        if self.run_history and len(self.table) > _LONGEST_WITH_HISTORY:
            refuse("ledger_table", "is too long for `run_history`", "Choose a shorter name")
        if self.url and self.host:
            refuse("ledger_url", "and `mariadb_host` are both set", "Keep one of them")
        for name, value in (("mariadb_database", self.database), ("mariadb_user", self.user)):
            if self.host and not value:
                refuse(name, "is missing, but `mariadb_host` is set", f"Set `{name}`")
        if bool(self.ssl_cert) != bool(self.ssl_key):
            missing = "mariadb_ssl_key" if self.ssl_cert else "mariadb_ssl_cert"
            refuse(missing, "is missing: a client certificate needs its key", f"Set `{missing}`")
