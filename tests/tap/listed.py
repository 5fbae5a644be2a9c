"""A source over a list: the third member of the seam, with losses that a test plans."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_oracle_txlog.errors import SourceUnreachableError
from tap_oracle_txlog.keyset import Position
from tap_oracle_txlog.row import row_type
from tap_oracle_txlog.source import Column, Page, SourceLostError
from tap_oracle_txlog.timestamps import BEGINNING, Instant, instant
from tap_oracle_txlog.watermark import NoneOpen, OpenTransactions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    null_key_limits: list[int] = field(default_factory=list)
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


@dataclass
class ListSource:
    database: Database
    key_zone: None = None
    is_closed: bool = False

    def columns(self) -> Sequence[Column]:
        return [Column("ID", {"type": "integer"})]

    def clock(self) -> Instant:
        return self._ask("clock").now

    def open_transactions(self) -> OpenTransactions:
        return self._ask("open_transactions").transactions

    def page(self, after: Position, limit: int, *, until: Instant | None = None) -> Page:
        self.database.limits.append(limit)
        behind = Position(after.at, BEFORE_ALL_IDS if after.id is None else after.id)
        rows = [row for row in self._ask("page").rows if row > behind]
        return self._page([row for row in rows if until is None or row.at < until][:limit])

    def null_key_page(self, after_id: int | str | None, limit: int) -> Page:
        self.database.null_key_limits.append(limit)
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

    def _page(self, positions: list[Position]) -> Page:
        return Page(positions, [ROW(position.id) for position in positions])
