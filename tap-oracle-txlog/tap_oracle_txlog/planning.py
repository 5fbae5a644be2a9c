"""The command ``--plan-slices``: cuts what a table has into slices for jobs that run side by side.

No slice ends beyond the watermark: rows could still be committed there, and a slice is read once.
The tail begins where the last slice ends, so that both together read each row, and none twice.
"""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.reading import read_watermark
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.shares import at_bounds
from tap_oracle_txlog.rules.slices import MAX_SLICES, between, plan
from tap_oracle_txlog.rules.timestamps import Instant
from tap_oracle_txlog.slice_plan import Plan, PlannedSlice
from tap_oracle_txlog.source import PageTooLargeError, SourceLostError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_oracle_txlog.rules.watermark import Watermark
    from tap_oracle_txlog.slice_plan import By
    from tap_oracle_txlog.source import Divisible
    from tap_oracle_txlog.table import Table

logger = logging.getLogger(__name__)


def plan_slices(table: Table, count: int, by: By) -> Plan:
    """A plan of ``count`` slices, or of fewer where the table cannot be cut so often.

    Raises:
        ConfigurationError: There is nothing to cut, or the settings ask for more than is complete.
        TapError: The source refuses, or is away.
    """
    if count > MAX_SLICES:
        reason = f"--plan-slices {count} is too many"
        raise ConfigurationError(reason, f"Ask for {MAX_SLICES:,} at most")
    try:
        with closing(table.open_source()) as source:
            return _plan(table, source, count, by)
    except (SourceLostError, PageTooLargeError) as lost:
        raise lost.error from lost


def _plan(table: Table, source: Divisible, count: int, by: By) -> Plan:
    settings, names = table.settings.tap, table.names
    watermark = read_watermark(source, settings.extraction)
    start, end = settings.start(source.key_zone), settings.end(source.key_zone)
    end = _end(end, watermark)
    oldest = _oldest(source, start, end, names.table)
    cuts = _cuts(source, (start, oldest, end), count, by)
    slices = between(start, end, (cut for cut in cuts if cut > oldest))  # the first has rows
    if len(slices) < count:
        logger.warning(
            "%d slices instead of %d: %s has no more places to cut", len(slices), count, names.table
        )
    logger.info("the tail begins at %s, by the clock of %s", end, names.replication_key)
    return Plan(
        table=names.table,
        replication_key=names.replication_key,
        by=by,
        tail_start_date=end,
        slices=[PlannedSlice(*one) for one in slices],
    )


def _end(wanted: Instant | None, watermark: Watermark) -> Instant:
    """Where the slices end: at a whole second, where nothing else is asked for."""
    if wanted is None:
        return Instant(f"{watermark.at[:20]}000000000")
    if wanted > watermark.at:
        reason = (
            f"`end_date` {wanted} is beyond the watermark {watermark.at}, held by "
            f"{watermark.held_by}: rows can still be committed before it"
        )
        raise ConfigurationError(reason, "Leave it out, or set it to an earlier time")
    return wanted


def _oldest(source: Divisible, start: Instant, end: Instant, table: str) -> Instant:
    """The time of the first row that is going to be read."""
    if start < end and (found := source.keys(Position.before(start), 1, until=end)):
        return found[0].at
    reason = f"{table} has no rows from {start} on and before {end}"
    raise ConfigurationError(reason, "Set start_date and end_date, or let the tail read the table")


def _cuts(
    source: Divisible, span: tuple[Instant, Instant, Instant], count: int, by: By
) -> Sequence[Instant]:
    """Where slices begin; what does not cut the span is left out later.

    Args:
        source: To ask for rows and partitions.
        span: Its start, its first row and its end.
        count: How many slices are wanted.
        by: What is to be equal.
    """
    start, oldest, end = span
    if by == "rows":
        return source.shares(start, end, count)[1:]
    if by == "partitions":
        return at_bounds(source.partitions(), start, end, count)
    try:
        return [one.start for one in plan(max(start, oldest), end, count)[1:]]
    except ValueError as error:
        raise ConfigurationError(str(error), "Ask for fewer slices") from error
