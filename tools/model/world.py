"""A table in a database that behaves as badly as real ones do, and a check of what left it.

Transactions commit late or not at all, rows tie, share a second, have NULL or future keys or a time
before their transaction began; ids come from caches of two nodes whose clocks differ. Rows are
loaded late, get other times, share an id; clocks of database and host go back; times are wrong by a
zone; a standby lags. Time, stamps and zones are computed here without the code under test.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import BEGINNING, Instant
from tap_oracle_txlog.rules.watermark import NoneOpen, NotReadable, Oldest, OpenTransactions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.rules.id_ranges import Run
    from tap_oracle_txlog.rules.position import RowId

Place: TypeAlias = "tuple[RowId, Instant | None]"
"""What a row is told by: its id, and its time, as that may change."""

SECOND = 1_000_000_000
NODE_OFFSETS = (0, -SECOND * 8 // 10)
SEQUENCE_CACHE = 20
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
    host_offset: int = 0
    number: int = 0
    rows: list[tuple[RowId, Instant | None]] = field(default_factory=list)


@dataclass
class World:
    """The table and what a tap may ask of it.

    Args:
        ids: How ids are handed out: in sequence, in steps of ten, or as text without any order.
        shift: Seconds by which the times of all rows are wrong: a zone that nobody has set.
        lag: Nanoseconds by which a standby shows everything later, its own clock included.
        read_on: The node that the tap is connected to, whose clock it reads.
    """

    now: int
    zone: ZoneInfo | None = None
    readable: bool = True
    ids: str = "sequence"
    shift: int = 0
    lag: int = 0
    read_on: int = 0
    host_offset: int = 0
    behind: int = 0
    has_twins: bool = False
    newest: Instant = BEGINNING
    open: list[Transaction] = field(default_factory=list)
    visible: list[Position] = field(default_factory=list)
    visible_without_key: list[RowId] = field(default_factory=list)
    committed: set[Place] = field(default_factory=set)
    gone: set[Place] = field(default_factory=set)
    _pending: list[tuple[int, list[tuple[RowId, Instant | None]]]] = field(default_factory=list)
    _begun: int = 0
    _blocks: int = 0
    _sequence: dict[int, tuple[int, int]] = field(default_factory=dict)

    def node_clock(self, node: int) -> int:
        return self.now + NODE_OFFSETS[node]

    def begin(self, node: int) -> Transaction:
        start = self.node_clock(node)
        self._begun += 1
        self.open.append(Transaction(node, start, start, self.host_offset, self._begun))
        return self.open[-1]

    def insert(self, transaction: Transaction, stamp: int | None) -> RowId:
        """Write one row; ``stamp`` is a UTC time, NULL when None."""
        row = self._next_id(transaction.node)
        at = None if stamp is None else self.stored(stamp)
        transaction.rows.append((row, at))
        transaction.oldest_stamp = min(transaction.oldest_stamp, stamp or transaction.started)
        return row

    def stored(self, stamp: int) -> Instant:
        return wall_clock(stamp + self.shift * SECOND, self.zone)

    def commit(self, transaction: Transaction) -> None:
        self.open.remove(transaction)
        self.committed |= set(transaction.rows)
        self._pending.append((self.now, transaction.rows))
        self.pass_time(0)

    def set_back(self, nanoseconds: int) -> None:
        """The clock of the database goes back, and no other one."""
        self.now -= nanoseconds
        self.behind += nanoseconds

    def pass_time(self, nanoseconds: int) -> None:
        self.now += nanoseconds
        while self._pending and self._pending[0][0] <= self.now - self.lag:
            for row, at in self._pending.pop(0)[1]:
                self._show(row, at)

    def _show(self, row: RowId, at: Instant | None) -> None:
        if at is None:
            insort(self.visible_without_key, row, key=_order)
        else:
            insort(self.visible, Position(at, row))
            self.newest = max(self.newest, at)

    def rollback(self, transaction: Transaction) -> None:
        self.open.remove(transaction)

    def purge(self, index: int) -> None:
        if self.visible:
            position = self.visible.pop(index % len(self.visible))
            self.gone.add((position.id, position.at))

    def give_new_times(self, times: Sequence[tuple[Position, Instant]]) -> None:
        """UPDATE the times of rows, or empty the table and load it again, in one transaction."""
        for position, _ in times:
            self.visible.remove(position)
            self.gone.add((position.id, position.at))
        for position, at in times:
            self.gone.discard((position.id, at))
            self.committed.add((position.id, at))
            self._show(position.id, at)

    def load(self, stamps: Sequence[int]) -> None:
        """Rows that come with times of their own, and are there at once."""
        for stamp in stamps:
            place = (self._next_id(0), self.stored(stamp))
            self.committed.add(place)
            self._show(*place)

    def repeat_id(self, index: int, stamp: int) -> None:
        """A row whose id another one has that is there."""
        if self.visible:
            self.has_twins = True
            place = (self.visible[index % len(self.visible)].id, self.stored(stamp))
            self.committed.add(place)
            self._show(*place)

    # What a tap may ask.

    def clock(self) -> Instant:
        return wall_clock(self.node_clock(self.read_on) - self.lag, None)

    def other_clock(self) -> Instant:
        return wall_clock(self.now + self.behind + 12_345 * SECOND, None)

    def open_transactions(self) -> OpenTransactions:
        if not self.readable:
            return NotReadable("ORA-00942 on GV$TRANSACTION", "grant SELECT on it")
        if not self.open:
            return NoneOpen(self.host_offset)
        # Reckoned from the wall clock of the host, which the view has in whole seconds.
        oldest = min(
            (one.started + (one.host_offset - self.host_offset) * SECOND, one.number)
            for one in self.open
        )
        at = wall_clock(oldest[0] // SECOND * SECOND, None)
        return Oldest(at, identity=str(oldest[1]), host_offset=self.host_offset)

    def page(
        self, after: Position, limit: int, until: Instant | None, known: Sequence[Run] = ()
    ) -> list[Position]:
        end = len(self.visible) if until is None else bisect_left(self.visible, (until,))
        start = bisect_right(self.visible, (after.at,) if after.id is None else after)
        rows = (self.visible[place] for place in range(start, end))
        return list(islice((row for row in rows if not _is_in(row.id, known)), limit))

    def rows_at(self, positions: Sequence[Position]) -> list[Position]:
        return sorted(set(positions) & set(self.visible))

    def null_key_page(self, after_id: RowId, limit: int) -> list[Position]:
        rows = self.visible_without_key
        start = 0 if after_id is None else bisect_right(rows, _order(after_id), key=_order)
        nowhere = wall_clock(0, None)  # of such a position only the id counts
        return [Position(nowhere, row) for row in rows[start : start + limit]]

    def _next_id(self, node: int) -> RowId:
        following, last = self._sequence.get(node, (0, -1))
        if following > last:
            following = self._blocks * SEQUENCE_CACHE + 1
            last = following + SEQUENCE_CACHE - 1
            self._blocks += 1
        self._sequence[node] = (following + 1, last)
        if self.ids == "text":
            return f"{following * 2_654_435_761 % 2**32:08x}"
        return following * (10 if self.ids == "steps" else 1)


def _order(row_id: RowId) -> tuple[int, str]:
    return (row_id, "") if isinstance(row_id, int) else (0, str(row_id))


def _is_in(row_id: RowId, known: Sequence[Run]) -> bool:
    assert isinstance(row_id, int) or not known
    return any(
        low <= row_id <= high and (row_id - low) % step == 0  # type: ignore[operator]
        for low, high, step in known
    )


class BrokenPromiseError(AssertionError):
    """A row was lost, or emitted twice for no reason, or out of order."""


@dataclass
class Output:
    """What the tap has written: rows, and the last STATE, over all its runs.

    A STATE is made into text when a tap begins with it: most are followed by another one first.
    """

    may_repeat: bool = False
    rows: set[Place] = field(default_factory=set)
    _since_state: set[Place] = field(default_factory=set)
    _doubtful: set[Place] = field(default_factory=set)
    _write: Callable[[], str] | None = None

    @property
    def state(self) -> str | None:
        """The last STATE."""
        return self._write and self._write()

    def emit(self, row: Place) -> None:
        """Take a row. One that is out already may come again only if no STATE followed it."""
        known = row in self.rows and row not in self._doubtful
        if known and not self.may_repeat:
            message = f"row {row} was emitted twice"
            raise BrokenPromiseError(message)
        self._doubtful.discard(row)
        self.rows.add(row)
        self._since_state.add(row)

    def may_come_again(self, rows: Iterable[Place]) -> None:
        """Rows that were moved to where they, perhaps, have stood before."""
        self._doubtful |= self.rows & set(rows)

    def write_state(self, write: Callable[[], str]) -> None:
        """Take a STATE: ``write`` makes its text, the same one whenever it is called."""
        self._write = write
        self._since_state.clear()

    def writer_died(self) -> None:
        self._doubtful |= self._since_state
        self._since_state.clear()

    def compare(self, world: World) -> None:
        """Compare with the table at the end of a history."""
        if lost := world.committed - self.rows - world.gone:
            message = f"lost rows {sorted(map(str, lost))}"
            raise BrokenPromiseError(message)
        if made_up := self.rows - world.committed:
            message = f"rows {sorted(map(str, made_up))} were never committed"
            raise BrokenPromiseError(message)
