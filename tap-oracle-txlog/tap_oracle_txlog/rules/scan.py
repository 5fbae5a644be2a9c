"""One pass: what is asked of the table, in which order, and which of the rows are new.

First come the rows that were late: those up to the frontier that are not remembered. Then the
stretches of time that the watermark has passed are compared with the keys that stand in the table,
which tells what was deleted, moved or is there twice; after that nothing of them is looked at any
more. Then come the rows behind the frontier. A pass yields questions and takes the answers; it may
be left after any of them. This module does not know who asks the database.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from tap_oracle_txlog.errors import DataError
from tap_oracle_txlog.rules.emitted import Emitted, Segment, on_grid
from tap_oracle_txlog.rules.late_rows import LateRows
from tap_oracle_txlog.rules.progress import UNIQUE, PageDidNotAdvanceError, Position, moves_on
from tap_oracle_txlog.rules.timestamps import (
    END,
    Instant,
    from_nanoseconds,
    minus,
    nanoseconds,
    plus,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from tap_oracle_txlog.rules.id_ranges import Run
    from tap_oracle_txlog.rules.progress import Progress, RowId
    from tap_oracle_txlog.rules.watermark import LastPass, Watermark

MAX_RUNS: Final = 256
"""More runs than this are not put into a statement: then the keys are fetched and compared here."""

FAR_SECONDS: Final = 86_400
"""The frontier never follows a row that is further ahead of the clock than this."""

KEPT_SECONDS: Final = 3_600
"""Settled rows are remembered for so long, for the case that the database's clock goes back."""

MAX_ROWS_AT: Final = 256

_at, _id = attrgetter("at"), attrgetter("id")


class Rows(NamedTuple):
    """Ask for a page of rows behind ``after`` and before ``until``, without these ids."""

    after: Position
    until: Instant | None
    known: Sequence[Run] = ()


class Keys(NamedTuple):
    """Ask for a page of positions alone."""

    after: Position
    until: Instant | None


class RowsAt(NamedTuple):
    """Ask for the rows at these positions, which ascend."""

    positions: Sequence[Position]


class Answer(NamedTuple):
    """What was found: ``following`` is the position behind the last one, where it was looked at; of
    ``RowsAt`` it is the first one that was not.

    ``more`` is whether another page may hold something.
    """

    positions: Sequence[Position]
    more: bool
    following: Position | None = None


Question: TypeAlias = "Rows | Keys | RowsAt"
if TYPE_CHECKING:
    Steps: TypeAlias = "Generator[Question, Answer, None]"


class NotUniqueError(DataError):
    """Two rows that both stand in the table have one id: which of them is out cannot be told."""

    def __init__(self, row_id: RowId, table: str) -> None:
        super().__init__(
            f"the `id_column` of {table} holds {row_id!r} in more than one row", UNIQUE
        )


