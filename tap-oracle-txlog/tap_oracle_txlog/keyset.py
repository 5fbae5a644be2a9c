"""Which rows are new, and from where to go on: every committed row once, in source order.

Rows are read in the order of (replication key, id). All that is visible is emitted at once, also
what open transactions may still overtake; the bookmark however moves only to what is complete: the
watermark of the pass. Rows emitted beyond it are remembered by id, and are not emitted again when
the next pass reads that stretch anew. The state after any page is valid: a run that ends there, in
whatever way, is resumed without a loss. Nothing here reads a table, waits, or knows Singer.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from tap_oracle_txlog.bookmark import VERSION, Bookmark, Place, damaged, read
from tap_oracle_txlog.errors import DataError
from tap_oracle_txlog.id_ranges import EmittedIds, IdRanges, Memory
from tap_oracle_txlog.timestamps import Instant, instant, parse
from tap_oracle_txlog.watermark import LastPass, LateRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.watermark import Watermark

MAX_STATE_RANGES: Final = 1_000


class Position(NamedTuple):
    """The place of a row. ``id`` is None only for the place before every row of that instant."""

    at: Instant
    id: int | str | None

    @classmethod
    def before(cls, at: Instant) -> Position:
        """The place before every row of ``at``."""
        return cls(at, None)

    @classmethod
    def of_rows(cls, ats: Iterable[Instant], ids: Iterable[int | str | None]) -> list[Position]:
        """The places of the rows of a page."""
        make: Callable[[tuple[object, ...]], Position] = partial(tuple.__new__, cls)
        return list(map(make, zip(ats, ids, strict=True)))  # a third of the cost of calling `cls`

    def follows(self, other: Position) -> bool:
        """Whether this place is later than ``other``.

        Text ids of one instant are in the order of the database's collation, which is not known
        here: of two different ones each follows the other.
        """
        if self.at != other.at:
            return self.at > other.at
        if self.id is None or other.id is None:
            return self.id is not None
        if isinstance(self.id, int) and isinstance(other.id, int):
            return self.id > other.id
        return self.id != other.id


class PageDidNotAdvanceError(DataError):
    """A page does not lie behind the place it was asked for: reading on would be a loop."""

    def __init__(self, after: Position, page: Sequence[Position]) -> None:
        reason = (
            f"cannot read on behind {_place(after)}: the page from {_place(page[0])}"
            f" to {_place(page[-1])} does not move strictly forward"
        )
        super().__init__(reason, "Choose an id_column that is unique and never NULL")


@dataclass(frozen=True, slots=True)
class Progress:
    """What of a table is out: all up to ``complete``, and beyond it the ids in ``emitted``.

    ``null_ids`` are the rows without a replication key that are out; they have no position.
    """

    replication_key: str
    table: str
    complete: Position
    emitted: IdRanges = field(default_factory=IdRanges)
    null_ids: IdRanges = field(default_factory=IdRanges)
    last_pass: LastPass | None = None

    @classmethod
    def from_bookmark(
        cls,
        bookmark: Mapping[str, object] | None,
        *,
        start: Instant,
        replication_key: str,
        table: str,
        zone: ZoneInfo | None = None,
    ) -> Progress:
        """Resume from ``bookmark``, or begin at ``start`` where there is none.

        A plain ``replication_key_value``, as the SDK writes it, is taken as a closed bound: rows of
        that instant come again rather than not at all. The same holds for a bookmark whose
        ``replication_key_value`` somebody has changed by hand.

        Raises:
            DataError: The bookmark is of another key or table, of a newer version, or damaged.
        """
        fresh = cls(replication_key, table, Position.before(start))
        if not bookmark or bookmark.get("replication_key_value") is None:
            return fresh
        written = read(bookmark, replication_key=replication_key, table=table)
        try:
            return _resumed(written, fresh, zone)
        except ValueError as cause:
            raise damaged(table, cause) from cause

    def to_bookmark(self) -> dict[str, object]:
        """The JSON-ready form for the state."""
        bookmark = Bookmark(
            replication_key=self.replication_key,
            replication_key_value=self.complete.at,
            position=Place(self.complete.at, self.complete.id),
            emitted=self.emitted.encode(),
            null_ids=self.null_ids.encode(),
            last_pass=self.last_pass,
            table=self.table,
            v=VERSION,
        )
        written: dict[str, object] = msgspec.to_builtins(bookmark)
        return written

    def covers(self, until: Instant) -> bool:
        """Whether nothing before ``until`` is left to read."""
        return self.complete.at >= until

    def scan(
        self,
        watermark: Watermark,
        *,
        until: Instant | None = None,
        max_ranges: int = MAX_STATE_RANGES,
    ) -> Scan:
        """Begin a pass over all rows behind ``complete``, or over those before ``until``.

        ``watermark`` must have been read before the first page, and holds for the whole pass: one
        that is refreshed in mid-pass declares rows complete that were not there when their page was
        read.
        """
        return Scan(self, watermark, until, max_ranges)

    def null_key_scan(self, *, max_ranges: int = MAX_STATE_RANGES) -> NullKeyScan:
        """Begin a pass over the rows whose replication key is NULL."""
        return NullKeyScan(self, max_ranges)


class Scan:
    """One pass: pages go in, which of their rows are new comes out."""

    def __init__(
        self, progress: Progress, watermark: Watermark, until: Instant | None, max_ranges: int
    ) -> None:
        self.late = LateRows(progress.last_pass)
        self._watermark = watermark
        self._edge = Position.before(min(watermark.at, until or watermark.at))
        self._after = progress.complete
        self._emitted = EmittedIds(progress.emitted, max_ranges)
        self._progress = progress

    @property
    def after(self) -> Position:
        """Where the next page begins: behind this place."""
        return self._after

    @property
    def memory(self) -> Memory:
        """Whether a resumed run will know every emitted row; if not, some may be emitted again."""
        return self._emitted.memory

    @property
    def progress(self) -> Progress:
        """What is out after the pages admitted so far."""
        return replace(self._progress, emitted=self._emitted.ranges.copy())

    def admit(self, positions: Sequence[Position]) -> list[bool]:
        """Say of each row of the next page whether it is new; all that are count as emitted then.

        Raises:
            PageDidNotAdvanceError: The page does not lie behind ``after``, in strict order.
        """
        if not positions:
            return []
        if not _moves_on(self._after, positions):
            raise PageDidNotAdvanceError(self._after, positions)
        settled = bisect_left(positions, self._edge.at, key=_at)
        ids = [position.id for position in positions]
        new = self._emitted.settle(ids[:settled]) + self._emitted.admit(ids[settled:])
        if (
            self.memory is Memory.EXACT
        ):  # otherwise a row that comes again would pass for a late one
            self.late.count(positions, new)
        self._after = positions[-1]
        self._complete(self._after)
        return new

    def finish(self) -> None:
        """Close the pass: the last page has been admitted, nothing was left behind it.

        All before the watermark is complete now, and of the ids only those seen in this pass stay:
        rows that were purged in the meantime leave no trace in the state.
        """
        self._complete(self._edge)
        self._emitted.forget_unseen()
        last_pass = LastPass(self._watermark.clock, self._watermark.at)
        self._progress = replace(self._progress, last_pass=last_pass)

    def _complete(self, place: Position) -> None:
        """Move the bookmark to ``place``, but not beyond the edge, and never back."""
        reached = self._edge if place.follows(self._edge) else place
        if reached.follows(self._progress.complete):
            self._progress = replace(self._progress, complete=reached)


class NullKeyScan:
    """One pass over the rows whose replication key is NULL, by id.

    They have no place in time, so none of them is ever complete: every pass reads all of them, and
    their ids stay in the state for as long as the rows stay in the table.
    """

    def __init__(self, progress: Progress, max_ranges: int) -> None:
        self.after_id: int | str | None = None
        self._emitted = EmittedIds(progress.null_ids, max_ranges)
        self._progress = progress

    @property
    def memory(self) -> Memory:
        """As ``Scan.memory``."""
        return self._emitted.memory

    @property
    def progress(self) -> Progress:
        """What is out after the pages admitted so far."""
        return replace(self._progress, null_ids=self._emitted.ranges.copy())

    def admit(self, positions: Sequence[Position]) -> list[bool]:
        """As ``Scan.admit``; of the positions only the ids count, all have the same ``at``.

        Raises:
            PageDidNotAdvanceError: The page does not lie behind ``after_id``, in strict order.
        """
        if not positions:
            return []
        after = Position(positions[0].at, self.after_id)
        if not _moves_on(after, positions):
            raise PageDidNotAdvanceError(after, positions)
        new = self._emitted.admit([position.id for position in positions])
        self.after_id = positions[-1].id
        return new

    def finish(self) -> None:
        """Close the pass: forget the ids of rows that are gone or have got a key since."""
        self._emitted.forget_unseen()


def _moves_on(after: Position, positions: Sequence[Position]) -> bool:
    if not positions[0].follows(after) or positions[-1] == after:
        return False
    following = islice(positions, 1, None)
    if isinstance(positions[0].id, int):
        return all(map(tuple.__lt__, positions, following))
    return all(later.follows(earlier) for earlier, later in pairwise(positions))


def _resumed(written: Bookmark, fresh: Progress, zone: ZoneInfo | None) -> Progress:
    bound = parse(written.replication_key_value, zone)
    if written.position is None or instant(written.position.at) != bound:
        return replace(fresh, complete=Position.before(bound))
    return replace(
        fresh,
        complete=Position(bound, written.position.id),
        emitted=IdRanges.decode(written.emitted),
        null_ids=IdRanges.decode(written.null_ids),
        last_pass=written.last_pass,
    )


def _place(position: Position) -> str:
    return f"({position.at}, {position.id})"


def _at(position: Position) -> Instant:
    return position.at
