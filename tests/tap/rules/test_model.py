"""Promises 1 and 2 as a model: what the tap emits is what was committed, each row once.

``MODEL_SEED=123456`` plays other histories than the usual ones; a red test prints the seed of the
history, and the history itself without all the steps that do not matter.
"""

from __future__ import annotations

import os

import pytest

from tools.model.history import Tap, make, play, report
from tools.model.taps import TapInSlices, TapWithASmallState

FIRST_SEED = int(os.environ.get("MODEL_SEED", "0"))
BLOCK = 500


def _play_a_block(block: int, tap: type[Tap]) -> None:
    for seed in range(FIRST_SEED + block * BLOCK, FIRST_SEED + (block + 1) * BLOCK):
        history = make(seed)
        assert play(history, tap) is None, report(history, tap)


@pytest.mark.parametrize("block", range(8))
def test_every_committed_row_is_emitted_once_whatever_happens(block: int) -> None:
    _play_a_block(block, Tap)


@pytest.mark.parametrize("seed", [310_111_911, 310_206_720])
def test_histories_that_once_lost_a_row_lose_none(seed: int) -> None:
    history = make(seed)
    for tap in (Tap, TapWithASmallState):
        assert play(history, tap) is None, report(history, tap)


def test_slices_of_a_backfill_have_every_row_once_between_them() -> None:
    for seed in range(FIRST_SEED, FIRST_SEED + BLOCK):
        history = make(seed)
        if not history.comes_into_closed_slices:
            assert play(history, TapInSlices) is None, report(history, TapInSlices)


def test_nothing_is_lost_where_not_all_can_be_remembered() -> None:
    for seed in range(FIRST_SEED, FIRST_SEED + BLOCK):
        history = make(seed)
        assert play(history, TapWithASmallState) is None, report(history, TapWithASmallState)
