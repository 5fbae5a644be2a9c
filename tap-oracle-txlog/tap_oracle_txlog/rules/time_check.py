"""Whether the times of rows can be what they are taken for.

A key in local time that is taken for UTC is ahead of the clock or behind it by whole quarter hours,
as all zones are. East of Greenwich every row would be new for hours; west of it every row would be
older than what is complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_oracle_txlog.rules.durations import format_duration
from tap_oracle_txlog.rules.timestamps import parse, seconds_between

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.rules.position import Position
    from tap_oracle_txlog.rules.timestamps import Instant

INSERTED: Final = "CREATED_AT"
"""The column that says when a row was inserted, where a table has it."""
NEWEST_ROWS: Final = 100
"""So many of the newest rows are looked at."""
_QUARTER: Final = 900
_FARTHEST: Final = 14 * 3600
_NEAR_SECONDS: Final = 20
"""How exactly a distance has to be whole quarter hours: an idle table is so by chance, too."""


def is_of_zones(seconds: float) -> bool:
    """Whether it can be the distance between the clocks of two zones."""
    quarters = round(seconds / _QUARTER)
    near = abs(seconds - quarters * _QUARTER) <= _NEAR_SECONDS
    return quarters != 0 and near and abs(seconds) <= _FARTHEST + _NEAR_SECONDS


def advice(key: str, behind: float, *, skew: float) -> tuple[str, str] | None:
    """What is odd about the newest row, and what to set; None for nothing.

    Args:
        key: How to call its time.
        behind: Seconds by which it is behind the clock of the database.
        skew: Seconds by which it may be ahead.
    """
    if -skew <= behind and not is_of_zones(behind):
        return None
    side = "ahead of" if behind < 0 else "behind"
    text = f"the newest {key} is {format_duration(abs(behind))} {side}"
    if is_of_zones(behind):
        return (
            f"{text} the clock of the database, as if it were in another time zone",
            "Set `source_timezone` to the zone of that column, unless nothing was written since",
        )
    return f"{text} the clock of the database", "Set `source_timezone` if it is not in UTC"


def between_zones(shortest: float, longest: float) -> str:
    """How far a column is ahead of another one, if that is the distance of two zones."""
    if longest - shortest > 2 * _NEAR_SECONDS or not is_of_zones((shortest + longest) / 2):
        return ""
    return f"{format_duration(abs(longest))} {'behind' if longest < 0 else 'ahead of'}"


class TimeCheck:
    """Looks once in a process, at the first rows that it sees at the head of the table.

    Args:
        window: Seconds by which a row may come late.
        skew: Seconds by which it may be ahead.
    """

    def __init__(self, window: float, skew: float) -> None:
        self._window = window
        self._skew = skew
        self._is_done = False

    def warnings(
        self,
        positions: Sequence[Position],
        inserted: Iterable[object],
        clock: Instant,
        zone: ZoneInfo | None,
    ) -> Iterator[str]:
        """What is odd about the times of the newest rows.

        Args:
            positions: Those of the newest rows, in order.
            inserted: What these rows have in ``INSERTED``; not looked at more than once.
            clock: The database's time, in the clock of the key.
            zone: That of the key, None for UTC.
        """
        if self._is_done or not positions:
            return
        self._is_done = True
        behind = seconds_between(clock, positions[-1].at)
        if found := advice("row", behind, skew=self._skew):
            yield ". ".join(found)
        late = list(_inserted_after(positions, inserted, zone))
        if late and (shifted := between_zones(min(late), max(late))):
            yield (
                f"{INSERTED} is {shifted} the key in the newest rows. Set `source_timezone` to"
                " the zone of the key if that is local time"
            )
        elif late and max(late) > self._window:
            yield (
                f"{INSERTED} is up to {format_duration(max(late))} later than the key, and rows"
                f" that come later than {format_duration(self._window)} are missed."
                " Set lookback_seconds to"
                f" {round(max(late) * 1.5)}, unless they were loaded later"
            )


def _inserted_after(
    positions: Sequence[Position], inserted: Iterable[object], zone: ZoneInfo | None
) -> Iterator[float]:
    """By how many seconds each row was inserted after the time in it."""
    for position, stamp in zip(positions, inserted, strict=True):
        if isinstance(stamp, str):
            try:
                yield seconds_between(parse(stamp, zone), position.at)
            except ValueError:  # a text that is no time
                return
