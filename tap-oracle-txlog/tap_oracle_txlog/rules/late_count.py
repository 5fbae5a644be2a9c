"""Counts what came late: the reason for the watermark, and whether its window is wide enough."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from tap_oracle_txlog.rules.timestamps import seconds_between

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_oracle_txlog.rules.position import Position
    from tap_oracle_txlog.rules.timestamps import Instant
    from tap_oracle_txlog.rules.watermark import LastPass

_NEAR: Final = 0.2
"""A late row that used up all but this part of the window is worth a warning."""


class Late(msgspec.Struct, frozen=True):
    """What a bookmark says of rows that came late, for those who watch from outside.

    ``rows`` counts all since the bookmark began. ``seconds`` (how late, rounded up) and ``margin``
    (how far from being missed, rounded down) are the worst of the newest pass that had such rows.
    Whole numbers, as targets of the SDK cannot pass on a state that has fractions.
    """

    rows: int
    seconds: int
    margin: int


@dataclass(slots=True)
class LateCount:
    """Counts the rows that the last finished pass could not see although their time was before it.

    A row that came within a fifth of the window of being passed over says that the next one may be.
    One that came with a time below that pass's watermark was read only because nothing newer had
    been there: its like are missed.
    """

    last_pass: LastPass | None
    rows: int = 0
    most_seconds: float = 0.0
    """By how much at most a row was late, counted to the clock of the pass that missed it."""
    margin_seconds: float = math.inf
    """How far ahead of that pass's watermark the latest of the others was."""
    below: int = 0
    """How many were below its watermark."""

    def count(self, positions: Sequence[Position]) -> None:
        """Take in new rows, in the order of time."""
        if self.last_pass is None or not positions:
            return
        if positions[0].at >= self.last_pass.clock:
            return
        late = bisect_left(positions, self.last_pass.clock, key=_at)
        below = bisect_left(positions, self.last_pass.watermark, key=_at)
        self.rows += late
        self.below += below
        seconds = seconds_between(self.last_pass.clock, positions[0].at)
        self.most_seconds = max(self.most_seconds, seconds)
        if below < late:
            margin = seconds_between(positions[below].at, self.last_pass.watermark)
            self.margin_seconds = min(self.margin_seconds, margin)

    def added_to(self, before: Late | None) -> Late:
        """What a bookmark is to say that has said ``before``, once there are rows."""
        margin = 0 if self.below else math.floor(self.margin_seconds)
        rows = self.rows + (before.rows if before is not None else 0)
        return Late(rows, math.ceil(self.most_seconds), margin)

    def nearly_missed(self, window: float) -> bool:
        """Whether a row came late by nearly all of ``window`` (look-back plus skew, seconds)."""
        return self.margin_seconds < _NEAR * window


def _at(position: Position) -> Instant:
    return position.at
