"""Progress: what of a table has been emitted, and how far it is complete.

Rows are read in the order of (replication key, id). All that is visible is emitted at once, also
what open transactions may still overtake. Three places tell what is out: up to ``complete`` nothing
is missing and nothing is going to come; the newest row that was emitted stands at ``frontier``; in
between, the rows that are out are remembered, and late ones may still appear. Reading goes on
behind the frontier and never beyond it, whatever the clock says. Nothing here reads a table, waits,
or knows Singer.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec
from typing_extensions import override

from tap_oracle_txlog.rules.bookmark import VERSION, Beyond, Bookmark, Place, damaged, read
from tap_oracle_txlog.rules.emitted import Emitted, Segment, stretches
from tap_oracle_txlog.rules.id_ranges import IdRanges
from tap_oracle_txlog.rules.id_sets import MAX_STATE_BYTES, IdSet
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import BEGINNING, Instant, instant, just_before, parse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.rules.late_count import Late
    from tap_oracle_txlog.rules.watermark import LastPass


@dataclass(frozen=True, slots=True)
class Progress:
    """What of a table is out.

    ``complete`` is where late rows are looked for from, ``complete_before`` the time before which
    no row is missing; they differ when a pass has seen that there is nothing in between.
    Everything that was emitted behind ``remembered`` is in ``emitted``. When the database's clock
    has gone back, rows are looked for behind ``reach``, which lies before ``remembered`` where the
    state had no room for all: what is not remembered comes again. ``null_ids`` are the rows
    without a replication key that are out; they have no position. ``last_pass`` is the newest one
    that came to its end, ``clocks`` the newest one that began. ``late`` counts for others.
    """

    replication_key: str
    table: str
    complete: Position
    frontier: Position
    complete_before: Instant
    remembered: Position
    reach: Position
    emitted: Emitted = field(default_factory=Emitted)
    null_ids: IdSet = field(default_factory=IdSet)
    last_pass: LastPass | None = None
    clocks: LastPass | None = None
    late: Late | None = None

    @override
    def __str__(self) -> str:
        """For people."""
        return f"{self.complete.at}; {self.emitted.count} later rows were already emitted"

    @classmethod
    def starting(cls, replication_key: str, table: str, start: Position) -> Progress:
        """Nothing is out that lies behind ``start``, and everything else does not matter."""
        return cls(replication_key, table, start, start, start.at, start, start)

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
        fresh = cls.starting(replication_key, table, Position.before(start))
        if not bookmark or bookmark.get("replication_key_value") is None:
            return fresh
        written = read(bookmark, replication_key=replication_key, table=table)
        try:
            return _resumed(written, fresh, zone)
        except ValueError as cause:
            raise damaged(table, cause) from cause

    def to_bookmark(self, size: int = MAX_STATE_BYTES) -> dict[str, object]:
        """The JSON-ready form for the state; ``size`` bounds the text of the remembered rows."""
        segments, beyond = self.emitted.fitting(size), self.emitted.beyond
        remembered = self.remembered
        if len(segments) < len(self.emitted.segments):
            remembered = Position.before(segments[0].since if segments else self.frontier.at)
        bookmark = Bookmark(
            replication_key=self.replication_key,
            replication_key_value=just_before(self.complete_before),
            complete_before=self.complete_before,
            position=_written(self.complete),
            frontier=_written(self.frontier) if self.frontier != self.complete else None,
            remembered=_written(remembered) if remembered != self.complete else None,
            reach=_written(self.reach) if self.reach != remembered else None,
            emitted=stretches(segments),
            beyond=_beyond(beyond) if len(beyond) else None,
            null_ids=_beyond(self.null_ids) if self.null_ids.fits else "",
            last_pass=self.last_pass,
            clocks=self.clocks if self.clocks != self.last_pass else None,
            came_late=self.late,
            table=self.table,
            v=VERSION,
        )
        written: dict[str, object] = msgspec.to_builtins(bookmark)
        return written

    @property
    def left_out(self) -> int:
        """How many of the rows that may be read again are too many, or of a kind, for the state: a
        run that is resumed emits them once more.
        """
        behind = self.emitted.behind(self.complete.at)
        kept = set(map(_since, self.emitted.fitting()))
        unkept = sum(len(one.ids) for one in behind if one.since not in kept)
        unkept += sum(one.ids.unwritten for one in behind if one.since in kept)
        return unkept + (self.null_ids.unwritten if self.null_ids.fits else len(self.null_ids))

    def covers(self, until: Instant) -> bool:
        """Whether nothing before ``until`` is left to read."""
        return self.complete.at >= until


def _resumed(written: Bookmark, fresh: Progress, zone: ZoneInfo | None) -> Progress:
    bound = parse(written.replication_key_value, zone)
    if isinstance(written.emitted, str):
        return _resumed_from_version_1(written, written.emitted, bound, fresh)
    before = instant(written.complete_before or BEGINNING)
    if written.position is None or bound != just_before(before):
        return Progress.starting(fresh.replication_key, fresh.table, Position.before(bound))
    complete = _place(written.position)
    segments = tuple(map(Segment.of_stretch, written.emitted))
    ordered = [at for one in segments for at in (one.since, one.before)]
    if ordered != sorted(ordered):
        msg = "its time intervals are not in order"
        raise ValueError(msg)
    return replace(
        fresh,
        complete=complete,
        frontier=_place(written.frontier or written.position),
        complete_before=before,
        remembered=_place(written.remembered or written.position),
        reach=_place(written.reach or written.remembered or written.position),
        emitted=Emitted(segments, _ids(written.beyond)),
        null_ids=_ids(written.null_ids),
        last_pass=written.last_pass,
        clocks=written.clocks or written.last_pass,
        late=written.came_late,
    )


def _resumed_from_version_1(
    written: Bookmark, emitted: str, bound: Instant, fresh: Progress
) -> Progress:
    """The ids of version 1 have no times; each row is recognised when reading comes to it."""
    if written.position is None or instant(written.position.at) != bound:
        return Progress.starting(fresh.replication_key, fresh.table, Position.before(bound))
    begun = Progress.starting(fresh.replication_key, fresh.table, _place(written.position))
    return replace(
        begun,
        emitted=Emitted(beyond=IdSet(IdRanges.decode(emitted))),
        null_ids=_ids(written.null_ids),
        last_pass=written.last_pass,
    )


def _ids(written: str | Beyond | None) -> IdSet:
    if isinstance(written, Beyond):
        return IdSet.of_text(written.ids, written.others)
    return IdSet(IdRanges.decode(written or ""))


def _beyond(ids: IdSet) -> Beyond:
    return Beyond(ids.ids_text, ids.others_text)


def _place(written: Place) -> Position:
    return Position(instant(written.at), written.id)


def _written(position: Position) -> Place:
    return Place(position.at, position.id)


def _since(segment: Segment) -> Instant:
    return segment.since
