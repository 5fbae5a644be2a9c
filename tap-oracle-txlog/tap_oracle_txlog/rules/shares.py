"""How the rows of a span are shared out evenly: how large a sample has to be, and which bounds of
partitions come nearest. Nothing here knows a database.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_oracle_txlog.rules.timestamps import Instant

ROWS_PER_SHARE: Final = 1_000
"""So many rows of a sample make a share that is right to about 3 % (one in the root of it); of a
thousand shares, the worst one is then still right to 10 %."""

ROWS_PER_BLOCK: Final = 300
"""About as many entries as a leaf block of an index on (time, id) has. They are neighbours, so one
of them tells as much as all of them."""

LEAST_PERCENT: Final = 0.000_001
"""A smaller sample cannot be asked for."""


class Sample(NamedTuple):
    """Of ``percent`` of the blocks (None: of all) every ``step``-th row."""

    percent: float | None
    step: int

    def stands_for(self, rows: int) -> int:
        """How many rows there are in the span where the sample has so many of it."""
        return round(rows * self.step * 100 / (self.percent or 100))


class Partition(NamedTuple):
    """A part of a table that is stored by itself: its rows are before ``bound``; None for all that
    are left.
    """

    bound: Instant | None
    rows: int | None


def sample_of(rows: int | None, shares: int) -> Sample:
    """The smallest sample by which so many rows can be shared out; everything where their number
    is not known.

    As long as every block has to be read anyway, all are, and their rows are thinned.
    """
    wanted = shares * ROWS_PER_SHARE
    if rows is None or rows <= wanted:
        return Sample(None, 1)
    step = min(rows // wanted, ROWS_PER_BLOCK)
    if step < ROWS_PER_BLOCK:
        return Sample(None, step)
    return Sample(max(100 * wanted * step / rows, LEAST_PERCENT), step)


def is_enough(sampled: int, shares: int) -> bool:
    """Whether a sample has as many rows of the span as it should, or at least half as many."""
    return 2 * sampled >= shares * ROWS_PER_SHARE


def at_bounds(
    partitions: Sequence[Partition], start: Instant, end: Instant, shares: int
) -> list[Instant]:
    """Those bounds of partitions between ``start`` and ``end`` that come nearest to equal shares of
    the rows.

    Args:
        partitions: In the order of their bounds. Where it is not known of one how many rows it
            has, all count alike.
        start: Of the span.
        end: Of the span.
        shares: How many are wanted; there are fewer where there are fewer bounds.
    """
    touched = [one for one in partitions if one.bound is None or one.bound > start]
    inside = list(takewhile(lambda one: one.bound is not None and one.bound < end, touched))
    rows = [one.rows for one in touched[: len(inside) + 1]]
    known = [count for count in rows if count is not None]
    ends = list(accumulate(known if len(known) == len(rows) and any(known) else [1] * len(rows)))
    wanted = (ends[-1] * share / shares for share in range(1, shares)) if inside else ()
    nearest = sorted({_nearest(ends[: len(inside)], place) for place in wanted})
    return [bound for number in nearest if (bound := inside[number].bound) is not None]


def _nearest(places: Sequence[int], wanted: float) -> int:
    """The number of the place that is nearest."""
    at = bisect_left(places, wanted)
    around = [number for number in (at - 1, at) if 0 <= number < len(places)]
    return min(around, key=lambda number: abs(places[number] - wanted))
