"""What a new connection says of its database and of the table: one question, and few more."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.oracle import dictionary, session
from tap_oracle_txlog.oracle.errors import RightMissingError, not_visible
from tap_oracle_txlog.oracle.host_clock import seconds_of
from tap_oracle_txlog.oracle.identifiers import TableName
from tap_oracle_txlog.oracle.types import OracleColumn
from tap_oracle_txlog.rules.timestamps import Instant, instant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_oracle_txlog.oracle.link import Link, Rows

logger = logging.getLogger(__name__)

SYNONYMS: Final = 8
"""So many names may stand for each other."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The clock in UTC, the offset of the host's clock in seconds, and what else may change."""

    clock: Instant
    host_offset: int
    role: str

    @classmethod
    def of(cls, row: Sequence[str]) -> Moment:
        """From the first columns of `session.NOW`."""
        clock, offset, role, *_ = row
        return cls(instant(clock), seconds_of(offset), role)


@dataclass(frozen=True, slots=True)
class Database:
    """What the database says of itself and of this session."""

    version: str
    driver: str
    role: str
    user: str

    @property
    def grant(self) -> str:
        """What a DBA has to execute so that the user may see the open transactions of all nodes."""
        return f"GRANT SELECT ON SYS.GV_$TRANSACTION TO {self.user}"


@dataclass(frozen=True, slots=True)
class Introduction:
    """``table`` is what the name in the settings means: a synonym was followed."""

    moment: Moment
    database: Database
    table: TableName
    columns: Sequence[OracleColumn]


def introduce(link: Link, table: TableName) -> Introduction:
    """Ask for all of it. A table that is not there has no columns.

    Raises:
        ConfigurationError: The name means a table of another database.
    """
    rows = link.ask(session.introduction(table))
    now = rows[0][: session.NOW_COLUMNS]
    described = [row[session.NOW_COLUMNS :] for row in rows]
    if described[0][0] is None:
        table, described = _behind_synonyms(link, table)
        link.is_of(table)
    columns = [
        OracleColumn(name, kind, precision, scale, length, nullable=nullable == "Y")
        for name, kind, precision, scale, length, nullable in described
    ]
    if any(column.kind == "BLOB" for column in columns):
        forms = _json_forms(link, table)
        columns = [replace(column, json=forms.get(column.name)) for column in columns]
    database = Database(link.version, link.driver, *now[2:])
    return Introduction(Moment.of(now), database, table, columns)


def visible(introduction: Introduction, link: Link) -> Introduction:
    """The introduction of a table that is there.

    Raises:
        RightMissingError: It is not, or it may not be seen.
    """
    if not introduction.columns:
        raise not_visible(link.names)
    return introduction


def _behind_synonyms(link: Link, table: TableName) -> tuple[TableName, Rows]:
    """What the name stands for, and its columns; itself and none where that is nothing."""
    meant = table
    for _ in range(SYNONYMS):
        if not (rows := link.ask(dictionary.synonym(meant))):
            break
        owner, name, remote = rows[0]
        if remote:
            reason = f"{table.label} is a synonym for {name} over the database link {remote}"
            raise ConfigurationError(reason, "Connect to that database, or read a view over it")
        meant = TableName(owner, name)
        if columns := link.ask(dictionary.table_columns(meant)):
            logger.info("%s is a synonym: reading %s", table.label, meant.label)
            return meant, columns
    return meant, []


def _json_forms(link: Link, table: TableName) -> Mapping[str, str]:
    try:
        return dict(link.ask(dictionary.json_columns(table)))
    except RightMissingError:  # before 12.1.0.2 there is no such view, and no such column
        return {}
