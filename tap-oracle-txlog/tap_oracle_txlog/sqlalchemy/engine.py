"""The engine behind ``sqlalchemy_url``: a URL that is meant, and a password that stays secret.

PyMySQL would send the password to any server that asks for it. Other drivers are left as they are.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from tap_oracle_txlog import mariadb
from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.sqlalchemy.types import exact_json

_AUTHORITY: Final = frozenset({"ssl_ca", "ssl_capath"})
_OF_THE_CLIENT: Final = frozenset({"ssl_cert", "ssl_key", "ssl_cipher"})


def engine_for(text: str) -> sa.Engine:
    """An engine that is not connected yet.

    Raises:
        ConfigurationError: A part of the password would count as host or database.
        ArgumentError, ImportError, TypeError, ValueError: As SQLAlchemy and the driver have it.
    """
    url = _parsed(text)
    is_pymysql = url.get_dialect().driver == "pymysql"
    engine = sa.create_engine(
        url, connect_args=_login(url) if is_pymysql else {}, **exact_json(url)
    )
    if is_pymysql:
        sa.event.listen(engine, "do_connect", mariadb.connect)
    return engine


def grant_for(text: str, table: str) -> str:
    """The least right of the user of a URL, in the database's own words.

    Raises:
        ConfigurationError: The database has no users, or the URL names none.
    """
    url = _parsed(text)
    if url.get_backend_name() in {"mysql", "mariadb"}:
        database, _, name = table.rpartition(".")
        return mariadb.grant("SELECT", url.set(database=database or url.database), name)
    if url.username is None:
        reason = "`sqlalchemy_url` names no user: there is nothing to grant"
        raise ConfigurationError(reason, "Let the user of the tap read the database")
    quote = url.get_dialect()().identifier_preparer.quote_identifier
    place = ".".join(quote(name) for name in table.split("."))
    return f"GRANT SELECT ON {place} TO {quote(url.username)};"


def _parsed(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        _refuse_torn(text, None)
        raise
    _refuse_torn(text, url)
    return url


def _refuse_torn(text: str, url: sa.URL | None) -> None:
    if mariadb.is_torn(text, url):
        reason = "setting `sqlalchemy_url` has a user or password with an @ or / in it"
        raise ConfigurationError(reason, mariadb.ESCAPE, setting="sqlalchemy_url")


def _login(url: sa.URL) -> dict[str, Any]:
    """PyMySQL verifies a server if the URL names an authority and nothing that weakens that."""
    told = {key for key in url.query if key.startswith("ssl")}
    verified = bool(told & _AUTHORITY) and told <= _AUTHORITY | _OF_THE_CLIENT
    return mariadb.login(url.password, verified=verified)
