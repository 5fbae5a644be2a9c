"""The test of the model test: a tap with one mistake in it must not pass.

Each mistake is a tap that differs from the real one in one rule. They are mistakes that were made:
by the loop that this tap replaces, by known connectors, or while the rules were written.
"""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from typing_extensions import override

from tap_oracle_txlog.rules.emitted import Emitted
from tap_oracle_txlog.rules.id_sets import IdSet
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.questions import Answer, Keys, Question, Rows
from tap_oracle_txlog.rules.timestamps import Instant, nanoseconds, plus
from tap_oracle_txlog.rules.watermark import (
    NoneOpen,
    NotReadable,
    Oldest,
    Watermark,
    choose_watermark,
)
from tools.model.history import SKEW, Tap, make, play
from tools.model.world import wall_clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_oracle_txlog.rules.progress import Progress
    from tap_oracle_txlog.rules.scan import Scan
    from tap_oracle_txlog.rules.watermark import OpenTransactions

HISTORIES = 2_000
EPOCH_1970 = nanoseconds(Instant("1970-01-01T00:00:00.000000000"))


class ReadsTheLastInstantAgain(Tap):
    """``>=`` on the bookmark."""

    @override
    def load(self, state: str | None) -> Progress:
        before = super().load(state)
        place = Position.before(before.frontier.at)
        return replace(before, frontier=place, emitted=Emitted())


class SkipsTheLastInstant(Tap):
    """``>`` on the bookmark."""

    @override
    def page(self, question: Rows) -> list[Position]:
        found = super().page(question)
        return [one for one in found if one.at > question.after.at]


class AsksForTheLastRowAgain(Tap):
    """``>=`` between pages: without the guard a loop."""

    @override
    def page(self, question: Rows) -> list[Position]:
        return super().page(question._replace(after=Position.before(question.after.at)))


class RoundsTheBookmarkUp(Tap):
    """As a column of whole seconds does when the database rounds."""

    @override
    def save(self, progress: Progress) -> None:
        at = progress.frontier.at
        if at[20:] != "000000000":
            second = Position.before(plus(Instant(f"{at[:19]}.000000000"), 1))
            progress = replace(progress, complete=second, frontier=second)
        super().save(progress)


class BookmarkIsTheNewestRow(Tap):
    """``max(EVENT_TIMESTAMP)``, as incremental extractors have it."""

    @override
    def save(self, progress: Progress) -> None:
        super().save(replace(progress, complete=progress.frontier))


class ReadsOnBehindTheWatermark(Tap):
    """Where no row is: what is loaded late is never read."""

    @override
    def save(self, progress: Progress) -> None:
        place = Position.before(progress.complete_before)
        if place.follows(progress.frontier):
            progress = replace(progress, complete=place, frontier=place)
        super().save(progress)


class BookmarkIsNow(Tap):
    """The time of the poll, as V7 has it."""

    @override
    def begin(self, watermark: Watermark | None) -> Scan:
        return super().begin(watermark and replace(watermark, at=watermark.clock))


class HasNoLookback(Tap):
    @override
    def choose(self, clock: Instant, open_transactions: OpenTransactions) -> Watermark:
        strategy, zone, last = self.history.strategy, self.history.zone, self.progress.clocks
        return choose_watermark(
            clock, open_transactions, strategy=strategy, lookback=0, skew=SKEW, zone=zone, last=last
        )


class TrustsAllClocks(Tap):
    @override
    def choose(self, clock: Instant, open_transactions: OpenTransactions) -> Watermark:
        strategy, lookback, zone = self.history.strategy, self.history.lookback, self.history.zone
        return choose_watermark(
            clock, open_transactions, strategy=strategy, lookback=lookback, skew=0, zone=zone
        )


class TakesNotReadableForNoneOpen(Tap):
    @override
    def choose(self, clock: Instant, open_transactions: OpenTransactions) -> Watermark:
        known = NoneOpen() if isinstance(open_transactions, NotReadable) else open_transactions
        return super().choose(clock, known)


class IgnoresOpenTransactions(Tap):
    @override
    def choose(self, clock: Instant, open_transactions: OpenTransactions) -> Watermark:
        return super().choose(clock, NoneOpen())


class LooksAtTransactionsBeforeTheClock(Tap):
    """What begins between the two is in neither."""

    @override
    def look(self) -> Iterator[None]:
        self.open_transactions = self.world.open_transactions()
        yield
        self.clock = self.world.clock()
        self.other_clock = self.world.other_clock()


class RefreshesTheWatermark(Tap):
    """A watermark read behind the first page says nothing of the rows before it."""

    @override
    def scan(self, scan: Scan) -> Iterator[None]:
        for _ in super().scan(scan):
            watermark = self.choose(self.world.clock(), self.world.open_transactions())
            scan._tracking.edge = max(watermark.at, scan._tracking.edge)
            yield


class ForgetsThatTheClockWasAhead(Tap):
    """Takes a clock that has gone back for the time."""

    @override
    def choose(self, clock: Instant, open_transactions: OpenTransactions) -> Watermark:
        return replace(super().choose(clock, open_transactions), went_back=0.0)


class LooksBackAsFarAsTheStateHasRoom(Tap):
    """Takes for settled what is only not remembered."""

    may_repeat = True
    state_bytes = 400

    @override
    def load(self, state: str | None) -> Progress:
        before = super().load(state)
        return replace(before, reach=before.remembered)


