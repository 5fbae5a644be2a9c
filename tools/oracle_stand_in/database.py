"""What the stand-in holds: tables in memory, and transactions that commit when the test says so.

Rows become visible in commit order, and a query sees what was committed when it was executed. Rows
can also be made on demand, so that a million of them cost no memory. Knows neither SQL nor the
wire. Times are text as in ``values.py``: nine digits, which also makes text order their order.
"""

from __future__ import annotations

import heapq
import re
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

from tools.oracle_stand_in.columns import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Row: TypeAlias = "tuple[Any, ...]"
"""Values in column order; of which types, the columns say."""
Position: TypeAlias = "tuple[str, int | str]"

_TIME = re.compile(r"(-?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([+-]\d\d:\d\d)?")


class Table:
    """Columns, keys, and rows as tuples in column order.

    Args:
        name: Owner and name, ``SPC.TXLOG_EVENTS``.
        columns: As in CREATE TABLE.
        keys: Constraint name to its columns; a name that starts with ``PK`` is the primary key.
        indexes: Index name to its columns.

    ``counted`` is how many rows its statistics know of, ``partitioned_by`` a column, and
    ``partitions`` the bounds of its ranges, as SQL writes them, each with its rows by statistics.
    """

    def __init__(
        self,
        name: str,
        columns: Sequence[str],
        *,
        keys: dict[str, tuple[str, ...]] | None = None,
        indexes: dict[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.owner, self.name = name.split(".")
        self.columns = tuple(map(Column.of, columns))
        self.keys = keys or {}
        self.indexes = indexes or {}
        self.counted: int | None = None
        self.partitioned_by = ""
        self.partitions: list[tuple[str, int | None]] = []
        self._rows: list[Row] = []
        self._generated: tuple[int, Callable[[int], Row]] = (0, lambda _: ())
        self._sorted: dict[tuple[int, int], tuple[int, list[Row]]] = {}

    def place(self, column: str) -> int:
        """Where ``column`` stands in a row; a ValueError tells that there is none."""
        return [each.name for each in self.columns].index(column)

    @property
    def rows(self) -> list[Row]:
        """Those that are committed, in the order of their commit, without generated ones."""
        return self._rows

    def insert(self, *rows: Row) -> None:
        """Commit ``rows`` at once; the form of each value is that of its column."""
        kept = [
            tuple(stored(*pair) for pair in zip(self.columns, row, strict=True)) for row in rows
        ]
        self._rows.extend(kept)  # at once: a query sees all of them or none

    def generate(self, count: int, row: Callable[[int], Row]) -> None:
        """Have ``row(0)`` to ``row(count - 1)`` too, made when read.

        They must ascend by whatever the tap reads in order, and be in stored form: times with nine
        digits, no empty text.
        """
        self._generated = (count, row)

    def scan(self, key: str, id_: str, behind: Callable[[Position], bool]) -> Iterator[Row]:
        """The rows committed by now, by (key, id), from the first whose position is ``behind``."""
        order = self.order(key, id_)
        known = self._in_order(key, id_)
        count, make = self._generated
        first = bisect_left(known, True, key=lambda row: behind(order(row)))
        start = bisect_left(range(count), True, key=lambda at: behind(order(make(at))))
        generated = map(make, range(start, count))
        return heapq.merge(islice(known, first, None), generated, key=order) if known else generated

    def without_key(self, key: str, id_: str) -> list[Row]:
        """The rows committed by now whose ``key`` is NULL, by id."""
        at, place = self.place(id_), self.place(key)
        return sorted((row for row in self._rows if row[place] is None), key=lambda row: row[at])

    def order(self, key: str, id_: str) -> Callable[[Row], Position]:
        """The position of a row: its key in UTC, then its id."""
        at, place = self.place(key), self.place(id_)
        return lambda row: (in_utc(row[at]), row[place])

    def _in_order(self, key: str, id_: str) -> list[Row]:
        """The committed rows that have a key, sorted once per state of the table."""
        places = (self.place(key), self.place(id_))
        cached = self._sorted.get(places)
        if cached is None or cached[0] != len(self._rows):
            keyed = [row for row in self._rows if row[places[0]] is not None]
            ordered = sorted(keyed, key=self.order(key, id_))
            cached = self._sorted[places] = (len(self._rows), ordered)
        return cached[1]


@dataclass
class Transaction:
    """Rows on their way: visible to nobody before ``commit``, but the watermark query sees it.

    ``started`` is the time on the database's clock, as ``GV$TRANSACTION.START_DATE`` would have it.
    """

    database: Database
    started: str
    sid: int
    user: str
    _rows: list[tuple[Table, Row]] = field(default_factory=list)

    @property
    def xid(self) -> str:
        """It names this transaction alone."""
        return f"{self.sid:016X}"

    def insert(self, table: Table, *rows: Row) -> None:
        self._rows.extend((table, row) for row in rows)

    def commit(self) -> None:
        with self.database.lock:
            self.database.transactions.remove(self)
            for table, row in self._rows:
                table.insert(row)

    def rollback(self) -> None:
        self.database.transactions.remove(self)


class Database:
    """Tables, open transactions, clock and role.

    ``hidden`` holds names of tables and views (``GV$TRANSACTION``, ``SPC.TXLOG_EVENTS``) that the
    user has no right to: they answer ORA-00942. ``host_zone`` is that of the clock on the wall of
    the host, ``own_zone`` that of SYSTIMESTAMP in a PDB which has its own. ``in_doubt`` has times
    by transaction, ``synonyms`` what a name stands for (``APP.LOG`` or ``APP.LOG@LINK``), ``plan``
    the steps of whatever is explained.
    """

    def __init__(self, clock: Callable[[], str] | None = None) -> None:
        self.clock = clock or _host_clock
        self.role = "PRIMARY"
        self.host_zone: tzinfo = UTC
        self.own_zone: tzinfo | None = None
        self.apply_lag = 0
        self.nodes = self.answering = 1
        self.in_doubt: dict[str, str] = {}
        self.synonyms: dict[str, str] = {}
        self.product = "Oracle Database 19c Enterprise Edition"
        self.plan: list[Row] = [("INDEX", "RANGE SCAN", "IX_TXLOG_EVENTS_TS", 100)]
        self.tables: dict[str, Table] = {}
        self.hidden: set[str] = set()
        self.transactions: list[Transaction] = []
        self.lock = Lock()

    def create(self, table: Table) -> Table:
        self.tables[f"{table.owner}.{table.name}"] = table
        return table

    def system_offset(self) -> int:
        """The offset of SYSTIMESTAMP in minutes."""
        at = datetime.fromisoformat(self.clock()[:19] + "+00:00")
        offset = at.astimezone(self.own_zone or self.host_zone).utcoffset()
        return round((offset or timedelta()).total_seconds() / 60)

    def begin(self, *, started: str | None = None, user: str = "APP") -> Transaction:
        """Open a transaction of somebody else."""
        transaction = Transaction(self, started or self.clock(), 100 + len(self.transactions), user)
        self.transactions.append(transaction)
        return transaction


def in_utc(value: object) -> str:
    """The UTC text of a time; only zoned ones carry an offset behind their nine digits."""
    text = str(value)
    if len(text.lstrip("-")) == 29:
        return text
    moment = datetime.fromisoformat(text[:19] + text[29:]).astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}{text[19:29]}"


def stored(column: Column, value: object) -> object:
    """``value`` as the column keeps it: no empty text, blank-padded CHAR, nine digits."""
    if value is None or value == "":
        return None
    if column.type in {"CHAR", "NCHAR"}:
        return str(value).ljust(column.length)
    if column.type == "DATE" or column.type.startswith("TIMESTAMP"):
        return _time(str(value), column.scale or 0)
    return value


def _time(text: str, digits: int) -> str:
    """Nine digits for what is kept; more digits than the column has are a mistake of the test."""
    parts = _TIME.fullmatch(text)
    if parts is None or len((parts[2] or "").rstrip("0")) > digits:
        msg = f"{text} is not a time with up to {digits} digits of the second"
        raise ValueError(msg)
    return f"{parts[1]}.{(parts[2] or '').ljust(9, '0')}{parts[3] or ''}"


def _host_clock() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}000"
