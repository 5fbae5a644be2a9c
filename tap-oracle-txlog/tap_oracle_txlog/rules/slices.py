"""Cutting a span of time into closed-open slices, for resumable and for parallel backfill.

The slices of a span are disjoint and cover it: the end of one is the beginning of the next. Nothing
here knows a table; a slice with no rows in it is still a slice.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from tap_oracle_txlog.rules.timestamps import from_nanoseconds, nanoseconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_oracle_txlog.rules.timestamps import Instant

MAX_SLICES: Final = 10_000
"""Each slice has a bookmark of its own in the state, which must stay readable in one piece."""

_SECOND: Final = 1_000_000_000


class Slice(NamedTuple):
    """The rows from ``start`` on and before ``end``."""

    start: Instant
    end: Instant


def plan(start: Instant, end: Instant, n: int) -> list[Slice]:
    """``n`` slices of equal length for ``n`` parallel jobs, cut at whole seconds where possible.

    Raises:
        ValueError: ``start`` is not before ``end``, or the span has no ``n`` pieces.
    """
    first, span = _extent(start, end)
    if not 1 <= n <= min(span, MAX_SLICES):
        msg = f"cannot cut {start} to {end} into {n} slices (1 to {min(span, MAX_SLICES)})"
        raise ValueError(msg)
    grain = _SECOND if span >= (n + 1) * _SECOND else 1
    cuts = [(first + span * i // n) // grain * grain for i in range(1, n)]
    return _slices([first, *cuts, first + span])


def between(start: Instant, end: Instant, cuts: Iterable[Instant]) -> list[Slice]:
    """The slices that begin at ``start`` and at each of ``cuts``; those outside the span, and those
    that come again, cut nothing.

    Raises:
        ValueError: ``start`` is not before ``end``.
    """
    _extent(start, end)
    inside = sorted({cut for cut in cuts if start < cut < end})
    return [Slice(*edges) for edges in pairwise([start, *inside, end])]


def cut(start: Instant, end: Instant, interval_seconds: int) -> list[Slice]:
    """Slices of ``interval_seconds`` from ``start`` on; the last one may be shorter.

    Raises:
        ValueError: ``start`` is not before ``end``, the interval is not positive, or there would
            be more slices than ``MAX_SLICES``.
    """
    first, span = _extent(start, end)
    step = interval_seconds * _SECOND
    if step <= 0 or span > step * MAX_SLICES:
        msg = (
            f"cannot cut {start} to {end} every {interval_seconds} s:"
            f" there may be 1 to {MAX_SLICES:,} parts"
        )
        raise ValueError(msg)
    return _slices([*range(first, first + span, step), first + span])


def _extent(start: Instant, end: Instant) -> tuple[int, int]:
    first, span = nanoseconds(start), nanoseconds(end) - nanoseconds(start)
    if span <= 0:
        msg = f"{start} is not before {end}"
        raise ValueError(msg)
    return first, span


def _slices(edges: list[int]) -> list[Slice]:
    cuts = [from_nanoseconds(edge) for edge in edges]
    return [Slice(start, end) for start, end in pairwise(cuts)]
