"""Sets of integers as closed ranges: small where ids are handed out nearly in sequence.

The tap remembers in them which rows it has emitted beyond its bookmark: 27,000 ids of a busy table
on two nodes are some 25 ranges. Ids that are handed out in steps (``INCREMENT BY 10``) are ranges
of one id each; as text, and for the database, they are runs with a step. Nothing here knows rows
or time.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_RUN: Final = re.compile(r"(-?[0-9]{1,60})(?:-(-?[0-9]{1,60})(?:/([1-9][0-9]{0,59}))?)?", re.ASCII)

_SHORTEST_RUN: Final = 3
"""Fewer ids with equal distances are no run: that would make the text longer."""


class Run(NamedTuple):
    """The ids ``low``, ``low + step`` ... ``high``."""

    low: int
    high: int
    step: int = 1


@dataclass(slots=True)
class IdRanges:
    """Ids as sorted, disjoint, closed ranges that never touch.

    ``len`` is the number of ranges, which is what the state has to carry; ``count`` that of ids.
    """

    _lows: list[int] = field(default_factory=list)
    _highs: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, ids: Iterable[int]) -> IdRanges:
        """The ranges of these ids, in whatever order they come."""
        values = sorted(ids)
        if not values:
            return cls()
        starts = [at for at, (a, b) in enumerate(pairwise(values), 1) if b - a > 1]
        return cls(
            [values[0], *(values[at] for at in starts)],
            [*(values[at - 1] for at in starts), values[-1]],
        )

    def __or__(self, other: IdRanges) -> IdRanges:
        """The ids of both."""
        joined = IdRanges()
        for low, high in sorted([*self.ranges(), *other.ranges()]):
            if joined._highs and low <= joined._highs[-1] + 1:
                joined._highs[-1] = max(joined._highs[-1], high)
            else:
                joined.append(low, high)
        return joined

    def add(self, values: Sequence[int]) -> None:
        """Take in ids that ascend; where they lie above all others, that costs nothing more."""
        added = IdRanges.of(values)
        if not added:
            return
        least, most = min(values), max(values)
        start = max(0, self._range_from(least - 1))
        end = bisect_right(self._lows, most + 1)
        part = IdRanges(self._lows[start:end], self._highs[start:end]) | added
        self._lows[start:end] = [low for low, _ in part.ranges()]
        self._highs[start:end] = [high for _, high in part.ranges()]

    def discard(self, value: int) -> None:
        """Take one id out; nothing happens when it is not there."""
        at = self._range_from(value)
        if at < 0 or value > self._highs[at]:
            return
        low, high = self._lows[at], self._highs[at]
        pieces = [(a, b) for a, b in ((low, value - 1), (value + 1, high)) if a <= b]
        self._lows[at : at + 1] = [low for low, _ in pieces]
        self._highs[at : at + 1] = [high for _, high in pieces]

    def ranges(self) -> Iterator[tuple[int, int]]:
        """The ranges in order, both ends included."""
        return zip(self._lows, self._highs, strict=True)

    @property
    def count(self) -> int:
        """How many ids are in it."""
        return sum(self._highs) - sum(self._lows) + len(self._lows)

    def copy(self) -> IdRanges:
        """An independent copy."""
        return IdRanges(self._lows.copy(), self._highs.copy())

    def runs(self) -> list[Run]:
        """The ranges as runs: equal distances between single ids make one of many."""
        if all(map(int.__lt__, self._lows, self._highs)):
            return [Run(low, high) for low, high in self.ranges()]
        return list(_runs(self._lows, self._highs))

    def encode(self) -> str:
        """Text for the state, such as ``1001-1450,1452,2000-2990/10``; empty for no id."""
        return encode_runs(self.runs())

    @classmethod
    def decode(cls, text: str) -> IdRanges:
        """The inverse of ``encode``.

        Raises:
            ValueError: The text is not what ``encode`` writes.
        """
        decoded = cls()
        for piece in text.split(",") if text else ():
            match = _RUN.fullmatch(piece)
            if match is None:
                msg = f"{piece!r} is not a range of ids"
                raise ValueError(msg)
            low, high, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 0)
            ids = range(low, high + 1, step) if step else ()
            if step and (not ids or ids[-1] != high or len(ids) > MAX_RUN):
                msg = f"{piece!r} is not a range of ids with a step"
                raise ValueError(msg)
            for one in ids:
                decoded.append(one, one)
            if not step:
                decoded.append(low, high)
        return decoded

    def __contains__(self, value: int) -> bool:
        """Whether the id is in one of the ranges."""
        at = self._range_from(value)
        return at >= 0 and value <= self._highs[at]

    def reaches(self, low: int, high: int) -> bool:
        """Whether the span from the least to the greatest id touches ``low`` to ``high``."""
        return bool(self._lows) and low <= self._highs[-1] and self._lows[0] <= high

    def __len__(self) -> int:
        """How many ranges there are."""
        return len(self._lows)

    def _range_from(self, value: int) -> int:
        """Index of the last range that starts at or before ``value``; -1 when none does."""
        return bisect_right(self._lows, value) - 1

    def append(self, low: int, high: int) -> None:
        """Put a range above the last one.

        Raises:
            ValueError: It is not above it.
        """
        if low > high or (self._highs and low <= self._highs[-1] + 1):
            msg = f"the range {low}-{high} is not above the one before it"
            raise ValueError(msg)
        self._lows.append(low)
        self._highs.append(high)


MAX_RUN: Final = 10_000_000
"""More ids of one run than this are damage: a state is bounded, and so is what it unpacks to."""


def _runs(lows: Sequence[int], highs: Sequence[int]) -> Iterator[Run]:
    at, end = 0, len(lows)
    while at < end:
        last = _end_of_run(lows, highs, at)
        if last - at + 1 >= _SHORTEST_RUN:
            yield Run(lows[at], lows[last], lows[at + 1] - lows[at])
            at = last + 1
        else:
            yield Run(lows[at], highs[at])
            at += 1


def _end_of_run(lows: Sequence[int], highs: Sequence[int], at: int) -> int:
    """Index of the last single id that is as far from the one before it as all since ``at``."""
    if lows[at] != highs[at] or at + 1 == len(lows):
        return at
    step = lows[at + 1] - lows[at]
    while at + 1 < len(lows) and lows[at + 1] == highs[at + 1] and lows[at + 1] - lows[at] == step:
        at += 1
    return at


def encode_runs(runs: Iterable[Run]) -> str:
    """As ``IdRanges.encode``."""
    return ",".join(map(_run_text, runs))


def _run_text(run: Run) -> str:
    low, high, step = run
    if low == high:
        return str(low)
    return f"{low}-{high}" if step == 1 else f"{low}-{high}/{step}"