class LooksAtTheDatabaseClockAlone(Tap):
    """Does not notice when it has made up for what it went back."""

    @override
    def choose(self, clock: Instant, open_transactions: OpenTransactions) -> Watermark:
        self.other_clock = clock
        return super().choose(clock, open_transactions)


class ForgetsTheClocksOfAPassThatWasKilled(Tap):
    @override
    def save(self, progress: Progress) -> None:
        super().save(replace(progress, clocks=progress.last_pass))


class ForgetsTheHostsOffset(Tap):
    """Reckons the start of a transaction by the offset of today."""

    @override
    def choose(self, clock: Instant, open_transactions: OpenTransactions) -> Watermark:
        known = open_transactions
        if isinstance(known, Oldest | NoneOpen):
            known = replace(known, host_offset=0)
        return super().choose(clock, known)


class ComparesNothing(Tap):
    """Believes that ids are unique and times stay."""

    @override
    def answer(self, question: Question) -> Answer:
        answer = super().answer(question)
        return Answer([], more=False) if isinstance(question, Keys) else answer


class TrustsThatNoRowMoves(Tap):
    """Takes a row for the one that is out because its id is."""

    @override
    def save(self, progress: Progress) -> None:
        kept = [replace(one, checks=array("I"), total=0) for one in progress.emitted.segments]
        super().save(replace(progress, emitted=Emitted(tuple(kept))))


class ReadsTheWallClockPlainly(Tap):
    """Forgets that the hour is going to be repeated."""

    @override
    def choose(self, clock: Instant, open_transactions: OpenTransactions) -> Watermark:
        utc = choose_watermark(
            clock,
            open_transactions,
            strategy=self.history.strategy,
            lookback=self.history.lookback,
            skew=SKEW,
            last=self.progress.clocks,
        )
        return replace(utc, at=wall_clock(nanoseconds(utc.at) - EPOCH_1970, self.history.zone))


class ForgetsWhatItEmitted(Tap):
    @override
    def save(self, progress: Progress) -> None:
        super().save(replace(progress, emitted=Emitted()))


class ForgetsTheRowsWithoutKey(Tap):
    @override
    def save(self, progress: Progress) -> None:
        super().save(replace(progress, null_ids=IdSet()))


class NeverReadsTheRowsWithoutKey(Tap):
    @override
    def null_keys(self) -> Iterator[None]:
        yield


class ClosesThePassTooEarly(Tap):
    """At a cap, say: the pass ends although rows are left behind its last page."""

    @override
    def answer(self, question: Question) -> Answer:
        return super().answer(question)._replace(more=False)


class NeverLooksForLateRows(Tap):
    @override
    def begin(self, watermark: Watermark | None) -> Scan:
        self.progress = replace(self.progress, complete=self.progress.frontier)
        return super().begin(watermark)


FREQUENT: dict[type[Tap], dict[str, int]] = {
    LooksAtTransactionsBeforeTheClock: {"begin": 16, "pause": 20},
    ForgetsThatTheClockWasAhead: {"failover": 4},
    LooksBackAsFarAsTheStateHasRoom: {"failover": 4, "kill": 10, "pause": 16},
    LooksAtTheDatabaseClockAlone: {"failover": 4, "pause": 20},
    ForgetsTheClocksOfAPassThatWasKilled: {"failover": 6, "kill": 10, "pause": 16},
    ForgetsTheHostsOffset: {"host_clock": 8, "kill": 8, "pause": 16},
    ComparesNothing: {"reload": 6, "pause": 20},
    TrustsThatNoRowMoves: {"reload": 6},
}
"""What has to happen often, so that not too many histories are needed."""


@pytest.mark.parametrize(
    ("mistake", "symptom"),
    [
        (ReadsTheLastInstantAgain, "twice"),
        (SkipsTheLastInstant, "lost"),
        (AsksForTheLastRowAgain, "does not move strictly forward"),
        (RoundsTheBookmarkUp, "lost"),
        (BookmarkIsTheNewestRow, "lost"),
        (ReadsOnBehindTheWatermark, "lost"),
        (BookmarkIsNow, "lost"),
        (HasNoLookback, "lost"),
        (TrustsAllClocks, "lost"),
        (TakesNotReadableForNoneOpen, "lost"),
        (IgnoresOpenTransactions, "lost"),
        (LooksAtTransactionsBeforeTheClock, "lost"),
        (RefreshesTheWatermark, "lost"),
        (ReadsTheWallClockPlainly, "lost"),
        (ForgetsWhatItEmitted, "twice"),
        (ForgetsTheRowsWithoutKey, "twice"),
        (NeverReadsTheRowsWithoutKey, "lost"),
        (ClosesThePassTooEarly, "lost"),
        (NeverLooksForLateRows, "lost"),
        (ForgetsThatTheClockWasAhead, "lost"),
        (LooksBackAsFarAsTheStateHasRoom, "lost"),
        (LooksAtTheDatabaseClockAlone, "lost"),
        (ForgetsTheClocksOfAPassThatWasKilled, "lost"),
        (ForgetsTheHostsOffset, "lost"),
        (ComparesNothing, "lost"),
        (TrustsThatNoRowMoves, "twice"),
    ],
)
def test_a_tap_with_one_mistake_is_found_out(mistake: type[Tap], symptom: str) -> None:
    histories = (make(seed, FREQUENT.get(mistake)) for seed in range(HISTORIES))
    failures = (play(history, mistake) for history in histories)
    assert any(failure is not None and symptom in failure for failure in failures)
