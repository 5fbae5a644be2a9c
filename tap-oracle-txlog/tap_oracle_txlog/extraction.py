"""The loop that reads a table: passes, questions, and what is said about them.

Everything that decides whether a row is new or complete is in the rules (``scan``, ``watermark``);
everything that talks to a database is in the sources. This module puts the two in order: the
watermark is read before the first page of a pass, and does not change until the pass is over. While
polling, it asks for new rows every time, and for late ones as often as a tenth of the time allows.
"""

from __future__ import annotations

import logging
import time
from itertools import compress
from typing import TYPE_CHECKING, Final, TypeVar

from tap_oracle_txlog.answers import answer_of, read_keys, read_page
from tap_oracle_txlog.errors import DataError
from tap_oracle_txlog.reader import Reader
from tap_oracle_txlog.reading import Emission, Pause, read_watermark
from tap_oracle_txlog.reports import Reports
from tap_oracle_txlog.rules.null_keys import NullKeyScan
from tap_oracle_txlog.rules.questions import Keys, Rows, RowsAt
from tap_oracle_txlog.rules.scan import Scan
from tap_oracle_txlog.rules.time_check import INSERTED, NEWEST_ROWS, TimeCheck

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.reading import ExtractionSettings
    from tap_oracle_txlog.row import Row
    from tap_oracle_txlog.rules.progress import Progress
    from tap_oracle_txlog.rules.questions import Question
    from tap_oracle_txlog.rules.timestamps import Instant
    from tap_oracle_txlog.rules.watermark import Watermark
    from tap_oracle_txlog.source import Column, Page, Source

logger = logging.getLogger(__name__)

#: Rows without a key are counted up to here.
NULL_KEYS_COUNTED: Final = 1_000

LATE_SHARE: Final = 0.1
"""The part of the time that may go into looking for late rows while polling."""

