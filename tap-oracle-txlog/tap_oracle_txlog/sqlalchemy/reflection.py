"""What a database behind a SQLAlchemy URL says of a table, and the errors where it cannot."""

from __future__ import annotations

import difflib
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.sqlalchemy.engine import engine_for
from tap_oracle_txlog.sqlalchemy.errors import cannot_open, error_text, raise_if_lost
from tap_oracle_txlog.sqlalchemy.types import json_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

logger = logging.getLogger(__name__)


def connect(url: str) -> sa.Connection:
    """Open the database; the connection knows its engine.

    Args:
        url: Never shown, it may carry a password.

    Raises:
        ConfigurationError: It is no URL of a database, or its driver is missing.
        AccessDeniedError, SourceUnreachableError: The database cannot be opened.
    """
    with url_explained():
        engine = engine_for(url)
        try:
            return engine.connect()
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise cannot_open(error) from error


@contextmanager
def url_explained() -> Iterator[None]:
    """What SQLAlchemy and drivers raise for a URL that they cannot use is a ConfigurationError."""
    try:
        yield
    except (sa.exc.ArgumentError, ImportError, TypeError, ValueError) as error:
        reason = f"setting `sqlalchemy_url` is not usable: {type(error).__name__}"
        remedy = "Use dialect+driver://… with its driver"  # the cause may hold the password
        raise ConfigurationError(reason, remedy, setting="sqlalchemy_url") from None


def reflect(engine: sa.Engine, name: str) -> sa.Table:
    """The table of this name, with its schema where it has one.

    Raises:
        ConfigurationError: It is not there.
        SourceLostError: The connection is gone.
    """
    schema, _, table = name.rpartition(".")
    try:
        return sa.Table(table, sa.MetaData(), schema=schema or None, autoload_with=engine)
    except sa.exc.SQLAlchemyError as error:
        reason = f"cannot find the table {name} in the database of `sqlalchemy_url`"
        raise_if_lost(error, f"{reason}: {error_text(error)}")
        raise ConfigurationError(reason, "Set table (with its schema, if it has one)") from error


def column(table: sa.Table, name: str, setting: str) -> sa.Column[Any]:
    """The column of this name, which ``setting`` names.

    Raises:
        ConfigurationError: It is not there.
    """
    try:
        return table.columns[name]
    except KeyError as error:
        there = table.columns.keys()
        by_lower = {one.lower(): one for one in there}
        near = difflib.get_close_matches(name.lower(), by_lower, n=1)
        hint = f"Did you mean {by_lower[near[0]]}? " if near else ""
        reason = f"table {table.fullname} has no column {name} (`{setting}`)"
        raise ConfigurationError(reason, f"{hint}It has {', '.join(there):.500}") from error


def readable(columns: Sequence[sa.Column[Any]]) -> list[sa.Column[Any]]:
    """The columns that have a JSON form; each of the others is named in a warning."""
    for one in columns:
        if not json_schema(one.type):
            logger.warning("column %s of type %s is left out", one, one.type)
    return [one for one in columns if json_schema(one.type)]
