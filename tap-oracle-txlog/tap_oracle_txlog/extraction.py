"""The loop that reads a table: passes, pages, reconnects, and what is said about them.

Everything that decides whether a row is new or complete is in the rules (``keyset``,
``watermark``); everything that talks to a database is in the sources. Here is the order in which
the one is asked and the other is told: the watermark is read before the first page of a pass and is
kept for the pass.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from tap_oracle_txlog.errors import DataError
from tap_oracle_txlog.id_ranges import Memory
from tap_oracle_txlog.source import PageTooLargeError, SourceLostError
from tap_oracle_txlog.watermark import choose_watermark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.keyset import NullKeyScan, Progress, Scan
    from tap_oracle_txlog.row import Row
    from tap_oracle_txlog.source import Column, Page, Source
    from tap_oracle_txlog.timestamps import Instant
    from tap_oracle_txlog.watermark import LateRows, Strategy, Watermark

logger = logging.getLogger(__name__)

#: Rows without a key are counted up to here.
NULL_KEYS_COUNTED = 1_000

NullKey = Literal["warn", "fail", "emit"]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ExtractionSettings:
    """How a table is read; times in seconds, sizes in rows, 0 for "no limit"."""

    page_size: int
    max_records: int
    strategy: Strategy
    lookback: float
    skew: float
    max_ranges: int
    null_key: NullKey
    poll_interval: float


class Batch(NamedTuple):
    """New rows, and what is out once they are; the last one of a pass says that it is."""

    rows: Sequence[Row]
    progress: Progress
    ends_pass: bool = False


class Extraction:
    """Reads one table from ``progress`` on.

    Args:
        open_source: Connects; called again after a connection was lost.
        waits: Makes the waits between two tries, in seconds; exhausted means: give up.
        sleep: Waits; may raise when the process is asked to end.
        clock: Seconds, from any moment on.
    """

    def __init__(
        self,
        open_source: Callable[[], Source],
        settings: ExtractionSettings,
        *,
        waits: Callable[[], Iterable[float]],
        sleep: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_source = open_source
        self._source: Source | None = None
        self._settings = settings
        self._waits = waits
        self._sleep = sleep
        self._clock = clock
        self._page_size = settings.page_size
        self._announced: set[str] = set()
        self._late: LateRows | None = None
        self._late_before = 0
        self.emitted = 0
        self.watermark: Watermark | None = None
        """That of the last pass."""

    def batches(self, progress: Progress, *, until: Instant | None = None) -> Iterator[Batch]:
        """Read to the end of what is visible; where polling is asked for, until all before
        ``until`` is complete, or for ever.

        Raises:
            TapError: The source refuses, or is away for longer than the waits last.
        """
        while True:
            next_pass = self._clock() + self._settings.poll_interval
            for batch in self._pass(progress, until):
                progress = batch.progress
                yield batch
            is_covered = until is not None and progress.covers(until)
            if not self._settings.poll_interval or is_covered or self.is_capped:
                return
            self._sleep(max(0.0, next_pass - self._clock()))

    @property
    def late(self) -> int:
        """Rows of this run that an earlier pass could not see although their time was before it."""
        return self._late_before + (self._late.rows if self._late is not None else 0)

    @property
    def is_capped(self) -> bool:
        """Whether the run has had all the rows that it may have."""
        return 0 < self._settings.max_records <= self.emitted

    @property
    def key_zone(self) -> ZoneInfo | None:
        """As ``Source.key_zone``; connects when there is no connection yet."""
        return self._read(lambda source: source.key_zone)

    def columns(self) -> Sequence[Column]:
        """As ``Source.columns``; connects when there is no connection yet."""
        return self._read(lambda source: source.columns())

    def close(self) -> None:
        """Release the connection."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def _pass(self, progress: Progress, until: Instant | None) -> Iterator[Batch]:
        self.watermark = watermark = self._read(self._watermark)
        scan = progress.scan(watermark, until=until, max_ranges=self._settings.max_ranges)
        self._late_before, self._late = self.late, scan.late

        def next_page(source: Source, size: int) -> Page:
            return source.page(scan.after, size, until=until)

        with_null_keys = until is None and self._settings.null_key != "warn"
        for batch in self._pages(scan, next_page):
            progress = batch.progress
            yield batch._replace(ends_pass=batch.ends_pass and not with_null_keys)
        self._tell_late(scan.late)
        if until is None and not self.is_capped:
            yield from self._null_keys(progress)

    def _pages(
        self, scan: Scan | NullKeyScan, next_page: Callable[[Source, int], Page]
    ) -> Iterator[Batch]:
        """Batches to the end of the scan, or to the cap; a page that is not full is the last
        one.
        """
        is_last = False
        while not is_last and not self.is_capped:
            page, size = self._read(lambda source: self._fetch(source, next_page))
            new = scan.admit(page.positions)
            is_last = len(page.rows) < size
            if is_last:
                scan.finish()
            rows = page.rows if all(new) else list(compress(page.rows, new))
            self.emitted += len(rows)
            self._tell_memory(scan.memory)
            logger.debug("page of %d rows, %d of them new", len(page.rows), len(rows))
            yield Batch(rows, scan.progress, ends_pass=is_last)

    def _fetch(self, source: Source, next_page: Callable[[Source, int], Page]) -> tuple[Page, int]:
        size = self._size()
        return next_page(source, size), size

    def _size(self) -> int:
        """How many rows to ask for: a page, or what the cap leaves of it."""
        if not self._settings.max_records:
            return self._page_size
        return min(self._page_size, self._settings.max_records - self.emitted)

    def _null_keys(self, progress: Progress) -> Iterator[Batch]:
        """Rows without a replication key are in no page: emit them by id, or say that they are
        there.
        """
        if self._settings.null_key != "emit":
            self._tell_null_keys()
            if self._settings.null_key == "fail":
                yield Batch((), progress, ends_pass=True)
            return
        scan = progress.null_key_scan(max_ranges=self._settings.max_ranges)
        for batch in self._pages(
            scan, lambda source, size: source.null_key_page(scan.after_id, size)
        ):
            if batch.rows or batch.progress != progress or batch.ends_pass:
                yield batch

    def _read(self, ask: Callable[[Source], _T]) -> _T:
        """Ask the source; connect anew when it was lost, and ask for less when it was too much."""
        waits = iter(self._waits())
        while True:
            try:
                if self._source is None:
                    self._source = self._open_source()
                return ask(self._source)
            except PageTooLargeError as too_large:
                if (size := self._size()) <= 1:
                    raise too_large.error from too_large
                self._page_size = size // 2
                logger.warning("%s; going on with pages of %d rows", too_large, self._page_size)
            except SourceLostError as lost:
                self.close()
                if (wait := next(waits, None)) is None:
                    raise lost.error from lost
                logger.warning("%s; trying again in %.1f s", lost, wait)
                self._sleep(wait)

    def _watermark(self, source: Source) -> Watermark:
        settings = self._settings
        clock = source.clock()
        watermark = choose_watermark(
            clock,
            source.open_transactions(),
            strategy=settings.strategy,
            lookback=settings.lookback,
            skew=settings.skew,
            zone=source.key_zone,
        )
        if (fallen := watermark.fallen_from) is not None:
            self._announce(
                logging.WARNING if fallen.right_missing else logging.INFO,
                f"late commits: {fallen.why}, so a transaction that is open for longer than "
                f"{settings.lookback:g} s can be missed. {fallen.remedy}",
            )
        logger.info(
            "complete up to %s at most (%s, %.0f s behind the database clock, held by %s)",
            watermark.at,
            watermark.strategy,
            watermark.lag,
            watermark.held_by,
            extra={"watermark": watermark.at, "lag_seconds": watermark.lag},
        )
        return watermark

    def _tell_late(self, late: LateRows) -> None:
        if not late.rows:
            return
        logger.info(
            "%d rows came late, at most %.1f s after the pass that could not see them: delivered",
            late.rows,
            late.most_seconds,
            extra={"late": late.rows, "late_seconds": late.most_seconds},
        )
        if late.nearly_missed(self._settings.lookback + self._settings.skew):
            logger.warning(
                "a row came only %.1f s before it would have been missed. Raise lookback_seconds",
                late.margin_seconds,
            )

    def _tell_memory(self, memory: Memory) -> None:
        if memory is not Memory.EXACT:
            self._announce(
                logging.WARNING,
                f"rows beyond the bookmark may come again: {memory.value}. The target has to "
                "recognise them by their message ids",
            )

    def _tell_null_keys(self) -> None:
        found, limit = self._read(self._count_null_keys)
        if not found:
            return
        count = f"{found}{' or more' if found == limit else ''}"
        reason = f"{count} rows have no replication key and are not read"
        if self._settings.null_key == "fail":
            raise DataError(reason, "Give them one, or set null_key: emit or warn")
        self._announce(logging.WARNING, f"{reason}. Set null_key: emit to get them")

    def _count_null_keys(self, source: Source) -> tuple[int, int]:
        limit = min(NULL_KEYS_COUNTED, self._page_size)
        return len(source.null_key_page(None, limit).rows), limit

    def _announce(self, level: int, text: str) -> None:
        if text not in self._announced:
            self._announced.add(text)
            logger.log(level, "%s", text)