class Scan:
    """One pass over a table; ``question`` is what to ask next, None at its end.

    Args:
        watermark: Read before the first page; it holds for the whole pass. One that is refreshed in
            mid-pass declares rows complete that were not there when their page was read. None for
            a look at what is behind the frontier, after which nothing more is complete than before.
        until: Where a slice ends.
    """

    def __init__(
        self, progress: Progress, watermark: Watermark | None, until: Instant | None = None
    ) -> None:
        self.progress = progress
        is_back = watermark is not None and watermark.went_back > 0
        self.late = LateRows(None if is_back else progress.last_pass)
        self.moved = 0
        """Rows that were out and are emitted again, as they have got another time since."""
        self.is_at_head = False
        self.is_done = False
        self._until = until
        self._same: set[Position] = set()
        self._new: list[bool] = []
        self._watermark = watermark
        if watermark is None:
            self._edge, self._claimed = progress.complete.at, progress.complete_before
            self._steps = self._head()
        else:
            self._edge = self._claimed = min(watermark.at, until or watermark.at)
            self._step_back(watermark)
            self.progress = replace(self.progress, clocks=watermark.as_last_pass)
            self._steps = self._all(watermark)
        self.question: Question | None = next(self._steps, None)

    def take(self, answer: Answer) -> list[bool]:
        """Say of each row of the answer whether it is new; all that are count as emitted then.

        Raises:
            PageDidNotAdvanceError: The positions do not lie behind the place that was asked for.
            NotUniqueError: Rows share an id.
        """
        self._new = [False] * len(answer.positions)
        try:
            self.question = self._steps.send(answer)
        except StopIteration:
            self.question = None
        return self._new

    # --- the parts of a pass

    def _all(self, watermark: Watermark) -> Steps:
        yield from self._late()
        yield from self._head()
        if self._until is None:
            yield from self._far()
        self._finish(watermark)

    def _late(self) -> Steps:
        if not self.progress.frontier.follows(self.progress.complete):
            return
        runs = self.progress.emitted.runs(self.progress.complete.at, MAX_RUNS)
        if runs is not None:
            until = _just_after(self.progress.frontier.at)
            yield from self._pages(self.progress.complete, until, runs)
        yield from self._stretches(only_passed=runs is not None)

    def _stretches(self, *, only_passed: bool) -> Steps:
        """Compare stretches with the keys that stand there, and in the gaps before them: those that
        the watermark has passed; or all, where ids are too scattered to be named in a statement.
        """
        begun = self.progress.complete
        while behind := self.progress.emitted.behind(begun.at):
            segment = behind[0]
            is_passed = segment.before <= self._edge or self._edge == self._until
            if segment.since > self.progress.frontier.at or (only_passed and not is_passed):
                yield from self._gap(begun, min(segment.since, self._edge))
                break
            start = min(Position.before(segment.since), begun, key=_order)
            if (yield from self._compare(segment.since, start)):
                begun = Position.before(segment.before)
                if is_passed:
                    self._settle(segment.before)
        if not only_passed and begun.at <= self.progress.frontier.at:
            yield from self._pages(begun, _just_after(self.progress.frontier.at), ())

    def _gap(self, begun: Position, until: Instant) -> Steps:
        """Look between two stretches, where the next one lies behind the watermark. A row with the
        id of one in that stretch is excluded from the late pages, so nothing else finds it.
        """
        until = min(until, _just_after(self.progress.frontier.at))
        start = max(begun, self._memory, key=_order)
        if start.at < until:
            standing = yield from self._keys(start, until)
            while suspects := self._suspects(standing):
                yield from self._look_for(suspects)
                standing = yield from self._keys(start, until)
            yield from self._fetch([one for one in standing if one not in self._same])
            self._settle(until)

    def _head(self) -> Steps:
        until = self._until or (self._horizon if self._far_segments else None)
        self.is_at_head = True
        yield from self._pages(self.progress.frontier, until, ())
        self.is_at_head = False
        self._claim(self._claimed)
        self.is_done = self._watermark is None

    def _far(self) -> Steps:
        """Rows beyond the horizon are few, so their keys are compared one by one."""
        begun = Position.before(self._horizon)
        if far := self._far_segments:
            for segment in far:
                if (yield from self._compare(segment.since, begun)):
                    begun = Position.before(segment.before)
            standing = yield from self._keys(begun, None)
            yield from self._fetch(standing)

    def _finish(self, watermark: Watermark) -> None:
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
            frontier=max(self.progress.frontier, complete, key=_order),
            remembered=remembered,
            reach=reach,
            emitted=Emitted(emitted.forget_before(reach.at).segments),
            last_pass=watermark.as_last_pass,
        )
        self.is_done = True

    # --- pages of rows

    def _pages(self, after: Position, until: Instant | None, known: Sequence[Run]) -> Steps:
        more = True
        while more:
            answer = yield Rows(after, until, known)
            more = answer.more
            if not answer.positions:
                return
            self._check_ids(answer)
            _check_order(after, answer)
            if suspects := self._suspects(answer.positions):
                yield from self._look_for(suspects)
                more = True
                continue
            after = answer.positions[-1]
            self._emit(answer.positions)
            if more and not known:
                self._claim(min(after.at, self._claimed))

    def _emit(self, positions: Sequence[Position]) -> None:
        """Rows that are not known to be out are new; what may be read again is remembered."""
        known, same = self.progress.emitted.beyond, self._same
        ids = known.among([one.id for one in positions]) if known else ()
        old = {one for one in positions if one in same or one.id in ids} if same or ids else set()
        self._new = [one not in old for one in positions] if old else [True] * len(positions)
        self.late.count([one for one in positions if one not in old] if old else positions)
        emitted = self.progress.emitted
        if old:
            emitted = replace(emitted, beyond=known.without([one.id for one in old]))
        rows = [one for one in positions if one not in same] if same else positions
        begun = bisect_left(rows, self._kept, key=_at) if self.is_at_head else 0
        self._put(emitted.remember(rows[begun:]))
        if near := bisect_left(positions, self._horizon, key=_at):
            self._advance(positions[:near])
        if positions[0].at < self._kept:
            self._forget()

    def _advance(self, positions: Sequence[Position]) -> None:
        """Move the frontier, and what is complete with it where nothing is open before it."""
        last, progress = positions[-1], self.progress
        if _order(last) <= _order(progress.frontier):
            return
        complete = progress.complete
        if complete == progress.frontier:
            settled = bisect_left(positions, self._edge, key=_at)
            complete = positions[settled - 1] if settled else complete
        complete = max(complete, progress.complete, key=_order)
        self.progress = replace(progress, frontier=last, complete=complete)

    # --- comparing with the keys that stand in the table

    def _compare(self, since: Instant, start: Position) -> Generator[Question, Answer, bool]:
        """Compare what is remembered of one stretch with what stands there, from ``start`` on.

        False when meanwhile nothing of it is remembered any more.
        """
        while (segment := self._segment(since)) is not None:
            until = min(segment.before, self._until or segment.before)
            start = max(start, self._memory, key=_order)
            standing = yield from self._keys(start, until)
            if segment.is_exactly(standing):
                return True
            if (yield from self._are_twins(_twins(standing))):
                continue
            strange = [one for one in standing if one.id not in segment]
            if suspects := self._suspects(strange):
                yield from self._look_for(suspects)
                continue
            kept = self._keep(segment, standing)
            self.moved += len(standing) - len(strange) - len(kept)
            yield from self._fetch([one for one in standing if one not in kept])
            return True
        return False

    def _look_for(self, suspects: Sequence[Position]) -> Steps:
        """Rows with ids that are out: either a row with another time still stands, or it is gone
        and its id is forgotten, or these are the very rows that are out.
        """
        wanted = {one.id: one for one in suspects}
        for found in self.progress.emitted.of_ids(wanted.keys()):
            start = max(Position.before(found.since), self._memory, key=_order)
            standing = yield from self._keys(start, found.before)
            others = [one for one in standing if one.id in wanted and one != wanted[one.id]]
            for one in others:
                if (yield from self._are_twins((one, wanted[one.id]))):
                    return
            kept = self._keep(found, standing)
            self._same.update(one for one in kept if one.id in wanted)
            self.moved += sum(one in found for one in wanted) - len(self._same)

    def _keep(self, segment: Segment, standing: Sequence[Position]) -> set[Position]:
        """Remember of a stretch only what stands there as it was emitted."""
        kept = segment.unmoved(standing)
        rows = [one for one in standing if one in kept]
        self._put(self.progress.emitted.put(segment.of_only(rows)))
        return kept

    def _fetch(self, positions: Sequence[Position]) -> Steps:
        """The rows at places where one stands that is not out."""
        start = 0
        while start < len(positions):
            answer = yield RowsAt(positions[start : start + MAX_ROWS_AT])
            if answer.positions:
                _check_order(Position.before(answer.positions[0].at), answer)
                self._emit(answer.positions)
            if answer.following is None:
                start += MAX_ROWS_AT
            else:
                start = positions.index(answer.following, start + 1)

    def _keys(
        self, after: Position, until: Instant | None
    ) -> Generator[Question, Answer, list[Position]]:
        found: list[Position] = []
        more = True
        while more:
            answer = yield Keys(after, until)
            more = answer.more
            if answer.positions:
                _check_order(after, answer)
                after = answer.positions[-1]
                found += answer.positions
        return found

    # --- small things

    def _suspects(self, positions: Sequence[Position]) -> list[Position]:
        """Those whose ids are out already."""
        if not self.progress.emitted.segments or not positions:
            return []
        found = self.progress.emitted.of_ids(set(map(_id, positions)))
        known = [one for one in positions if any(one.id in segment for segment in found)]
        return [one for one in known if one not in self._same]

    def _check_ids(self, answer: Answer) -> None:
        if twins := _twins(_with_following(answer)):
            raise NotUniqueError(twins[0].id, self.progress.table)

    def _are_twins(
        self, twins: tuple[Position, Position] | None
    ) -> Generator[Question, Answer, bool]:
        """Whether the places of two rows with one id have to be looked at anew, as only one of them
        stands there by now.

        Raises:
            NotUniqueError: Both do, at one time.
        """
        if twins is None:
            return False
        answer = yield RowsAt(sorted(twins, key=_order))
        if len(answer.positions) > 1:
            raise NotUniqueError(twins[0].id, self.progress.table)
        return True

    def _segment(self, since: Instant) -> Segment | None:
        found = (one for one in self.progress.emitted.segments if one.since == since)
        return next(found, None)

    def _settle(self, before: Instant) -> None:
        """All up to there is complete, and no more than the frontier."""
        reached = min(Position.before(before), self.progress.frontier, key=_order)
        if reached.follows(self.progress.complete):
            self.progress = replace(self.progress, complete=reached)

    def _step_back(self, watermark: Watermark) -> None:
        """The database's clock has gone back, nobody knows how far at first: rows may come below
        what was complete, and are looked for also where the state had no room to remember any.
        """
        place = self.progress.reach
        if watermark.went_back and self.progress.complete.follows(place):
            self.progress = replace(self.progress, complete=place)
            self._claim(min(watermark.at, self.progress.complete_before))

    def _forget(self) -> None:
        """Rows that are complete for long are not remembered any longer."""
        since = min(Position.before(self._kept), self.progress.complete, key=_order)
        remembered = max(self.progress.remembered, since, key=_order)
        reach = max(self.progress.reach, since, key=_order)
        self.progress = replace(self.progress, remembered=remembered, reach=reach)

    def _claim(self, before: Instant) -> None:
        self.progress = replace(self.progress, complete_before=before)

    def _put(self, emitted: Emitted) -> None:
        self.progress = replace(self.progress, emitted=emitted)

    @property
    def _memory(self) -> Position:
        """What stands behind it and is complete is remembered. What is not complete and has been
        too much for the state comes again.
        """
        return min(self.progress.remembered, self.progress.complete, key=_order)

    @property
    def _last_pass(self) -> LastPass | None:
        return self._watermark.as_last_pass if self._watermark else self.progress.last_pass

    @property
    def _horizon(self) -> Instant:
        """Rows at this time or later have a time that no clock has reached for long."""
        if self._until is not None or (last := self._last_pass) is None:
            return END
        return plus(last.clock, FAR_SECONDS)

    @property
    def _far_segments(self) -> Sequence[Segment]:
        if self._until is not None:
            return []
        behind = self.progress.emitted.behind(self._horizon)
        return [one for one in behind if one.since > self.progress.frontier.at]

    @property
    def _kept(self) -> Instant:
        return on_grid(minus(self._edge, KEPT_SECONDS))


def _twins(positions: Sequence[Position]) -> tuple[Position, Position] | None:
    """Two of them that have one id."""
    if len(set(map(_id, positions))) == len(positions):
        return None
    seen: dict[RowId, Position] = {}
    for one in positions:
        if one.id in seen:
            return seen[one.id], one
        seen[one.id] = one
    return None


def _with_following(answer: Answer) -> Sequence[Position]:
    return answer.positions if answer.following is None else [*answer.positions, answer.following]


def _check_order(after: Position, answer: Answer) -> None:
    positions = _with_following(answer)
    if not moves_on(after, positions):
        raise PageDidNotAdvanceError(after, positions)


def _just_after(at: Instant) -> Instant:
    return from_nanoseconds(nanoseconds(at) + 1)


def _order(position: Position) -> tuple[Instant, bool, int | str]:
    return (position.at, position.id is not None, position.id if position.id is not None else 0)
