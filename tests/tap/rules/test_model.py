"""Promises 1 and 2 as a model: what the tap emits is what was committed, each row once.

``MODEL_SEED=123456`` plays other histories than the usual ones; a red test prints the seed of the
history, and the history itself without all the steps that do not matter.
"""

from __future__ import annotations

import json
import os
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from typing_extensions import override

from tap_oracle_txlog.rules.timestamps import BEGINNING, END, minus, plus
from tests.tap.rules.history import Tap, make, play, report
from tests.tap.rules.world import wall_clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_oracle_txlog.rules.progress import Progress

FIRST_SEED = int(os.environ.get("MODEL_SEED", "0"))
BLOCK = 500


class TapInSlices(Tap):
    """Backfill: each slice has a bookmark of its own, and one that is complete is not read."""

    @override
    def load(self, state: str | None) -> Progress:
        written = json.loads(state or "{}")
        start = wall_clock(self.history.start, self.history.zone)
        self.slices = tuple(pairwise((BEGINNING, minus(start, 200), start, plus(start, 290), END)))
        self.parts = {}
        for start, _ in self.slices:
            self.start = start
            self.parts[start] = super().load(written.get(start))
        return self.parts[BEGINNING]

    @override
    def save(self, progress: Progress) -> None:
        self.progress = self.parts[self.start] = progress
        parts = dict(self.parts)
        self.output.write_state(
            lambda: json.dumps({at: json.dumps(part.to_bookmark()) for at, part in parts.items()})
        )

    @override
    def head(self) -> Iterator[None]:
        """A backfill does not poll."""
        yield

    @override
    def one_pass(self) -> Iterator[None]:
        for start, until in self.slices:
            self.start, self.until, self.progress = start, until, self.parts[start]
            if not self.progress.covers(until):
                yield from self.keys()
                self.parts[start] = self.progress
        self.start, self.progress = BEGINNING, self.parts[BEGINNING]
        yield from self.null_keys()


class TapWithASmallState(Tap):
    """Not all that is remembered fits into the state."""

    may_repeat = True
    state_bytes = 400


def _play_a_block(block: int, tap: type[Tap]) -> None:
    for seed in range(FIRST_SEED + block * BLOCK, FIRST_SEED + (block + 1) * BLOCK):
        history = make(seed)
        assert play(history, tap) is None, report(history, tap)


@pytest.mark.parametrize("block", range(8))
def test_every_committed_row_is_emitted_once_whatever_happens(block: int) -> None:
    _play_a_block(block, Tap)


def test_slices_of_a_backfill_have_every_row_once_between_them() -> None:
    for seed in range(FIRST_SEED, FIRST_SEED + BLOCK):
        history = make(seed)
        if not history.comes_into_closed_slices:
            assert play(history, TapInSlices) is None, report(history, TapInSlices)


def test_nothing_is_lost_where_not_all_can_be_remembered() -> None:
    for seed in range(FIRST_SEED, FIRST_SEED + BLOCK):
        history = make(seed)
        assert play(history, TapWithASmallState) is None, report(history, TapWithASmallState)
