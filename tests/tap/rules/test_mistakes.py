"""The test of the model test: a tap with one mistake in it must not pass.

Each mistake is a tap that differs from the real one in one rule. They are mistakes that were made:
by the loop that this tap replaces, by known connectors, or while the rules were written.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from typing_extensions import override

from tap_oracle_txlog.id_ranges import IdRanges
from tap_oracle_txlog.keyset import Position, Progress, Scan
from tap_oracle_txlog.timestamps import Instant, nanoseconds, plus
from tap_oracle_txlog.watermark import NoneOpen, NotReadable, Watermark, choose_watermark
from tests.tap.rules.history import SKEW, Tap, make, play
from tests.tap.rules.world import wall_clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_oracle_txlog.watermark import OpenTransactions

HISTORIES = 2_000
LAST_ID = 10**18
EPOCH_1970 = nanoseconds(Instant("1970-01-01T00:00:00.000000000"))


class ReadsTheLastInstantAgain(Tap):
    """``>=`` on the bookmark."""

    @override
    def load(self, state: str | None) -> Progress:
        progress = super().load(state)
        return replace(progress, complete=Position.before(progress.complete.at))


class SkipsTheLastInstant(Tap):
    """``>`` on the bookmark."""

    @override
    def load(self, state: str | None) -> Progress:
        progress = super().load(state)
        return replace(progress, complete=Position(progress.complete.at, LAST_ID))


class AsksForTheLastRowAgain(Tap):
    """``>=`` between pages: without the guard a loop."""

    @override
    def page(self, scan: Scan) -> list[Position]:
        return self.world.page(Position.before(scan.after.at), self.history.page_size, None)


class RoundsTheBookmarkUp(Tap):
    """As a column of whole seconds does when the database rounds."""

    @override
    def save(self, progress: Progress) -> None:
        at = progress.complete.at
        if at[20:] != "000000000":
            second = plus(Instant(f"{at[:19]}.000000000"), 1)
            progress = replace(progress, complete=Position.before(second))
        super().save(progress)


class BookmarkIsTheNewestRow(Tap):
    """``max(EVENT_TIMESTAMP)``, as incremental extractors have it."""

    @override
    def save(self, progress: Progress) -> None:
        newest = self.world.visible[-1] if self.world.visible else progress.complete
        out = newest.id in self.output.rows
        super().save(replace(progress, complete=newest) if out else progress)


class BookmarkIsNow(Tap):
    """The time of the poll, as V7 has it."""

    @override
    def begin(self, watermark: Watermark) -> Scan:
        return self.progress.scan(replace(watermark, at=watermark.clock))


class HasNoLookback(Tap):
    @override
    def choose(self, clock: Instant, open_transactions: OpenTransactions) -> Watermark:
        strategy, zone = self.history.strategy, self.history.zone
        return choose_watermark(
            clock, open_transactions, strategy=strategy, lookback=0, skew=SKEW, zone=zone
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


class RefreshesTheWatermark(Tap):
    """A watermark read behind the first page says nothing of the rows before it."""

    @override
    def page(self, scan: Scan) -> list[Position]:
        watermark = self.choose(self.world.clock(), self.world.open_transactions())
        scan._edge = Position.before(max(watermark.at, scan._edge.at))
        return super().page(scan)


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
        )
        return replace(utc, at=wall_clock(nanoseconds(utc.at) - EPOCH_1970, self.history.zone))


class ForgetsWhatItEmitted(Tap):
    @override
    def save(self, progress: Progress) -> None:
        super().save(replace(progress, emitted=IdRanges()))


class ForgetsTheRowsWithoutKey(Tap):
    @override
    def save(self, progress: Progress) -> None:
        super().save(replace(progress, null_ids=IdRanges()))


class NeverReadsTheRowsWithoutKey(Tap):
    @override
    def null_keys(self) -> Iterator[None]:
        yield


class ClosesThePassTooEarly(Tap):
    """At a cap, say: the pass ends although rows are left behind its last page."""

    @override
    def page(self, scan: Scan) -> list[Position]:
        positions = super().page(scan)
        scan._complete(scan._edge)
        return positions


@pytest.mark.parametrize(
    ("mistake", "symptom"),
    [
        (ReadsTheLastInstantAgain, "twice"),
        (SkipsTheLastInstant, "lost"),
        (AsksForTheLastRowAgain, "does not move strictly forward"),
        (RoundsTheBookmarkUp, "lost"),
        (BookmarkIsTheNewestRow, "lost"),
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
    ],
)
def test_a_tap_with_one_mistake_is_found_out(mistake: type[Tap], symptom: str) -> None:
    failures = (play(make(seed), mistake) for seed in range(HISTORIES))
    assert any(failure is not None and symptom in failure for failure in failures)
