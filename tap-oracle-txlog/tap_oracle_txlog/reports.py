"""What a run says about passes: how far it is complete, what came late, what may come again."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from tap_oracle_txlog.rules.durations import format_duration
from tap_oracle_txlog.rules.long_hold import LongHold

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_oracle_txlog.diagnosis import Finding
    from tap_oracle_txlog.rules.late_count import LateCount
    from tap_oracle_txlog.rules.progress import Progress
    from tap_oracle_txlog.rules.scan import Scan
    from tap_oracle_txlog.rules.watermark import NotReadable, Watermark

logger = logging.getLogger(__name__)

#: While nothing changes, a run that follows the table says so this often.
QUIET_SECONDS: Final = 60.0


class Reports:
    """Says each thing once, and counts what came late over all passes.

    Args:
        lookback, skew: The window, in seconds.
        clock: Seconds, from any moment on.
    """

    def __init__(
        self, lookback: float, skew: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lookback = lookback
        self._window = lookback + skew
        self._announced: set[str] = set()
        self._late: LateCount | None = None
        self._late_before = 0
        self._is_back = False
        self._hold = LongHold()
        self._clock = clock
        self._watermark_shown: tuple[float, str] | None = None

    @property
    def late(self) -> int:
        """Rows that an earlier pass could not see although their time was before it."""
        return self._late_before + (self._late.rows if self._late is not None else 0)

    def access(self, found: Finding | None) -> None:
        """Say how the rows of a filter are found, where there is one."""
        if found is not None:
            level = logging.INFO if found.status == "ok" else logging.WARNING
            self.announce(level, f"{found.text}. {found.remedy}".removesuffix(". "))

    def scan(self, scan: Scan) -> None:
        """A pass begins."""
        self._late_before, self._late = self.late, scan.late

    def watermark(self, watermark: Watermark) -> None:
        """It was chosen, before the first page of a pass."""
        if (fallen := watermark.fallen_from) is not None:
            self._fallen(fallen)
        if watermark.went_back and not self._is_back:
            logger.log(
                logging.WARNING if watermark.went_far_back else logging.INFO,
                "the database clock went back by %.0f s since the previous pass. Rows may still "
                "arrive before the bookmark, so the tap looks for them again. Check the clocks of "
                "the database hosts",
                watermark.went_back,
            )
        self._is_back = watermark.went_back > 0
        logger.log(
            self._level_of(watermark),
            "watermark %s (%s, %.0f s behind the database clock, limited by %s)",
            watermark.at,
            watermark.strategy,
            watermark.lag,
            watermark.held_by,
            extra={"watermark": watermark.at, "lag_seconds": watermark.lag},
        )
        if held := self._hold.warning(watermark, self._window):
            logger.warning("%s", held)

    def _level_of(self, watermark: Watermark) -> int:
        """A watermark is worth a line when something else limits it, and else once a minute."""
        now, shown = self._clock(), self._watermark_shown
        if shown and shown[1] == watermark.held_by and now < shown[0] + QUIET_SECONDS:
            return logging.DEBUG
        self._watermark_shown = now, watermark.held_by
        return logging.INFO

    def end_of_scan(self, scan: Scan) -> None:
        """What the rows of a pass tell about the window."""
        if scan.moved:
            self.announce(
                logging.WARNING,
                "the timestamps of rows already sent have changed (an UPDATE, or a table that was "
                "emptied and loaded again); these rows are sent again",
            )
        late = scan.late
        if late.rows > late.below:
            self._came_late(late)
        if late.below:
            self.announce(
                logging.WARNING,
                "rows arrived below the watermark of an earlier pass, up to "
                f"{format_duration(late.most_seconds)} late. They are missed if newer rows are "
                "already there. Set source_timezone if the replication key is not in UTC; raise "
                "lookback_seconds above that if rows are loaded late. To fetch those that were "
                "missed, run a backfill of their time (start_date, end_date; docs/backfill.md)",
                key="below",
            )

    def left_out(self, progress: Progress) -> None:
        """Say when the state cannot name every row that may be read again."""
        if count := progress.left_out:
            self.announce(
                logging.WARNING,
                f"the state has no room for {count} rows beyond the bookmark; the next run sends "
                "them again, and the target has to recognise them",
                key="left out",
            )

    def announce(self, level: int, text: str, key: str = "") -> None:
        """Say it once in a run."""
        if (key or text) not in self._announced:
            self._announced.add(key or text)
            logger.log(level, "%s", text)

    def _fallen(self, fallen: NotReadable) -> None:
        self.announce(
            logging.WARNING if fallen.right_missing else logging.INFO,
            f"late commits: {fallen.why}, so rows of a transaction that stays open for more than "
            f"{self._lookback:g} s can be missed. {fallen.remedy}",
        )

    def _came_late(self, late: LateCount) -> None:
        logger.info(
            "delivered %d late-committed rows (up to %.1f s late)",
            late.rows,
            late.most_seconds,
            extra={"late": late.rows, "late_seconds": late.most_seconds},
        )
        if late.nearly_missed(self._window):
            logger.warning(
                "a late row was only %.1f s away from being missed. Raise lookback_seconds",
                late.margin_seconds,
            )
