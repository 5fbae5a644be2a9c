"""The engine behind ``sqlalchemy_url``: its URL as it is meant, its password for it alone.

PyMySQL would give the password to any server that asks for it. Another driver does as it does.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tap_oracle_txlog import mariadb
from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.sqlalchemy.types import exact_json


def engine_for(text: str) -> sa.Engine:
    """An engine that is not connected yet.

    Raises:
        ConfigurationError: A part of the password would count as host or database.
        ArgumentError, ImportError, TypeError, ValueError: As SQLAlchemy and the driver have it.
    """
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        _refuse_torn(text, None)
        raise
    _refuse_torn(text, url)
    is_pymysql = url.get_dialect().driver == "pymysql"
    engine = sa.create_engine(
        url, connect_args=_login(url) if is_pymysql else {}, **exact_json(url)
    )
    if is_pymysql:
        sa.event.listen(engine, "do_connect", mariadb.connect)
    return engine


def _refuse_torn(text: str, url: sa.URL | None) -> None:
    if mariadb.is_torn(text, url):
        reason = "setting `sqlalchemy_url` has a user or password with an @ or / in it"
        raise ConfigurationError(reason, mariadb.ESCAPE)


def _login(url: sa.URL) -> dict[str, Any]:
    """PyMySQL verifies where it is told an authority, and not told to leave the name out."""
    has_authority = bool({"ssl_ca", "ssl_capath"} & url.query.keys())
    verified = has_authority and "ssl_check_hostname" not in url.query
    return mariadb.login(url.password, verified=verified)
