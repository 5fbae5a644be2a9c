"""The seam between the stream and a database.

A source reads; it neither retries, nor keeps a bookmark, nor knows Singer. Two members exist:
Oracle through python-oracledb (``oracle/``) and any SQLAlchemy URL (``sqlalchemy/``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.diagnosis import Finding
    from tap_oracle_txlog.errors import TapError
    from tap_oracle_txlog.row import Row
    from tap_oracle_txlog.rules.digests import Digest
    from tap_oracle_txlog.rules.filter import Filter
    from tap_oracle_txlog.rules.id_ranges import Run
    from tap_oracle_txlog.rules.position import Position
    from tap_oracle_txlog.rules.shares import Partition
    from tap_oracle_txlog.rules.timestamps import Instant
    from tap_oracle_txlog.rules.watermark import OpenTransactions


class SourceLostError(Exception):
    """The connection is gone, or could not be had; a new source may succeed.

    Args:
        error: What to tell the operator when it does not.
    """

    def __init__(self, error: TapError) -> None:
        super().__init__(str(error))
        self.error = error


class PageTooLargeError(Exception):
    """The database could not serve the page in time; a smaller one may succeed."""

    def __init__(self, error: TapError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the stream needs it: its name and the JSON schema of its values."""

    name: str
    json_schema: Mapping[str, object]


_TEXT: Mapping[str, object] = {"type": ["string", "null"]}
_TIME: Mapping[str, object] = {"type": ["string", "null"], "format": "date-time"}

#: The default table as V7 knows it, for a catalog that is asked for without a database.
TXLOG_COLUMNS = (
    Column("ID", {"type": "integer"}),
    Column("CASE_ID", _TEXT),
    Column("EVENT_TYPE", _TEXT),
    Column("EVENT_DATA", _TEXT),
    Column("EVENT_TIMESTAMP", _TIME),
    Column("CREATED_AT", _TIME),
)


@dataclass(frozen=True, slots=True)
class TableNames:
    """What records, messages and state call a table and its columns.

    Args:
        stream: The table without its schema.
        table: With it.
        columns: Those that are asked for; empty for all.
    """

    stream: str
    table: str
    replication_key: str
    id_column: str
    columns: tuple[str, ...] = ()

    @property
    def columns_are_known(self) -> bool:
        """Whether ``TXLOG_COLUMNS`` tells the columns, where no database can be asked."""
        known = {column.name for column in TXLOG_COLUMNS}
        return (
            self.stream == "TXLOG_EVENTS"
            and not self.columns
            and {self.replication_key, self.id_column} <= known
        )


class Page(NamedTuple):
    """Rows in source order and beside each its position.

    The rules look at positions only, the stream at rows only. ``is_cut`` tells that there are fewer
    than were asked for because they are large, not because there are no more.
    """

    positions: Sequence[Position]
    rows: Sequence[Row]
    is_cut: bool = False


class Source(Protocol):
    """A table, or what a filter leaves of it, that can be read page by page in the order of
    (replication key, id).

    All methods raise an error of ``errors.py`` when the source refuses, ``SourceLostError`` when
    the connection is gone and a new one may succeed, ``PageTooLargeError`` when a smaller page may.
    """

    @property
    def is_remote(self) -> bool:
        """Whether reading waits for a network; then the next page is read while one is written."""
        ...

    @property
    def key_zone(self) -> ZoneInfo | None:
        """The zone in whose wall-clock time the replication key is stored; None for UTC."""
        ...

    def columns(self) -> Sequence[Column]:
        """The selected columns in table order."""
        ...

    def clock(self) -> Instant:
        """The database's time in UTC, never the host's."""
        ...

    def open_transactions(self) -> OpenTransactions:
        """Since when the oldest open transaction is running (UTC), as far as the source can
        tell, and by which clock that is reckoned: see ``watermark.Oldest``.
        """
        ...

    def page(
        self,
        after: Position,
        limit: int,
        *,
        until: Instant | None = None,
        known: Sequence[Run] = (),
    ) -> Page:
        """Up to ``limit`` rows behind ``after`` whose key is before ``until`` (open end) and whose
        id is in none of ``known``; there are ``MAX_RUNS`` of those at most.

        It ends earlier where the rows are large: a page is bounded in bytes as well.
        """
        ...

    def keys(
        self, after: Position, limit: int, *, until: Instant | None = None
    ) -> Sequence[Position]:
        """As ``page``, but the positions alone; the database need not look at the rows."""
        ...

    def rows_at(self, positions: Sequence[Position]) -> Page:
        """The rows that stand at these positions, ``MAX_ROWS_AT`` at most, in source order."""
        ...

    def page_of(
        self, rows: Filter, after: Position, limit: int, *, until: Instant | None = None
    ) -> Page:
        """As ``page``, of those rows alone that another filter leaves."""
        ...

    def access(self, rows: Filter | None = None) -> Finding | None:
        """Whether an index finds the rows of another filter, or of its own; None where all rows
        are wanted.

        Raises:
            ConfigurationError: A column of it cannot be compared.
        """
        ...

    def digest(self, since: Instant, before: Instant) -> Digest:
        """The digest of the rows whose key is not before ``since``, and before ``before``."""
        ...

    def null_keys(self, limit: int) -> int:
        """How many rows have a replication key that is NULL; counting stops at ``limit``."""
        ...

    def null_key_page(self, after_id: int | str | None, limit: int) -> Page:
        """Up to ``limit`` rows whose replication key is NULL, in the order of their id."""
        ...

    def close(self) -> None:
        """Release the connection; never raises."""
        ...


class Divisible(Source, Protocol):
    """A source that can also say how its rows are spread over time; raises as ``Source``."""

    def shares(self, start: Instant, end: Instant, count: int) -> Sequence[Instant]:
        """The keys at which ``count`` equal shares of the rows from ``start`` on and before ``end``
        begin, in their order, as far as a sample tells. Keys that many rows share come again.
        """
        ...

    def partitions(self) -> Sequence[Partition]:
        """The partitions of a table that is partitioned by the replication key, in its order.

        Raises:
            ConfigurationError: The table is not.
        """
        ...
