"""The loop that puts the cases of a table together; it has the face of ``Extraction``.

It asks two things of a table: which events came, of which only the case and the type are read, and
all events of the cases that have ended. The table is the only memory: where a run goes on, it reads
the events of the last quiet time once more, and knows which cases are open.
"""

from __future__ import annotations

import logging
import time
from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from msgspec.structs import replace

from tap_oracle_txlog.cases import MEMBERS
from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.reader import Reader
from tap_oracle_txlog.reading import Emission, Pause, read_watermark
from tap_oracle_txlog.reports import Reports
from tap_oracle_txlog.row import CaseRow, row_type
from tap_oracle_txlog.rules.cases import Event, OpenCases, revision
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import BEGINNING, just_after, minus, plus

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.cases import CasesOf
    from tap_oracle_txlog.reading import ExtractionSettings
    from tap_oracle_txlog.row import Row
    from tap_oracle_txlog.rules.case_progress import CaseProgress
    from tap_oracle_txlog.rules.cases import CaseId, End
    from tap_oracle_txlog.rules.filter import Filter
    from tap_oracle_txlog.rules.timestamps import Instant
    from tap_oracle_txlog.rules.watermark import Watermark
    from tap_oracle_txlog.source import Page, Source

logger = logging.getLogger(__name__)

AT_ONCE: Final = (256, 64, 16, 4, 1)
"""So many cases are asked for in one statement: few sizes, so that the database knows each one."""

_T = TypeVar("_T")


class Seen(NamedTuple):
    """What was read of one case: all its events and their times, and the first rows."""

    events: list[Event]
    times: list[object]
    rows: list[Row]


