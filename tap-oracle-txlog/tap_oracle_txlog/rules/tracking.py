"""What is known of a table while a pass goes on, and how each page changes it.

``Scan`` decides what is asked next; this keeps account of the answers: which rows were emitted and
are remembered, where the frontier stands, how far the table is complete.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from tap_oracle_txlog.rules.emitted import Emitted, on_grid
from tap_oracle_txlog.rules.late_count import LateCount
from tap_oracle_txlog.rules.position import Position, in_order
from tap_oracle_txlog.rules.timestamps import END, minus, plus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_oracle_txlog.rules.emitted import Segment
    from tap_oracle_txlog.rules.progress import Progress
    from tap_oracle_txlog.rules.timestamps import Instant
    from tap_oracle_txlog.rules.watermark import LastPass, Watermark

FAR_SECONDS: Final = 86_400
"""The frontier never follows a row that is further ahead of the clock than this."""

KEPT_SECONDS: Final = 3_600
"""Settled rows are remembered for so long, for the case that the database's clock goes back."""

_at, _id = attrgetter("at"), attrgetter("id")


class Tracking:
    """The progress of one pass; the arguments are those of ``Scan``."""

    def __init__(
        self, progress: Progress, watermark: Watermark | None, until: Instant | None
    ) -> None:
        self.progress = progress
        is_back = watermark is not None and watermark.went_far_back
        self.late = LateCount(None if is_back else progress.last_pass)
        self._late_before = progress.late
        self.moved = 0
        """Rows that were out and are emitted again, as they have got another time since."""
        self.same: set[Position] = set()
        """Rows that this pass has found to be out already, although their ids were in doubt."""
        self._watermark = watermark
        self._until = until
        if watermark is None:
            self.edge, self.claimed = progress.complete.at, progress.complete_before
        else:
            self.edge = self.claimed = min(watermark.at, until or watermark.at)
            self._step_back(watermark)
            self.progress = replace(self.progress, clocks=watermark.as_last_pass)

    # --- what a page changes

    def emit(self, positions: Sequence[Position], *, is_at_head: bool) -> list[bool]:
        """Say of each row whether it is new, and remember those that may be read again."""
        known, same = self.progress.emitted.beyond, self.same
        ids = known.among([one.id for one in positions]) if known else ()
        old = {one for one in positions if one in same or one.id in ids} if same or ids else set()
        new = [one not in old for one in positions] if old else [True] * len(positions)
        self.late.count([one for one in positions if one not in old] if old else positions)
        if self.late.rows:
            self.progress = replace(self.progress, late=self.late.added_to(self._late_before))
        emitted = self.progress.emitted
        if old:
            emitted = replace(emitted, beyond=known.without([one.id for one in old]))
        rows = [one for one in positions if one not in same] if same else positions
        begun = bisect_left(rows, self._kept, key=_at) if is_at_head else 0
        self._put(emitted.remember(rows[begun:]))
        if near := bisect_left(positions, self.horizon, key=_at):
            self._advance(positions[:near])
        if positions[0].at < self._kept:
            self._forget()
        return new

    def keep(self, segment: Segment, standing: Sequence[Position]) -> set[Position]:
        """Remember of a stretch only what stands there as it was emitted."""
        kept = segment.unmoved(standing)
        rows = [one for one in standing if one in kept]
        self._put(self.progress.emitted.put(segment.of_only(rows)))
        return kept

    def settle(self, before: Instant) -> None:
        """All up to there is complete, and no more than the frontier."""
        reached = min(Position.before(before), self.progress.frontier, key=in_order)
        if reached.follows(self.progress.complete):
            self.progress = replace(self.progress, complete=reached)

    def claim(self, before: Instant) -> None:
        """Nothing before that time is missing."""
        self.progress = replace(self.progress, complete_before=before)

    def finish(self, watermark: Watermark) -> None:
        """Close the pass: nothing was left behind its last page."""
        self._forget()
        complete, emitted = self.progress.complete, self.progress.emitted
        remembered, reach = self.progress.remembered, self.progress.reach
        if self._until is not None and watermark.at >= self._until:
            complete, emitted = Position.before(self._until), Emitted()
            remembered = reach = complete
        self.progress = replace(
            self.progress,
            complete=complete,
            frontier=max(self.progress.frontier, complete, key=in_order),
            remembered=remembered,
            reach=reach,
            emitted=Emitted(emitted.forget_before(reach.at).segments),
            last_pass=watermark.as_last_pass,
        )

    # --- what is known

    def suspects(self, positions: Sequence[Position]) -> list[Position]:
        """Those whose ids are out already."""
        if not self.progress.emitted.segments or not positions:
            return []
        found = self.progress.emitted.of_ids(set(map(_id, positions)))
        known = [one for one in positions if any(one.id in segment for segment in found)]
        return [one for one in known if one not in self.same]

    def segment(self, since: Instant) -> Segment | None:
        """The stretch that begins there, while anything of it is remembered."""
        found = (one for one in self.progress.emitted.segments if one.since == since)
        return next(found, None)

    @property
    def memory(self) -> Position:
        """What stands behind it and is complete is remembered. What is not complete and has been
        too much for the state comes again.
        """
        return min(self.progress.remembered, self.progress.complete, key=in_order)

    @property
    def horizon(self) -> Instant:
        """Rows at this time or later have a time that no clock has reached for long."""
        if self._until is not None or (last := self._last_pass) is None:
            return END
        return plus(last.clock, FAR_SECONDS)

    @property
    def far_segments(self) -> Sequence[Segment]:
        """The stretches beyond the horizon that the frontier has not followed."""
        if self._until is not None:
            return []
        behind = self.progress.emitted.behind(self.horizon)
        return [one for one in behind if one.since > self.progress.frontier.at]

    # --- small things

    def _advance(self, positions: Sequence[Position]) -> None:
        """Move the frontier, and what is complete with it where nothing is open before it."""
        last, progress = positions[-1], self.progress
        if in_order(last) <= in_order(progress.frontier):
            return
        complete = progress.complete
        if complete == progress.frontier:
            settled = bisect_left(positions, self.edge, key=_at)
            complete = positions[settled - 1] if settled else complete
        complete = max(complete, progress.complete, key=in_order)
        self.progress = replace(progress, frontier=last, complete=complete)

    def _step_back(self, watermark: Watermark) -> None:
        """The database's clock has gone back, nobody knows how far at first: rows may come below
        what was complete, and are looked for also where the state had no room to remember any.
        """
        place = self.progress.reach
        if watermark.went_back and self.progress.complete.follows(place):
            self.progress = replace(self.progress, complete=place)
            self.claim(min(watermark.at, self.progress.complete_before))

    def _forget(self) -> None:
        """Rows that are complete for long are not remembered any longer."""
        since = min(Position.before(self._kept), self.progress.complete, key=in_order)
        remembered = max(self.progress.remembered, since, key=in_order)
        reach = max(self.progress.reach, since, key=in_order)
        self.progress = replace(self.progress, remembered=remembered, reach=reach)

    def _put(self, emitted: Emitted) -> None:
        self.progress = replace(self.progress, emitted=emitted)

    @property
    def _last_pass(self) -> LastPass | None:
        return self._watermark.as_last_pass if self._watermark else self.progress.last_pass

    @property
    def _kept(self) -> Instant:
        return on_grid(minus(self.edge, KEPT_SECONDS))
