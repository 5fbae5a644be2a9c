"""Where the ledger is, and how to reach it."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from tap_oracle_txlog.config import Settings, from_file, refuse, secret, setting


class Tls(NamedTuple):
    """How the connection to the ledger is encrypted; where it is given, it is demanded."""

    ca: str | None
    cert: str | None
    key: str | None
    verify: bool


class LedgerSettings(Settings, frozen=True, kw_only=True):
    """Where the ledger is, for ``state_from_ledger``."""

    never_blank = ("program_name", "ledger_table")

    program_name: Annotated[
        str, setting("The pipeline's row in the ledger, for state_from_ledger.")
    ] = "M_INTIMECASEAGENT"
    ledger_table: Annotated[str, setting("Name of the ledger's table.")] = "ETL_PRMREC"
    ledger_url: Annotated[
        str | None,
        secret(
            "URL of the ledger, in place of the mariadb_ settings: "
            "mysql://user:password@host:3306/database or sqlite:///ledger.db."
        ),
    ] = None
    mariadb_host: Annotated[str | None, setting("Host of the ledger's server.")] = None
    mariadb_port: Annotated[int, setting("Port of the ledger's server.", ge=1, le=65_535)] = 3306
    mariadb_database: Annotated[str | None, setting("Database that has the ledger.")] = None
    mariadb_user: Annotated[str | None, setting("A user who may read the ledger.")] = None
    mariadb_password: Annotated[str | None, secret("Password of that user.")] = None
    mariadb_password_file: Annotated[str | None, setting("File that holds the password.")] = None
    mariadb_ssl: Annotated[
        bool, setting("Refuse a connection without TLS. Implied by any of the files below.")
    ] = False
    mariadb_ssl_ca: Annotated[
        str | None, setting("PEM file of the authorities to trust; the system's if not set.")
    ] = None
    mariadb_ssl_cert: Annotated[str | None, setting("PEM file of the client certificate.")] = None
    mariadb_ssl_key: Annotated[str | None, setting("PEM file of the client certificate's key.")] = (
        None
    )
    mariadb_ssl_verify: Annotated[
        bool,
        setting("Check the server's certificate and its name. Turn this off for tests only."),
    ] = True

    @property
    def tls(self) -> Tls | None:
        """How the connection is encrypted; None where nothing asks for it."""
        if not (self.mariadb_ssl or self.mariadb_ssl_ca or self.mariadb_ssl_cert):
            return None
        files = self.mariadb_ssl_ca, self.mariadb_ssl_cert, self.mariadb_ssl_key
        return Tls(*files, verify=self.mariadb_ssl_verify)

    def __post_init__(self) -> None:
        """Refuse a client certificate without its key, and a key without its certificate."""
        if bool(self.mariadb_ssl_cert) != bool(self.mariadb_ssl_key):
            missing = "mariadb_ssl_key" if self.mariadb_ssl_cert else "mariadb_ssl_cert"
            refuse(missing, "is missing: a client certificate needs its key", f"Set `{missing}`")

    def with_password(self) -> LedgerSettings:
        """These, with the password itself where a file holds it.

        Raises:
            ConfigurationError: The file cannot be read.
        """
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        from_file(given, ["mariadb_password"])
        return self._converted(given)
