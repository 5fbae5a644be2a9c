"""A scan, its rows and its progress, written shortly for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.progress import Progress
from tap_oracle_txlog.rules.questions import Answer
from tap_oracle_txlog.rules.scan import Scan
from tap_oracle_txlog.rules.timestamps import (
    BEGINNING,
    Instant,
    from_nanoseconds,
    nanoseconds,
    parse,
)
from tap_oracle_txlog.rules.watermark import Watermark

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

KEY, TABLE = "EVENT_TIMESTAMP", "SPC.TXLOG_EVENTS"
NOON = parse("2026-11-22T12:00")
AT_THE_BEGINNING = Position.before(BEGINNING)


def at(second: float) -> Instant:
    return from_nanoseconds(nanoseconds(NOON) + round(second * 1_000_000_000))


def rows(*places: tuple[float, int | str]) -> list[Position]:
    return [row(second, row_id) for second, row_id in places]


def row(second: float, row_id: int | str) -> Position:
    return Position(at(second), row_id)


def progress(complete: Position = AT_THE_BEGINNING) -> Progress:
    return Progress.starting(KEY, TABLE, complete)


def resumed(bookmark: dict[str, object] | None, zone: ZoneInfo | None = None) -> Progress:
    return Progress.from_bookmark(
        bookmark, start=BEGINNING, replication_key=KEY, table=TABLE, zone=zone
    )


def a_scan(watermark: float, before: Progress | None = None, until: float | None = None) -> Scan:
    chosen = Watermark(at(watermark), at(100), "watermark", "the database clock")
    end = None if until is None else at(until)
    return Scan(before or progress(), chosen, end)


def take(scan: Scan, positions: list[Position], *, more: bool = False) -> list[bool]:
    return scan.take(Answer(positions, more))


def remembered(progress: Progress) -> list[int | str]:
    """The ids that are remembered, of all stretches."""
    ids = [segment.ids for segment in progress.emitted.segments]
    whole = [n for one in ids for low, high in one.ranges.ranges() for n in range(low, high + 1)]
    return [*whole, *sorted(str(n) for one in ids for n in one.others)]
