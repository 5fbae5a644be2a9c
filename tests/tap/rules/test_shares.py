"""How rows are shared out: by a sample that is large enough, and at the bounds of partitions."""

from __future__ import annotations

import random
from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.rules.shares import (
    ROWS_PER_BLOCK,
    ROWS_PER_SHARE,
    Partition,
    Sample,
    at_bounds,
    is_enough,
    sample_of,
)
from tap_oracle_txlog.rules.slices import between
from tap_oracle_txlog.rules.timestamps import BEGINNING, END, from_nanoseconds

if TYPE_CHECKING:
    from tap_oracle_txlog.rules.timestamps import Instant

INSTANTS = st.integers(1, 250_000_000 * 10**9).map(from_nanoseconds)


@given(INSTANTS, INSTANTS, st.lists(INSTANTS, max_size=50))
def test_whatever_the_cuts_each_time_is_in_one_slice(
    one: Instant, other: Instant, cuts: list[Instant]
) -> None:
    start, end = sorted((one, other))
    if start == end:
        with pytest.raises(ValueError, match="not before"):
            between(start, end, cuts)
        return
    slices = between(start, end, cuts)
    assert (slices[0].start, slices[-1].end) == (start, end)
    assert all(part.start < part.end for part in slices)
    assert all(earlier.end == later.start for earlier, later in pairwise(slices))
    assert {part.start for part in slices[1:]} == {cut for cut in cuts if start < cut < end}


@given(st.integers(0, 10**12), st.integers(1, 10_000))
def test_a_sample_has_the_rows_that_are_wanted_and_not_many_more(rows: int, shares: int) -> None:
    sample = sample_of(rows, shares)
    found = rows * (sample.percent or 100) / 100 / sample.step
    wanted = shares * ROWS_PER_SHARE
    assert found >= min(rows, wanted) * 0.999
    assert found <= 2 * wanted
    assert sample.step <= ROWS_PER_BLOCK
    assert sample.percent is None or 0 < sample.percent <= 100
    assert is_enough(round(found), shares) or rows < wanted


@given(st.integers(1, 10**12), st.integers(1, 1_000))
def test_a_sample_tells_how_many_rows_there_are(rows: int, shares: int) -> None:
    sample = sample_of(rows, shares)
    seen = round(rows * (sample.percent or 100) / 100 / sample.step)
    assert sample.stands_for(seen) == pytest.approx(rows, rel=0.01)


def test_where_nothing_is_known_of_the_rows_all_are_looked_at() -> None:
    assert sample_of(None, 100) == Sample(None, 1)


@pytest.mark.parametrize("skew", [1.0, 4.0, 0.25])
def test_shares_of_a_sample_are_right_to_a_tenth_however_the_rows_lie(skew: float) -> None:
    """A large table, of which a part of the blocks is read: what each share has of its rows."""
    rows, shares, chance = 6_000_000, 10, random.Random(int(skew * 100))
    sample = sample_of(rows, shares)
    assert sample.percent is not None
    blocks = [at for at in range(rows // ROWS_PER_BLOCK) if chance.random() * 100 < sample.percent]
    seen = [block * ROWS_PER_BLOCK for block in blocks]  # one of each: its neighbours are near
    when = [(row / rows) ** skew for row in seen]  # the time of a row; its place is the inverse
    cuts = [when[len(when) * share // shares] for share in range(1, shares)]
    places = [0, *(rows * cut ** (1 / skew) for cut in cuts), rows]
    sizes = [later - earlier for earlier, later in pairwise(places)]
    assert max(abs(size * shares / rows - 1) for size in sizes) <= 0.1


PARTITIONS = st.lists(st.tuples(INSTANTS, st.integers(0, 10**6)), min_size=1, max_size=60)


@given(PARTITIONS, st.integers(1, 20))
def test_partitions_are_cut_at_bounds_that_come_nearest_to_equal_shares(
    found: list[tuple[Instant, int]], shares: int
) -> None:
    ordered = sorted(dict(found).items())
    partitions = [Partition(bound, rows) for bound, rows in ordered]
    cuts = at_bounds(partitions, BEGINNING, END, shares)
    bounds = [bound for bound, _ in ordered]
    assert cuts == sorted(set(cuts))
    assert set(cuts) <= set(bounds)
    assert len(cuts) <= shares - 1
    rows = [count for _, count in ordered]
    largest = max(rows) if any(rows) else 1
    weights = rows if any(rows) else [1] * len(rows)
    ideal = sum(weights) / shares
    places = [0, *(bisect_left(bounds, cut) + 1 for cut in cuts), len(bounds)]
    sizes = [sum(weights[first:last]) for first, last in pairwise(places)]
    assert max(sizes) <= ideal + largest


@given(PARTITIONS, INSTANTS, INSTANTS, st.integers(1, 20))
def test_bounds_outside_the_span_cut_nothing(
    found: list[tuple[Instant, int]], one: Instant, other: Instant, shares: int
) -> None:
    start, end = sorted((one, other))
    partitions = [Partition(bound, rows) for bound, rows in sorted(dict(found).items())]
    cuts = at_bounds([*partitions, Partition(None, None)], start, end, shares)
    assert all(start < cut < end for cut in cuts)


def test_where_one_partition_has_no_statistics_all_count_alike() -> None:
    bounds = [from_nanoseconds(day * 86_400 * 10**9) for day in range(1, 9)]
    partitions = [Partition(bound, 10**number) for number, bound in enumerate(bounds)]
    assert at_bounds([*partitions[:-1], Partition(bounds[-1], None)], BEGINNING, END, 4) == [
        bounds[1],
        bounds[3],
        bounds[5],
    ]
