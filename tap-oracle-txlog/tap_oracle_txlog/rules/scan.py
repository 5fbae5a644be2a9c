"""One pass: late rows first, then moved ones, then those that are new.

First come the rows that were late: those up to the frontier that are not remembered. Then the
stretches of time that the watermark has passed are compared with the keys that stand in the table,
which tells what was deleted, moved or is there twice; after that nothing of them is looked at any
more. Then come the rows behind the frontier. A pass yields questions and takes the answers; it may
be left after any of them. This module does not know who asks the database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from tap_oracle_txlog.rules.position import NotUniqueError, Position, in_order, twins
from tap_oracle_txlog.rules.questions import MAX_ROWS_AT, MAX_RUNS, Answer, Keys, Rows, RowsAt
from tap_oracle_txlog.rules.timestamps import just_after
from tap_oracle_txlog.rules.tracking import Tracking

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from tap_oracle_txlog.rules.id_ranges import Run
    from tap_oracle_txlog.rules.late_count import LateCount
    from tap_oracle_txlog.rules.progress import Progress
    from tap_oracle_txlog.rules.questions import Question
    from tap_oracle_txlog.rules.timestamps import Instant
    from tap_oracle_txlog.rules.watermark import Watermark

    Steps: TypeAlias = "Generator[Question, Answer, None]"


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
        self.is_at_head = False
        self.is_done = False
        self._until = until
        self._is_whole = watermark is not None
        self._new: list[bool] = []
        self._tracking = Tracking(progress, watermark, until)
        self._steps = self._head() if watermark is None else self._all(watermark)
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

    @property
    def progress(self) -> Progress:
        """What is out by now."""
        return self._tracking.progress

    @property
    def late(self) -> LateCount:
        """The rows so far that the last pass could not see."""
        return self._tracking.late

    @property
    def moved(self) -> int:
        """Rows that were out and are emitted again, as they have got another time since."""
        return self._tracking.moved

    # --- the parts of a pass

    def _all(self, watermark: Watermark) -> Steps:
        yield from self._late()
        yield from self._head()
        if self._until is None:
            yield from self._far()
        self._tracking.finish(watermark)
        self.is_done = True

    def _late(self) -> Steps:
        if not self.progress.frontier.follows(self.progress.complete):
            return
        runs = self.progress.emitted.runs(self.progress.complete.at, MAX_RUNS)
        if runs is not None:
            until = just_after(self.progress.frontier.at)
            yield from self._pages(self.progress.complete, until, runs)
        yield from self._stretches(only_passed=runs is not None)

    def _stretches(self, *, only_passed: bool) -> Steps:
        """Compare stretches with the keys that stand there, and in the gaps before them: those that
        the watermark has passed; or all, where ids are too scattered to be named in a statement.
        """
        begun = self.progress.complete
        while behind := self.progress.emitted.behind(begun.at):
            segment = behind[0]
            is_passed = segment.before <= self._tracking.edge or self._tracking.edge == self._until
            if segment.since > self.progress.frontier.at or (only_passed and not is_passed):
                yield from self._gap(begun, min(segment.since, self._tracking.edge))
                break
            start = min(Position.before(segment.since), begun, key=in_order)
            if (yield from self._compare(segment.since, start)):
                begun = Position.before(segment.before)
                if is_passed:
                    self._tracking.settle(segment.before)
        else:  # a stretch whose rows have all moved is gone, with what would have been its gap
            if only_passed:
                yield from self._gap(begun, self._tracking.edge)
        if not only_passed and begun.at <= self.progress.frontier.at:
            yield from self._pages(begun, just_after(self.progress.frontier.at), ())

    def _gap(self, begun: Position, until: Instant) -> Steps:
        """Look behind the last stretch that was compared, up to the next one or the frontier. A row
        with the id of one that is remembered there is excluded from the late pages, so nothing else
        finds it.
        """
        until = min(until, just_after(self.progress.frontier.at))
        start = max(begun, self._tracking.memory, key=in_order)
        if start.at < until:
            standing = yield from self._keys(start, until)
            while suspects := self._tracking.suspects(standing):
                yield from self._look_for(suspects)
                standing = yield from self._keys(start, until)
            yield from self._fetch([one for one in standing if one not in self._tracking.same])
            self._tracking.settle(until)

    def _head(self) -> Steps:
        until = self._until or (self._tracking.horizon if self._tracking.far_segments else None)
        self.is_at_head = True
        yield from self._pages(self.progress.frontier, until, ())
        self.is_at_head = False
        self._tracking.claim(self._tracking.claimed)
        self.is_done = not self._is_whole

    def _far(self) -> Steps:
        """Rows beyond the horizon are few, so their keys are compared one by one."""
        begun = Position.before(self._tracking.horizon)
        if far := self._tracking.far_segments:
            for segment in far:
                if (yield from self._compare(segment.since, begun)):
                    begun = Position.before(segment.before)
            standing = yield from self._keys(begun, None)
            yield from self._fetch(standing)

    # --- pages of rows

    def _pages(self, after: Position, until: Instant | None, known: Sequence[Run]) -> Steps:
        more = True
        while more:
            answer = yield Rows(after, until, known)
            more = answer.more
            if not answer.positions:
                return
            self._check_ids(answer)
            answer.check_order(after)
            if suspects := self._tracking.suspects(answer.positions):
                yield from self._look_for(suspects)
                more = True
                continue
            after = answer.positions[-1]
            self._emit(answer.positions)
            if more and not known:
                self._tracking.claim(min(after.at, self._tracking.claimed))

    def _emit(self, positions: Sequence[Position]) -> None:
        self._new = self._tracking.emit(positions, is_at_head=self.is_at_head)

    # --- comparing with the keys that stand in the table

    def _compare(self, since: Instant, start: Position) -> Generator[Question, Answer, bool]:
        """Compare what is remembered of one stretch with what stands there, from ``start`` on.

        False when meanwhile nothing of it is remembered any more.
        """
        while (segment := self._tracking.segment(since)) is not None:
            until = min(segment.before, self._until or segment.before)
            start = max(start, self._tracking.memory, key=in_order)
            standing = yield from self._keys(start, until)
            if segment.is_exactly(standing):
                return True
            if (yield from self._are_twins(twins(standing))):
                continue
            strange = [one for one in standing if one.id not in segment]
            if suspects := self._tracking.suspects(strange):
                yield from self._look_for(suspects)
                continue
            kept = self._tracking.keep(segment, standing)
            self._tracking.moved += len(standing) - len(strange) - len(kept)
            yield from self._fetch([one for one in standing if one not in kept])
            return True
        return False

    def _look_for(self, suspects: Sequence[Position]) -> Steps:
        """Rows with ids that are out: either a row with another time still stands, or it is gone
        and its id is forgotten, or these are the very rows that are out.
        """
        wanted = {one.id: one for one in suspects}
        for found in self.progress.emitted.of_ids(wanted.keys()):
            start = max(Position.before(found.since), self._tracking.memory, key=in_order)
            standing = yield from self._keys(start, found.before)
            others = [one for one in standing if one.id in wanted and one != wanted[one.id]]
            for one in others:
                if (yield from self._are_twins((one, wanted[one.id]))):
                    return
            kept = self._tracking.keep(found, standing)
            same = {one for one in kept if one.id in wanted}
            self._tracking.same |= same
            self._tracking.moved += sum(one in found for one in wanted) - len(same)

    def _fetch(self, positions: Sequence[Position]) -> Steps:
        """The rows at places where one stands that is not out."""
        start = 0
        while start < len(positions):
            answer = yield RowsAt(positions[start : start + MAX_ROWS_AT])
            if answer.positions:
                answer.check_order(Position.before(answer.positions[0].at))
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
                answer.check_order(after)
                after = answer.positions[-1]
                found += answer.positions
        return found

    # --- small things

    def _check_ids(self, answer: Answer) -> None:
        if pair := twins(answer.with_following):
            raise NotUniqueError(pair[0].id, self.progress.table)

    def _are_twins(
        self, pair: tuple[Position, Position] | None
    ) -> Generator[Question, Answer, bool]:
        """Whether the places of two rows with one id must be looked at again, as only one of them
        stands there by now.

        Raises:
            NotUniqueError: Both do, at one time.
        """
        if pair is None:
            return False
        answer = yield RowsAt(sorted(pair, key=in_order))
        if len(answer.positions) > 1:
            raise NotUniqueError(pair[0].id, self.progress.table)
        return True
