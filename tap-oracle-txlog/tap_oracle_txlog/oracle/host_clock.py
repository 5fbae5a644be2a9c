"""Times of V$ views in UTC: they are what the clock on the wall of the database host showed.

Nobody tells the zone of that clock, only its offset now. When the clock goes back, a transaction
that began before has the greater offset: with the present one it would count an hour too young, and
its rows could fall behind the watermark. So a start counts as the earliest that it can have been,
if any zone of the world that is at this offset has just gone back to it. Too old costs rows that
are read again, too young loses them. This asks for no memory: it holds in the first run as well.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from tap_oracle_txlog.rules.timestamps import (
    Instant,
    from_datetime,
    instant,
    minus,
    plus,
    seconds_between,
)

REMEMBERED: Final = timedelta(days=7)
"""No transaction is expected to be open for longer after the clock went back."""
_QUARTER: Final = 900


class Earlier(NamedTuple):
    """An offset that was greater, in seconds, and the time (UTC) when it ended."""

    offset: int
    until: Instant


def in_utc(wall: Instant, offset: int, clock: Instant) -> Instant:
    """The earliest time at which a clock can have shown ``wall``.

    Args:
        wall: What it showed.
        offset: Its offset at ``clock`` (UTC), in seconds.
        clock: The time.
    """
    possible = [_shifted(wall, -offset)]
    for before, until in gone_back(offset, clock[: len("2026-10-25T01")]):
        if (at := _shifted(wall, -before)) < until:
            possible.append(at)
    return min(possible)


@lru_cache(maxsize=64)
def gone_back(offset: int, hour: str) -> frozenset[Earlier]:
    """The greater offsets from which zones have gone back to ``offset`` in the days before."""
    end = datetime.fromisoformat(f"{hour}:59:59+00:00")
    found = (_went_back(ZoneInfo(name), offset, end) for name in available_timezones())
    return frozenset(each for each in found if each is not None)


def _went_back(zone: ZoneInfo, offset: int, end: datetime) -> Earlier | None:
    begin = end - REMEMBERED
    before = _offset(zone, begin)
    if _offset(zone, end) != offset or before <= offset:
        return None
    while end - begin > timedelta(seconds=1):
        middle = begin + (end - begin) // 2
        begin, end = (middle, end) if _offset(zone, middle) == before else (begin, middle)
    return Earlier(before, from_datetime(end.replace(microsecond=0)))


def _offset(zone: ZoneInfo, at: datetime) -> int:
    return int((at.astimezone(zone).utcoffset() or timedelta()).total_seconds())


def seconds_of(offset: str) -> int:
    """Of an offset as TZH:TZM writes it."""
    hours, minutes = int(offset[1:3]), int(offset[4:6])
    return (hours * 3600 + minutes * 60) * (-1 if offset[0] == "-" else 1)


def measured(wall: Instant, clock: Instant) -> int:
    """The offset of a clock that showed ``wall`` at about ``clock`` (UTC): whole quarter hours."""
    return round(seconds_between(wall, clock) / _QUARTER) * _QUARTER


def wall_time(text: str) -> Instant:
    """A time as `SECONDS` writes it."""
    return instant(f"{text}.000000000")


def _shifted(at: Instant, seconds: int) -> Instant:
    return plus(at, seconds) if seconds >= 0 else minus(at, -seconds)