class CaseExtraction:
    """Puts the cases of one table together.

    Args:
        open_source: Connects to the table; its argument are the columns to read, None for all.
        cases: What a case is.
        key: The replication key, as records name it.
        selected: Columns that events may have beside key, id, case and type; None for all.
        settings: How the table is read; ``max_records`` are cases.
        waits: Makes the waits between two tries, in seconds; exhausted means: give up.
        sleep: Waits; may raise when the process is asked to end.
        clock: Seconds, from any moment on.
    """

    late = 0  # events that come late are in a later revision

    def __init__(  # noqa: PLR0913 - what a case is, beside what every loop needs
        self,
        open_source: Callable[[Sequence[str] | None], Source],
        cases: CasesOf,
        key: str,
        selected: Collection[str] | None,
        settings: ExtractionSettings,
        *,
        waits: Callable[[], Iterable[float]],
        sleep: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        size = settings.page_size
        columns = [cases.by, *([cases.type] if cases.type else [])]
        whole = None if selected is None else [*columns, *selected]
        self._narrow = Reader(lambda: open_source(columns), size, waits=waits, sleep=sleep)
        self._wide = Reader(lambda: open_source(whole), size, waits=waits, sleep=sleep)
        self._cases = cases
        self._key = key
        self._settings = settings
        self._clock = clock
        self._reports = Reports(settings.lookback, settings.skew, clock)
        self._record = row_type([cases.by, *MEMBERS], CaseRow)
        self._open: OpenCases | None = None
        self.emitted = 0
        self.watermark: Watermark | None = None

    @property
    def is_capped(self) -> bool:
        """As ``Extraction.is_capped``, of cases."""
        return 0 < self._settings.max_records <= self.emitted

    @property
    def window(self) -> float:
        """By how many seconds cases are behind what holds the watermark."""
        return self._settings.lookback + self._settings.skew + self._cases.quiet

    @property
    def key_zone(self) -> ZoneInfo | None:
        """As ``Source.key_zone``; connects when there is no connection yet."""
        return self._read(lambda source: source.key_zone)

    def close(self) -> None:
        """Release the connections."""
        self._narrow.close()
        self._wide.close()

    def emissions(
        self, progress: CaseProgress, *, until: Instant | None = None
    ) -> Iterator[Emission[CaseProgress] | Pause]:
        """As ``Extraction.emissions``: the cases that have ended, in the order in which that became
        certain; before ``until``, those that have ended with an event before it.

        Raises:
            TapError: The source refuses, or is away for longer than the waits last.
        """
        self._reports.access(self._read(lambda source: source.access(self._cases.rows(None))))
        self._open = None
        while True:
            next_pass = self._clock() + self._settings.poll_interval
            for emission in self._pass(progress, until):
                progress = emission.progress
                yield emission
                if self._settings.poll_interval and not emission.ends_pass:
                    yield Pause(0.0)  # a table may take hours; the events are not to wait for it
            is_covered = until is not None and progress.covers(until)
            if not self._settings.poll_interval or is_covered or self.is_capped:
                return
            yield Pause(max(0.0, next_pass - self._clock()))

    # --- a pass

    def _pass(
        self, progress: CaseProgress, until: Instant | None
    ) -> Iterator[Emission[CaseProgress]]:
        self.watermark = watermark = self._read(
            lambda source: read_watermark(source, self._settings, progress.clocks, self._clock)
        )
        self._reports.watermark(watermark)
        progress = replace(progress, clocks=watermark.as_last_pass)
        if watermark.at < progress.frontier.at:  # the clock went back: events may come in between
            progress = replace(
                progress, frontier=Position.before(watermark.at), settled=watermark.at
            )
            self._open = None
        if self._open is None:
            self._open = self._still_open(progress)
        edge = watermark.at
        if until is not None:
            edge = min(edge, plus(until, self._cases.quiet))
        more = edge > progress.settled
        if not more:
            yield Emission((), progress, ends_pass=True)
        while more and not self.is_capped:
            page, size = self._events_behind(progress.frontier, edge)
            more = len(page.rows) == size or page.is_cut
            frontier = page.positions[-1] if page.positions else progress.frontier
            settled = frontier.at if more else edge
            ends = [*self._open.take(self._events(page)), *self._open.pass_time(settled)]
            made: Sequence[Row] = ()
            for rows in self._assembled([end for end in ends if progress.wants(end, until)]):
                if made:
                    yield Emission(made, progress)
                made = rows
                self.emitted += len(rows)
            progress = replace(progress, frontier=frontier, settled=settled)
            yield Emission(made, progress, ends_pass=not more)

    def _still_open(self, progress: CaseProgress) -> OpenCases:
        """The cases that had not ended when the run before this one did."""
        found = OpenCases(self._cases.quiet)
        place = Position.before(minus(progress.settled, self._cases.quiet))
        until = just_after(progress.frontier.at)
        more = progress.frontier.follows(place)
        while more:
            page, size = self._events_behind(place, until)
            more = len(page.rows) == size or page.is_cut
            # Those behind the frontier, at its very instant, are taken once more, which changes
            # nothing; the order of text ids is known to the database alone.
            for _ in found.take(self._events(page)):
                pass  # these are out
            place = page.positions[-1] if page.positions else place
        for _ in found.pass_time(progress.settled):
            pass  # and these
        return found

    def _events_behind(self, place: Position, until: Instant) -> tuple[Page, int]:
        return self._narrow.ask(
            lambda source, size: (source.page(place, size, until=until), size),
            self._settings.page_size,
        )

    def _events(self, page: Page) -> list[Event]:
        """The rows of a page, as events; those of no case have None for it."""
        cases = self._values(page, self._cases.by)
        ends: Iterable[bool] = repeat(False)
        if not set(map(type, cases)) <= {str, int, type(None)}:
            reason = f"column {self._cases.by} cannot be `assemble_by`: it holds fractions"
            raise ConfigurationError(reason, "Choose a column of text or whole numbers")
        if self._cases.type is not None:
            types = self._values(page, self._cases.type)
            is_end = {one: self._cases.is_end(one) for one in set(types)}
            ends = map(is_end.__getitem__, types)
        return list(map(Event, page.positions, cases, ends))

    @staticmethod
    def _values(page: Page, name: str) -> list[Any]:
        """One column of a page."""
        if not page.rows:
            return []
        row = page.rows[0]
        place = row.__struct_encode_fields__.index(name)
        return list(map(attrgetter(row.__struct_fields__[place]), page.rows))

    # --- whole cases

    def _assembled(self, ends: Sequence[End]) -> Iterator[Sequence[Row]]:
        """The records of cases, as they have ended."""
        start = 0
        while start < len(ends):
            size = next(one for one in AT_ONCE if one <= len(ends) - start)
            wanted = ends[start : start + size]
            seen = self._whole(wanted)
            if any(end.case not in seen for end in wanted):
                text = "cases are not sent whose rows have left the table since they have ended"
                self._reports.announce(logging.WARNING, text)
            yield [
                self._put_together(end, of_case, count)
                for end in wanted
                if (of_case := seen.get(end.case)) and (count := _events_up_to(end, of_case))
            ]
            start += size

    def _whole(self, ends: Sequence[End]) -> dict[CaseId | None, Seen]:
        """All events of these cases, up to the last one that is wanted."""
        found: dict[CaseId | None, Seen] = {}
        wanted = self._cases.rows(*dict.fromkeys(end.case for end in ends))
        until = just_after(max(end.position.at for end in ends))
        place, more = Position.before(BEGINNING), True
        while more:
            page, size = self._page_of(wanted, place, until)
            more = len(page.rows) == size or page.is_cut
            times = self._values(page, self._key)
            for event, at, row in zip(self._events(page), times, page.rows, strict=True):
                events, ats, rows = found.get(event.case) or found.setdefault(
                    event.case, Seen([], [], [])
                )
                events.append(event)
                ats.append(at)
                if len(rows) < self._cases.max_events:
                    rows.append(row)
            place = page.positions[-1] if page.positions else place
        return found

    def _page_of(self, wanted: Filter, place: Position, until: Instant) -> tuple[Page, int]:
        return self._wide.ask(
            lambda source, size: (source.page_of(wanted, place, size, until=until), size),
            self._settings.page_size,
        )

    def _put_together(self, end: End, seen: Seen, count: int) -> Row:
        """The record of a case as it was at one of its ends, of so many events."""
        rows = seen.rows[:count]
        return self._record(
            end.case,
            len(rows) == count,
            revision(seen.events[:count], self._cases.quiet),
            seen.times[0],
            seen.times[count - 1],
            count,
            rows,
        )

    def _read(self, ask: Callable[[Source], _T]) -> _T:
        return self._narrow.ask(lambda source, _: ask(source))


def _events_up_to(end: End, seen: Seen) -> int:
    """How many events a case had at an end; where that row is gone by now, those before it."""
    events = enumerate(seen.events, 1)
    place = next((number for number, one in events if one.position == end.position), None)
    return place or sum(not one.position.follows(end.position) for one in seen.events)
