"""Sets of integers as closed ranges: small where ids are handed out nearly in sequence.

The tap remembers in them which rows it has emitted beyond its bookmark: 27,000 ids of a busy table
on two nodes are some 25 ranges. Nothing here knows rows or time.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from enum import Enum
from heapq import nlargest
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_RANGE: Final = re.compile(r"(-?[0-9]{1,60})(?:-(-?[0-9]{1,60}))?", re.ASCII)


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
                joined._append(low, high)
        return joined

    def discard(self, value: int) -> None:
        """Take one id out; nothing happens when it is not there."""
        at = self._range_from(value)
        if at < 0 or value > self._highs[at]:
            return
        low, high = self._lows[at], self._highs[at]
        pieces = [(a, b) for a, b in ((low, value - 1), (value + 1, high)) if a <= b]
        self._lows[at : at + 1] = [low for low, _ in pieces]
        self._highs[at : at + 1] = [high for _, high in pieces]

    def keep_largest(self, limit: int) -> None:
        """Forget all but the ``limit`` ranges with most ids."""
        kept = sorted(nlargest(limit, self.ranges(), key=lambda pair: pair[1] - pair[0]))
        self._lows = [low for low, _ in kept]
        self._highs = [high for _, high in kept]

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

    def encode(self) -> str:
        """Text for the state, such as ``1001-1450,1452``; empty for no id."""
        return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in self.ranges())

    @classmethod
    def decode(cls, text: str) -> IdRanges:
        """The inverse of ``encode``.

        Raises:
            ValueError: The text is not what ``encode`` writes.
        """
        decoded = cls()
        for piece in text.split(",") if text else ():
            match = _RANGE.fullmatch(piece)
            if match is None:
                msg = f"{piece!r} is not a range of ids"
                raise ValueError(msg)
            decoded._append(int(match[1]), int(match[2] or match[1]))
        return decoded

    def __contains__(self, value: int) -> bool:
        """Whether the id is in one of the ranges."""
        at = self._range_from(value)
        return at >= 0 and value <= self._highs[at]

    def __len__(self) -> int:
        """How many ranges there are."""
        return len(self._lows)

    def _range_from(self, value: int) -> int:
        """Index of the last range that starts at or before ``value``; -1 when none does."""
        return bisect_right(self._lows, value) - 1

    def _append(self, low: int, high: int) -> None:
        if low > high or (self._highs and low <= self._highs[-1] + 1):
            msg = f"the range {low}-{high} is not above the one before it"
            raise ValueError(msg)
        self._lows.append(low)
        self._highs.append(high)


class Memory(Enum):
    """Whether the state can name every row that was emitted beyond the bookmark."""

    EXACT = "every id is in the state"
    IDS_NOT_INTEGERS = "ids are not integers and cannot be kept as ranges"
    TOO_MANY_RANGES = "the ids need more ranges than max_state_ranges"


class EmittedIds:
    """The ids that are out although no bookmark covers them, over one pass.

    Args:
        known: Those of earlier passes; copied.
        max_ranges: What the state may carry. Beyond it the smallest ranges are forgotten, and their
            rows may be emitted again: ``memory`` then says so.
    """

    def __init__(self, known: IdRanges, max_ranges: int) -> None:
        self.ranges = known.copy()
        self.memory = Memory.EXACT
        self._seen = IdRanges()
        self._max_ranges = max_ranges

    def settle(self, ids: Sequence[int | str | None]) -> list[bool]:
        """Which of ``ids`` are new; the bookmark is about to cover them, so forget them."""
        if not self.ranges:  # the common case of a backlog: a million rows a second need it
            return [True] * len(ids)
        return [self._settle_one(value) for value in ids]

    def admit(self, ids: Sequence[int | str | None]) -> list[bool]:
        """Which of ``ids`` are new; they are going to be read again, so remember them."""
        page = IdRanges.of(value for value in ids if isinstance(value, int))
        joined = self.ranges | page
        fresh = joined.count - self.ranges.count
        if fresh in {0, len(ids)} and page.count == len(ids):
            new = [fresh > 0] * len(ids)
        else:
            new = self._admit_each(ids)
        self.ranges = joined
        self._seen |= page
        self._bound(self.ranges)
        self._bound(self._seen)
        return new

    def forget_unseen(self) -> None:
        """Keep only what was admitted in this pass: the other rows are gone or settled."""
        self.ranges = self._seen.copy()

    def _settle_one(self, value: int | str | None) -> bool:
        if not isinstance(value, int) or value not in self.ranges:
            return True
        self.ranges.discard(value)
        return False

    def _admit_each(self, ids: Sequence[int | str | None]) -> list[bool]:
        first = set[int]()
        new = []
        for value in ids:
            if isinstance(value, int):
                new.append(value not in self.ranges and value not in first)
                first.add(value)
            else:
                self.memory = Memory.IDS_NOT_INTEGERS
                new.append(True)
        return new

    def _bound(self, ranges: IdRanges) -> None:
        if len(ranges) > self._max_ranges:
            ranges.keep_largest(self._max_ranges)
            self.memory = Memory.TOO_MANY_RANGES
