"""A table in a database that behaves as badly as real ones do, and a check of what left it.

Transactions commit late or not at all, rows tie, share a second, have NULL or future keys or a time
before their transaction began; ids come from caches of two nodes whose clocks differ. Time, stamps
and zones are computed here without the code under test.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tap_oracle_txlog.keyset import Position
from tap_oracle_txlog.timestamps import Instant
from tap_oracle_txlog.watermark import NoneOpen, NotReadable, Oldest, OpenTransactions

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

SECOND = 1_000_000_000
NODE_OFFSETS = (0, -SECOND * 8 // 10)
SEQUENCE_CACHE = 20
BEFORE_ALL_IDS = -1
YEAR_1970 = datetime(1970, 1, 1, tzinfo=UTC)


def wall_clock(utc: int, zone: ZoneInfo | None) -> Instant:
    """Nanoseconds since 1970 as the text that the column holds."""
    seconds, fraction = divmod(utc, SECOND)
    moment = YEAR_1970 + timedelta(seconds=seconds)
    if zone is not None:
        moment = moment.astimezone(zone)
    return Instant(f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:09d}")


@dataclass
class Transaction:
    node: int
    started: int
    oldest_stamp: int
    rows: list[tuple[int, Instant | None]] = field(default_factory=list)


@dataclass
class World:
    now: int
    zone: ZoneInfo | None = None
    readable: bool = True
    open: list[Transaction] = field(default_factory=list)
    visible: list[Position] = field(default_factory=list)
    visible_without_key: list[int] = field(default_factory=list)
    committed: set[int] = field(default_factory=set)
    purged: set[int] = field(default_factory=set)
    _blocks: int = 0
    _sequence: dict[int, tuple[int, int]] = field(default_factory=dict)

    def node_clock(self, node: int) -> int:
        return self.now + NODE_OFFSETS[node]

    def begin(self, node: int) -> Transaction:
        start = self.node_clock(node)
        self.open.append(Transaction(node, start, start))
        return self.open[-1]

    def insert(self, transaction: Transaction, stamp: int | None) -> int:
        """Write one row; ``stamp`` is a UTC time, NULL when None."""
        row = self._next_id(transaction.node)
        at = None if stamp is None else wall_clock(stamp, self.zone)
        transaction.rows.append((row, at))
        transaction.oldest_stamp = min(transaction.oldest_stamp, stamp or transaction.started)
        return row

    def commit(self, transaction: Transaction) -> None:
        self.open.remove(transaction)
        for row, at in transaction.rows:
            self.committed.add(row)
            if at is None:
                insort(self.visible_without_key, row)
            else:
                insort(self.visible, Position(at, row))

    def rollback(self, transaction: Transaction) -> None:
        self.open.remove(transaction)

    def purge(self, index: int) -> None:
        if self.visible:
            position = self.visible.pop(index % len(self.visible))
            assert isinstance(position.id, int)
            self.purged.add(position.id)

    # What a tap may ask.

    def clock(self) -> Instant:
        return wall_clock(self.node_clock(0), None)

    def open_transactions(self) -> OpenTransactions:
        if not self.readable:
            return NotReadable("ORA-00942 on GV$TRANSACTION", "grant SELECT on it")
        if not self.open:
            return NoneOpen()
        oldest = min(transaction.started for transaction in self.open)
        return Oldest(wall_clock(oldest // SECOND * SECOND, None))  # the view has whole seconds

    def page(self, after: Position, limit: int, until: Instant | None) -> list[Position]:
        behind = Position(after.at, BEFORE_ALL_IDS if after.id is None else int(after.id))
        start = bisect_right(self.visible, behind)
        rows = self.visible[start : start + limit]
        return rows if until is None else [position for position in rows if position.at < until]

    def null_key_page(self, after_id: int | str | None, limit: int) -> list[Position]:
        rows = self.visible_without_key
        start = 0 if after_id is None else bisect_right(rows, int(after_id))
        nowhere = wall_clock(0, None)  # of such a position only the id counts
        return [Position(nowhere, row) for row in rows[start : start + limit]]

    def _next_id(self, node: int) -> int:
        following, last = self._sequence.get(node, (0, -1))
        if following > last:
            following = self._blocks * SEQUENCE_CACHE + 1
            last = following + SEQUENCE_CACHE - 1
            self._blocks += 1
        self._sequence[node] = (following + 1, last)
        return following


class BrokenPromiseError(AssertionError):
    """A row was lost, or emitted twice for no reason, or out of order."""


@dataclass
class Output:
    """What the tap has written: rows, and the last STATE, over all its runs."""

    may_repeat: bool = False
    state: str | None = None
    rows: set[int] = field(default_factory=set)
    _since_state: set[int] = field(default_factory=set)
    _doubtful: set[int] = field(default_factory=set)

    def emit(self, row: int) -> None:
        """Take a row. One that is out already may come again only if no STATE followed it."""
        known = row in self.rows and row not in self._doubtful
        if known and not self.may_repeat:
            message = f"row {row} was emitted twice"
            raise BrokenPromiseError(message)
        self._doubtful.discard(row)
        self.rows.add(row)
        self._since_state.add(row)

    def write_state(self, state: str) -> None:
        self.state = state
        self._since_state.clear()

    def writer_died(self) -> None:
        self._doubtful |= self._since_state
        self._since_state.clear()

    def compare(self, world: World) -> None:
        """Compare with the table at the end of a history."""
        if lost := world.committed - self.rows - world.purged:
            message = f"lost rows {sorted(lost)}"
            raise BrokenPromiseError(message)
        if made_up := self.rows - world.committed:
            message = f"rows {sorted(made_up)} were never committed"
            raise BrokenPromiseError(message)
