"""Times of V$ views in UTC: they are what the clock on the wall of the database host showed.

Nobody tells the zone of that clock, only its offset now. When the clock goes back, a transaction
that began before has the greater offset: with the present one it would count an hour too young, and
its rows could fall behind the watermark. So an offset that was true is kept for all that may have
begun under it. Too old costs rows that are read again, too young loses them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from tap_oracle_txlog.timestamps import Instant, instant, minus, plus, seconds_between

KEPT_SECONDS: Final = 7 * 86_400
"""No transaction is expected to be open for longer after the clock went back."""
_QUARTER: Final = 900


class Earlier(NamedTuple):
    """An offset that was greater, and the time (UTC) when it was seen to be gone."""

    offset: int
    until: Instant


@dataclass(frozen=True, slots=True)
class HostClock:
    """The offsets of the host's clock from UTC, in seconds: the present one and those before.

    What a state has to keep of it, so that a new process knows as much as the old one.
    """

    offset: int
    earlier: tuple[Earlier, ...] = ()

    def at(self, offset: int, clock: Instant) -> HostClock:
        """What is known once ``offset`` was seen at ``clock`` (UTC)."""
        before = self.earlier
        if self.offset > offset:
            before = (*before, Earlier(self.offset, clock))
        kept = (each for each in before if seconds_between(clock, each.until) < KEPT_SECONDS)
        return HostClock(offset, tuple(kept))

    def in_utc(self, wall: Instant) -> Instant:
        """The earliest time at which the clock can have shown ``wall``."""
        possible = [_shifted(wall, -self.offset)]
        for offset, until in self.earlier:
            if (at := _shifted(wall, -offset)) < until:
                possible.append(at)
        return min(possible)


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
