"""What was emitted lately: which ids, in which stretch of time, and a check of their times.

Rows are remembered by stretches of the replication key, each with its ids and checks of its (time,
id) pairs. A stretch that is compared with the keys that stand in the table tells late rows, rows
that are gone and rows whose time has changed. All of it is immutable: what a state was made from
stays what it was.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final
from zlib import crc32

import msgspec

from tap_oracle_txlog.rules.bookmark import Stretch
from tap_oracle_txlog.rules.id_ranges import Run
from tap_oracle_txlog.rules.id_sets import MAX_STATE_BYTES, IdSet
from tap_oracle_txlog.rules.packing import pack_numbers, unpack_numbers
from tap_oracle_txlog.rules.timestamps import Instant, from_nanoseconds, instant, nanoseconds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from tap_oracle_txlog.rules.position import Position, RowId

GRID_SECONDS: Final = 15
MAX_SEGMENTS: Final = 64

CHECKS_IN_STATE: Final = 1_000
"""So many rows have a check of their own there."""

_GRID: Final = GRID_SECONDS * 1_000_000_000


@dataclass(frozen=True)
class Segment:
    """The rows that were emitted with a time from ``since`` on and before ``before``.

    Each has a check of its id and its time; a state has room for those of the newest rows, and for
    the sum over the rows of each stretch.
    """

    since: Instant
    before: Instant
    ids: IdSet = field(default_factory=IdSet)
    checks: Sequence[int] = field(default_factory=partial(array, "I"))
    total: int = 0

    def __contains__(self, row_id: RowId) -> bool:
        """Whether a row with that id was emitted in this stretch."""
        return row_id in self.ids

    def with_rows(self, positions: Sequence[Position]) -> Segment:
        """This and the rows at ``positions``, which are new here."""
        checks = array("I", map(check, positions))
        return replace(
            self,
            ids=self.ids.with_rows(positions),
            checks=array("I", [*self.checks, *checks]),
            total=self.total + sum(checks),
        )

    def of_only(self, positions: Sequence[Position]) -> Segment:
        """The same stretch with these rows."""
        return Segment(self.since, self.before).with_rows(positions)

    def is_exactly(self, positions: Sequence[Position]) -> bool:
        """Whether the rows that stand in this stretch are those that were emitted."""
        return len(self.ids) == len(positions) and self.total == sum(map(check, positions))

    def unmoved(self, positions: Iterable[Position]) -> set[Position]:
        """Those of the rows that stand which are out with the very time that they have.

        Where there is only the sum, it tells of all rows together: one that is gone leaves the
        others in doubt, and what is in doubt counts as moved.
        """
        known = [one for one in positions if one.id in self]
        if len(self.checks) == len(self.ids):
            checks = set(self.checks)
            return {one for one in known if check(one) in checks}
        return set(known) if self.is_exactly(known) else set()

    def joined(self, later: Segment) -> Segment:
        """One stretch for both, and for what lies between them."""
        return Segment(
            self.since,
            later.before,
            self.ids | later.ids,
            array("I", [*self.checks, *later.checks]),
            self.total + later.total,
        )

    @cached_property
    def stretch(self) -> Stretch:
        """The form for the state, without the checks of single rows."""
        ids, others = self.ids.ids_text, self.ids.others_text
        total = f"{self.total:x}"
        return Stretch(since=self.since, before=self.before, ids=ids, others=others, total=total)

    @classmethod
    def of_stretch(cls, stretch: Stretch) -> Segment:
        """The inverse of ``stretch``.

        Raises:
            ValueError: The stretch is not one that was written.
        """
        since, before = instant(stretch.since), instant(stretch.before)
        if since >= before:
            msg = f"{since} is not before {before}"
            raise ValueError(msg)
        ids = IdSet.of_text(stretch.ids, stretch.others)
        checks = unpack_numbers(stretch.checks)
        return cls(since, before, ids, checks, int(stretch.total or "0", 16))


@dataclass(frozen=True)
class Emitted:
    """The rows that are out, as far back as they are remembered.

    ``beyond`` are ids of rows somewhere behind the frontier, from a state of version 1, which did
    not keep times.
    """

    segments: tuple[Segment, ...] = ()
    beyond: IdSet = field(default_factory=IdSet)

    @property
    def count(self) -> int:
        """How many rows."""
        return sum(len(segment.ids) for segment in self.segments) + len(self.beyond)

    def remember(self, positions: Sequence[Position]) -> Emitted:
        """These and the rows at ``positions``, which are in the order of time."""
        segments, start = list(self.segments), 0
        while start < len(positions):
            at = _segment_at(segments, positions[start].at)
            end = bisect_left(positions, segments[at].before, start, key=_time)
            segments[at] = segments[at].with_rows(positions[start:end])
            start = end
        return replace(self, segments=_few(segments))

    def of_ids(self, ids: Collection[RowId]) -> list[Segment]:
        """The stretches that know one of ``ids``."""
        whole = [one for one in ids if isinstance(one, int)]
        least, most = (min(whole), max(whole)) if whole else (0, -1)
        return [one for one in self.segments if _touches(one.ids, ids, least, most)]

    def forget_before(self, at: Instant) -> Emitted:
        """Without the stretches that end there or earlier."""
        kept = tuple(one for one in self.segments if one.before > at)
        return replace(self, segments=kept)

    def put(self, segment: Segment) -> Emitted:
        """With ``segment`` in the place of the one of its stretch; an empty one leaves none."""
        pairs = ((one, segment if one.since == segment.since else one) for one in self.segments)
        return replace(self, segments=tuple(new for _, new in pairs if len(new.ids)))

    def behind(self, at: Instant) -> Sequence[Segment]:
        """The stretches that end later than ``at``."""
        return [one for one in self.segments if one.before > at]

    def runs(self, since: Instant, most: int) -> Sequence[Run] | None:
        """The ids of all stretches behind ``since`` as at most ``most`` runs; None where they are
        too scattered, or are no integers.
        """
        behind = self.behind(since)
        if any(one.ids.others for one in behind):
            return None
        if sum(len(one.ids.runs) for one in behind) > most * 16:
            return None
        runs = _merged([run for one in behind for run in one.ids.runs])
        return runs if len(runs) <= most else None

    def fitting(self, size: int = MAX_STATE_BYTES) -> tuple[Segment, ...]:
        """The newest stretches whose text fits into ``size``."""
        left = size - len(self.beyond.ids_text) - len(self.beyond.others_text)
        for number, segment in enumerate(reversed(self.segments)):
            left -= 140 + len(segment.stretch.ids) + len(segment.stretch.others)
            if left < 0:
                return self.segments[len(self.segments) - number :]
        return self.segments


def check(position: Position) -> int:
    """A number that tells of an id and a time."""
    at, row_id = position
    return crc32(f"{at} {row_id}".encode())


def on_grid(at: Instant) -> Instant:
    """The beginning of the stretch of the grid that ``at`` lies in."""
    return from_nanoseconds(nanoseconds(at) // _GRID * _GRID)


def _touches(known: IdSet, ids: Collection[RowId], least: int, most: int) -> bool:
    if known.others and not known.others.isdisjoint(ids):
        return True
    return known.ranges.reaches(least, most) and any(
        one in known.ranges for one in ids if isinstance(one, int)
    )


def _segment_at(segments: list[Segment], at: Instant) -> int:
    """The index of the stretch that ``at`` lies in; it is made where there is none."""
    place = bisect_right(segments, at, key=_since)
    if place and at < segments[place - 1].before:
        return place - 1
    since = on_grid(at)
    before = from_nanoseconds(nanoseconds(since) + _GRID)
    if since == before:
        since = from_nanoseconds(nanoseconds(since) - _GRID)
    if place:
        since = max(since, segments[place - 1].before)
    if place < len(segments):
        before = min(before, segments[place].since)
    segments.insert(place, Segment(since, before))
    return place


def _few(segments: list[Segment]) -> tuple[Segment, ...]:
    """Not too many stretches: the older half is made coarser when there are."""
    while len(segments) > MAX_SEGMENTS:
        half = len(segments) // 4 * 2
        pairs = zip(segments[0:half:2], segments[1:half:2], strict=True)
        segments = [*(one.joined(other) for one, other in pairs), *segments[half:]]
    return tuple(segments)


def _merged(runs: list[Run]) -> list[Run]:
    """The same ids in fewer runs: those without gaps that touch are one."""
    merged: list[Run] = []
    for run in sorted(runs):
        last = merged[-1] if merged else None
        if last and last.step == run.step == 1 and run.low <= last.high + 1:
            merged[-1] = Run(last.low, max(last.high, run.high))
        else:
            merged.append(run)
    return merged


def _time(position: Position) -> Instant:
    return position.at


def _since(segment: Segment) -> Instant:
    return segment.since


def stretches(segments: Sequence[Segment]) -> list[Stretch]:
    """The form for the state; the newest rows have their checks."""
    left, written = CHECKS_IN_STATE, list[Stretch]()
    for segment in reversed(segments):
        left -= len(segment.checks)
        stretch = segment.stretch
        if left >= 0 and segment.checks:
            stretch = msgspec.structs.replace(stretch, checks=pack_numbers(segment.checks))
        written.append(stretch)
    return written[::-1]
