"""How PyMySQL connects: to which server, how encrypted, and which passwords it may send.

A server that nobody has verified may be anybody. It gets a proof that the password is known, and
never the password, whichever authentication method it asks for.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final, NoReturn

import sqlalchemy as sa
from pymysql.err import Error, OperationalError
from sqlalchemy.exc import ArgumentError
from typing_extensions import override

from tap_oracle_txlog.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_oracle_txlog.ledger_settings import Tls

#: Numbers of the client's own errors, as MySQL has them.
NOT_UNDERSTOOD: Final = 2027
NOT_TAKEN: Final = 2034
CANNOT_LOAD: Final = 2059
WITHHELD: Final = 2061

_MOST_PORT: Final = 65_535

#: What to do with a URL that ``is_torn``.
ESCAPE: Final = "Write @ as %40 there, / as %2F and : as %3A"

#: What to do where the password is ``WITHHELD`` and the settings say how to encrypt.
VERIFY: Final = (
    "Set `mariadb_ssl: true` (and `mariadb_ssl_ca` if the system does not trust the certificate): "
    "the password is sent only to a verified server"
)

#: Options with which PyMySQL encrypts in another way, or takes a password from a file.
_WEAKENING: Final = ("ssl", "read_default")
_DRIVERS: Final = {"mysql": "mysql+pymysql", "mariadb": "mysql+pymysql", "sqlite": "sqlite"}


class ProofOnly(bytes):
    """A password that PyMySQL can hash and cannot send.

    Each way of sending one begins with a zero byte behind it: in clear, by a dialog, and encrypted
    with a key that the server has named itself. A challenge is answered by hashes.
    """

    @override
    def __add__(self, other: object) -> NoReturn:
        raise OperationalError(WITHHELD, "the server asks for the password itself")


class _TooOld:
    """The login of before MySQL 4.1, whose hash gives the password away; PyMySQL has lost it."""

    def __init__(self, _connection: object) -> None:
        """As PyMySQL makes it."""

    def authenticate(self, _packet: object) -> NoReturn:
        """Refuse."""
        raise OperationalError(CANNOT_LOAD, "the server asks for mysql_old_password")


def login(password: str | None, *, verified: bool) -> dict[str, Any]:
    """The arguments of PyMySQL that have to do with the password; it may be any Unicode text.

    Args:
        password: None for none.
        verified: Whether the connection is refused unless the server's certificate is right.
    """
    kind = bytes if verified else ProofOnly
    return {
        "password": kind((password or "").encode()),
        "passwd": None,  # its other name, which a URL may have behind the ?
        "auth_plugin_map": {"mysql_old_password": _TooOld},
        "local_infile": False,  # no server reads files of this machine, whatever the URL says
    }


def connect(
    dialect: sa.Dialect, _: object, arguments: Sequence[Any], named: Mapping[str, Any]
) -> object:
    """Connect, as SQLAlchemy's event ``do_connect`` asks.

    Raises:
        Error: Also where the driver refuses what it is asked for, and where what answers makes no
            sense to it, so that it falls over.
    """
    connection = _prepared(dialect, arguments, named)
    try:
        connection.connect()
    except Error:
        raise
    except Exception as error:
        raise OperationalError(*_meaning(error)) from error
    return connection


def _prepared(dialect: sa.Dialect, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the driver's
    """A connection that is not open yet: what fails here is not the server's doing."""
    try:
        connection: Any = dialect.connect(*arguments, **{**named, "defer_connect": True})
    except Exception as error:
        what = "the URL has an option that the driver does not take"
        raise OperationalError(NOT_TAKEN, what) from error
    try:
        connection.host.encode("idna")
    except UnicodeError as error:
        raise OperationalError(NOT_TAKEN, "the host has no valid name") from error
    return connection


def _meaning(error: Exception) -> tuple[int, str]:
    """Number and text of an error that the driver has none for."""
    if type(error) is not RuntimeError:  # nor one of its subclasses
        return NOT_UNDERSTOOD, "the answer does not come from MariaDB"
    if "LOAD_LOCAL" in str(error):
        return NOT_UNDERSTOOD, "the server asks for a file of this machine"
    return CANNOT_LOAD, str(error)  # an authentication method needs a library


def tls_context(tls: Tls) -> ssl.SSLContext:
    """How to encrypt.

    Raises:
        ConfigurationError: A file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.cert:
            context.load_cert_chain(tls.cert, tls.key)
    except OSError as error:
        reason = f"cannot use the files of mariadb_ssl_ca, _cert and _key: {error.strerror}"
        raise ConfigurationError(reason, "Check that they are PEM files and can be read") from None
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def parsed(ledger_url: str) -> sa.URL:
    """The URL of a ledger, with the driver that is used.

    Raises:
        ConfigurationError: It is not such a URL, a part of the password would count as host or
            database, or it has an option that weakens the login or that the driver does not take.
    """
    try:
        url = sa.make_url(ledger_url)
    except (ArgumentError, ValueError):
        url = None
    if is_torn(ledger_url, url):
        reason = "setting `ledger_url` has a user or password with an @ or / in it"
        raise ConfigurationError(reason, ESCAPE, setting="ledger_url")
    if url is None or url.get_backend_name() not in _DRIVERS:
        reason = "setting `ledger_url` is not a URL of MariaDB, MySQL or SQLite"
        remedy = "Write mysql://user:password@host:3306/database or sqlite:///file.db"
        raise ConfigurationError(reason, remedy, setting="ledger_url")
    if any(key.startswith(_WEAKENING) for key in url.query):
        reason = "setting `ledger_url` has an option that begins with ssl or read_default"
        remedy = "Set the mariadb_ssl settings and `mariadb_password` instead"
        raise ConfigurationError(reason, remedy, setting="ledger_url")
    if url.port is not None and url.port > _MOST_PORT:  # a password, where the host is forgotten
        reason = "setting `ledger_url` has a port that no server has"
        remedy = "Write it like mysql://user:password@host:3306/database"
        raise ConfigurationError(reason, remedy, setting="ledger_url")
    url = url.set(drivername=_DRIVERS[url.get_backend_name()])
    try:
        url.get_dialect()().create_connect_args(url)
    except (ArgumentError, ValueError, TypeError):
        reason = "setting `ledger_url` has a part or an option that the driver does not take"
        remedy = "Write it like mysql://user:password@host:3306/database or sqlite:///file.db"
        raise ConfigurationError(reason, remedy, setting="ledger_url") from None
    return url


def is_torn(text: str, url: sa.URL | None) -> bool:
    """Whether the last @ of ``text`` is not the one before the host: ``url`` is not what is meant.

    What comes behind such an @ may be a part of a password, which no line may show. The path of a
    file has it as it is.
    """
    if url is not None and url.get_backend_name() == "sqlite":
        return False
    login = text.partition("://")[2].rpartition("@")[0]
    return bool(set("@/") & set(login))


def grant(rights: str, url: sa.URL, table: str) -> str:
    """The statement that gives the user of ``url`` rights on a table, wherever it comes from.

    Raises:
        ConfigurationError: The URL names no user or no database.
    """
    if not url.username or not url.database:
        reason = "user or database of the ledger is not set"
        raise ConfigurationError(reason, "Set `mariadb_user` and `mariadb_database`")
    place = ".".join("`" + name.replace("`", "``") + "`" for name in (url.database, table))
    user = url.username.replace("\\", "\\\\").replace("'", "''")
    return f"GRANT {rights} ON {place} TO '{user}'@'%';"
