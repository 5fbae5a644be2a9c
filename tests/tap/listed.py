"""A source over a list: the third member of the seam, with losses that a test plans."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_oracle_txlog.answers import summed
from tap_oracle_txlog.errors import SourceUnreachableError
from tap_oracle_txlog.row import row_type
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import BEGINNING, Instant, instant
from tap_oracle_txlog.rules.watermark import NoneOpen, OpenTransactions
from tap_oracle_txlog.source import Column, Page, SourceLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_oracle_txlog.rules.digests import Digest
    from tap_oracle_txlog.rules.filter import Filter
    from tap_oracle_txlog.rules.id_ranges import Run
    from tap_oracle_txlog.rules.position import RowId

BEFORE_ALL_IDS = -1
ROW = row_type(["ID"])


def at(second: int) -> Instant:
    """A time of one hour in 2026, to the second."""
    return instant(f"2026-01-01T12:{second // 60:02}:{second % 60:02}.000000000")


LATER = at(3_000)


def lost() -> SourceLostError:
    return SourceLostError(SourceUnreachableError("cannot reach the list (gone)", "Bring it back"))


@dataclass
class Database:
    """What all connections share. ``trouble`` is called before each question, and may raise."""

    now: Instant = LATER
    rows: list[Position] = field(default_factory=list)
    without_key: list[int] = field(default_factory=list)
    transactions: OpenTransactions = field(default_factory=NoneOpen)
    trouble: Callable[[str], None] = lambda _question: None
    asked: list[str] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)
    known: list[Sequence[Run]] = field(default_factory=list)
    fitting: int | None = None
    """Rows that fit into a page of theirs, where they are large."""
    opened: int = 0
    closed: int = 0

    def insert(self, second: int, row_id: int) -> None:
        insort(self.rows, Position(at(second), row_id))

    def ids(self) -> list[int | str | None]:
        return [row.id for row in self.rows]

    def connect(self) -> ListSource:
        self.question("connect")
        self.opened += 1
        return ListSource(self)

    def question(self, name: str) -> None:
        self.asked.append(name)
        self.trouble(name)


def _is_in(row_id: RowId, run: Run) -> bool:
    assert isinstance(row_id, int)
    return run.low <= row_id <= run.high and (row_id - run.low) % run.step == 0


@dataclass
class ListSource:
    database: Database
    key_zone: None = None
    is_remote: bool = True
    is_closed: bool = False

    def columns(self) -> Sequence[Column]:
        return [Column("ID", {"type": "integer"})]

    def clock(self) -> Instant:
        return self._ask("clock").now

    def open_transactions(self) -> OpenTransactions:
        return self._ask("open_transactions").transactions

    def page(
        self,
        after: Position,
        limit: int,
        *,
        until: Instant | None = None,
        known: Sequence[Run] = (),
    ) -> Page:
        self.database.limits.append(limit - 1)
        self.database.known.append(known)
        rows = self._behind(self._ask("late page" if known else "page"), after, until)
        unknown = [row for row in rows if not any(_is_in(row.id, run) for run in known)]
        return self._page(unknown[:limit])

    def keys(
        self, after: Position, limit: int, *, until: Instant | None = None
    ) -> Sequence[Position]:
        return self._behind(self._ask("keys"), after, until)[:limit]

    def digest(self, since: Instant, before: Instant) -> Digest:
        return summed(self.keys, since, before)

    def rows_at(self, positions: Sequence[Position]) -> Page:
        rows = self._ask("rows_at").rows
        return self._page([row for row in rows if row in positions])

    def page_of(
        self, rows: Filter, after: Position, limit: int, *, until: Instant | None = None
    ) -> Page:
        wanted = rows.wanted["ID"]
        found = self._behind(self._ask("page of"), after, until)
        return self._page([row for row in found if row.id in wanted][:limit])

    def access(self, rows: Filter | None = None) -> None:
        """All rows are wanted."""

    def null_keys(self, limit: int) -> int:
        return min(limit, len(self._ask("null_keys").without_key))

    def null_key_page(self, after_id: int | str | None, limit: int) -> Page:
        behind = BEFORE_ALL_IDS if after_id is None else int(after_id)
        ids = [row_id for row_id in self._ask("null_key_page").without_key if row_id > behind]
        return self._page([Position(BEGINNING, row_id) for row_id in ids[:limit]])

    def close(self) -> None:
        self.database.closed += not self.is_closed
        self.is_closed = True

    def _ask(self, name: str) -> Database:
        assert not self.is_closed, "a lost connection was used again"
        self.database.question(name)
        return self.database

    def _behind(self, database: Database, after: Position, until: Instant | None) -> list[Position]:
        behind = Position(after.at, BEFORE_ALL_IDS if after.id is None else after.id)
        return [row for row in database.rows if row > behind and (until is None or row.at < until)]

    def _page(self, positions: list[Position]) -> Page:
        fitting = positions[: self.database.fitting]
        rows = [ROW(position.id) for position in fitting]
        return Page(fitting, rows, is_cut=len(fitting) < len(positions))