_T = TypeVar("_T")


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
        self._reader = Reader(open_source, settings.page_size, waits=waits, sleep=sleep)
        self._settings = settings
        self._clock = clock
        self._reports = Reports(settings.lookback, settings.skew, clock)
        self._times = TimeCheck(self.window, settings.skew)
        self._late_spent = 0.0
        self._late_due: float | None = None
        self.emitted = 0
        self.watermark: Watermark | None = None
        """That of the newest pass."""

    def emissions(
        self, progress: Progress, *, until: Instant | None = None
    ) -> Iterator[Emission[Progress] | Pause]:
        """Read to the end of what is visible; where polling is asked for, until all before
        ``until`` is complete, or for ever, with a pause between two passes.

        Raises:
            TapError: The source refuses, or is away for longer than the waits last.
        """
        self._reports.access(self._read(lambda source: source.access()))
        while True:
            next_pass = self._clock() + self._settings.poll_interval
            ended = True
            for emission in self._pass(progress, until):
                progress, ended = emission.progress, emission.ends_pass
                yield emission
            is_covered = until is not None and progress.covers(until)
            if not self._settings.poll_interval or is_covered or self.is_capped:
                return
            if ended:
                yield Pause(max(0.0, next_pass - self._clock()))

    @property
    def late(self) -> int:
        """Rows of this run that an earlier pass could not see although their time was before it."""
        return self._reports.late

    @property
    def is_capped(self) -> bool:
        """Whether the run has had all the rows that it may have."""
        return 0 < self._settings.max_records <= self.emitted

    @property
    def window(self) -> float:
        """By how many seconds a watermark is behind what holds it: look-back and clock skew."""
        return self._settings.lookback + self._settings.skew

    @property
    def key_zone(self) -> ZoneInfo | None:
        """As ``Source.key_zone``; connects when there is no connection yet."""
        return self._read(lambda source: source.key_zone)

    def columns(self) -> Sequence[Column]:
        """As ``Source.columns``; connects when there is no connection yet."""
        return self._read(lambda source: source.columns())

    def hand_over(self) -> Source | None:
        """Leave the open source to the caller."""
        return self._reader.hand_over()

    def close(self) -> None:
        """Release the connection."""
        self._reader.close()

    # --- passes

    def _pass(self, progress: Progress, until: Instant | None) -> Iterator[Emission[Progress]]:
        """A whole pass, or a look at what is new while the next one is not due."""
        if until is None and self._late_due is not None and self._clock() < self._late_due:
            yield from self._look(progress)
            return
        self._late_spent = 0.0
        watermark = self._timed(
            lambda source: read_watermark(source, self._settings, progress.clocks, self._clock)
        )
        self.watermark = watermark
        self._reports.watermark(watermark)
        scan = Scan(progress, watermark, until)
        self._reports.scan(scan)
        with_null_keys = until is None and self._settings.null_key != "warn"
        while scan.question is not None and not self.is_capped:
            rows = self._next(scan)
            if rows or scan.is_done:
                yield Emission(rows, scan.progress, scan.is_done and not with_null_keys)
        self._reports.end_of_scan(scan)
        self._late_due = self._clock() + self._late_spent * (1 / LATE_SHARE - 1)
        if until is None and not self.is_capped:
            yield from self._null_keys(scan.progress)

    def _look(self, progress: Progress) -> Iterator[Emission[Progress]]:
        """One page behind the frontier; when it is full, a whole pass is due."""
        scan, ended = Scan(progress, None), True
        self._reports.scan(scan)
        while scan.question is not None and not self.is_capped:
            is_page = scan.is_at_head
            rows = self._next(scan)
            if rows or scan.is_done > ended:
                ended = scan.is_done
                yield Emission(rows, scan.progress, ended)
                if is_page and not scan.is_done:
                    self._late_due = None
                    return

    def _next(self, scan: Scan) -> Sequence[Row]:
        """Put the scan's question, and give the rows of the answer that are new."""
        question = scan.question
        assert question is not None  # noqa: S101
        if isinstance(question, Keys):
            scan.take(self._timed(lambda source: read_keys(source, question)))
            return []
        begun, is_late = self._clock(), not scan.is_at_head
        page, size = self._reader.ask(
            lambda source, size: read_page(source, question, size), self._most(question)
        )
        if is_late:
            self._late_spent += self._clock() - begun
        answer = answer_of(question, page, size)
        if isinstance(question, Rows) and question.until is None and not answer.more:
            self._check_times(page)
        new = scan.take(answer)
        shown = page.rows[: len(new)]
        rows = shown if all(new) else list(compress(shown, new))
        self.emitted += len(rows)
        logger.debug("page of %d rows, %d of them new", len(page.rows), len(rows))
        self._reports.left_out(scan.progress)
        self._ask_ahead(scan)
        return rows

    def _check_times(self, page: Page) -> None:
        """Look at the rows at the head of the table, once in a run."""
        if page.rows and self.watermark is not None:
            newest = page.positions[-NEWEST_ROWS:]
            inserted = (row.record().get(INSERTED) for row in page.rows[-NEWEST_ROWS:])
            zone = self.key_zone
            for odd in self._times.warnings(newest, inserted, self.watermark.clock, zone):
                self._reports.announce(logging.WARNING, odd)

    def _ask_ahead(self, scan: Scan) -> None:
        """Let the next page come while this one is written."""
        question = scan.question
        if isinstance(question, Rows) and scan.is_at_head and not self.is_capped:
            most = self._most(question)
            self._reader.ask_ahead(lambda source, size: read_page(source, question, size), most)

    def _null_keys(self, progress: Progress) -> Iterator[Emission[Progress]]:
        """Rows without a replication key are in no page: emit them by id, or say that they are
        there.
        """
        if self._settings.null_key != "emit":
            self._check_null_keys()
            if self._settings.null_key == "fail":
                yield Emission((), progress, ends_pass=True)
            return
        scan, more = NullKeyScan(progress), True
        while more and not self.is_capped:
            page, size = self._reader.ask(
                lambda source, size: (source.null_key_page(scan.after_id, size), size),
                self._remaining(),
            )
            new = scan.admit(page.positions)
            more = len(page.rows) == size or page.is_cut
            if not more:
                scan.finish()
            rows = list(compress(page.rows, new))
            self.emitted += len(rows)
            yield Emission(rows, scan.progress, not more)

    def _check_null_keys(self) -> None:
        limit = NULL_KEYS_COUNTED
        if not (found := self._timed(lambda source: source.null_keys(limit))):
            return
        count = f"{found}{' or more' if found == limit else ''}"
        reason = f"{count} rows with a NULL replication key are not read"
        if self._settings.null_key == "fail":
            raise DataError(reason, "Fill it in, or set null_key: emit or warn")
        self._reports.announce(logging.WARNING, f"{reason}. Set null_key: emit to send them")

    # --- asking

    def _read(self, ask: Callable[[Source], _T]) -> _T:
        return self._reader.ask(lambda source, _: ask(source))

    def _timed(self, ask: Callable[[Source], _T]) -> _T:
        """As ``_read``, and the time it takes counts as spent on late rows."""
        begun = self._clock()
        try:
            return self._read(ask)
        finally:
            self._late_spent += self._clock() - begun

    def _remaining(self) -> int:
        """How many rows the run may still have, or a page."""
        settings = self._settings
        return settings.max_records - self.emitted if settings.max_records else settings.page_size

    def _most(self, question: Question) -> int:
        if isinstance(question, RowsAt):
            return min(len(question.positions), self._remaining())
        return self._remaining()
