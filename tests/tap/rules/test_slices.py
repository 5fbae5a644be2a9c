"""Slices of a span of time are disjoint and cover it, for resumable and for parallel backfill."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.rules.slices import MAX_SLICES, Slice, cut, plan
from tap_oracle_txlog.rules.timestamps import from_nanoseconds, nanoseconds, parse, seconds_between

DAY = parse("2026-01-31"), parse("2026-02-01")
SECOND = 1_000_000_000
SPANS = st.tuples(
    st.integers(0, 250_000_000 * SECOND), st.integers(1, 400 * SECOND) | st.integers(1, 2**55)
)


def check_cover(slices: list[Slice], start: str, end: str) -> None:
    assert slices[0].start == start
    assert slices[-1].end == end
    assert all(part.start < part.end for part in slices)
    assert all(one.end == other.start for one, other in pairwise(slices))


@given(SPANS, st.integers(1, 40))
def test_a_plan_covers_the_span_in_as_many_parts_as_asked_for(
    span: tuple[int, int], n: int
) -> None:
    start, end = from_nanoseconds(span[0]), from_nanoseconds(span[0] + span[1])
    n = min(n, span[1])
    slices = plan(start, end, n)
    check_cover(slices, start, end)
    assert len(slices) == n
    lengths = [seconds_between(part.end, part.start) for part in slices]
    assert max(lengths) - min(lengths) <= 2


@given(SPANS, st.integers(1, 10**6))
def test_a_cut_covers_the_span_in_slices_of_the_interval(span: tuple[int, int], step: int) -> None:
    start, end = from_nanoseconds(span[0]), from_nanoseconds(span[0] + span[1])
    step = max(step, span[1] // SECOND // 200)
    slices = cut(start, end, step)
    check_cover(slices, start, end)
    lengths = [nanoseconds(part.end) - nanoseconds(part.start) for part in slices]
    assert all(length == step * SECOND for length in lengths[:-1])
    assert lengths[-1] <= step * SECOND


def test_a_day_by_the_hour_has_24_slices_and_three_jobs_get_eight_hours_each() -> None:
    assert len(cut(*DAY, 3_600)) == 24
    assert [part.start[11:19] for part in plan(*DAY, 3)] == ["00:00:00", "08:00:00", "16:00:00"]


def test_parts_are_cut_at_whole_seconds() -> None:
    assert [part.start[17:] for part in plan(*DAY, 7)] == [
        f"{second:02d}.000000000" for second in (0, 42, 25, 8, 51, 34, 17)
    ]


@pytest.mark.parametrize("n", [0, -1, MAX_SLICES + 1])
def test_a_plan_of_no_or_too_many_parts_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match="slices"):
        plan(*DAY, n)


def test_a_span_that_is_empty_or_backward_is_refused() -> None:
    start, end = DAY
    for edges in ((start, start), (end, start)):
        with pytest.raises(ValueError, match="not before"):
            plan(*edges, 2)
        with pytest.raises(ValueError, match="not before"):
            cut(*edges, 60)


@pytest.mark.parametrize("seconds", [0, -5, 1])
def test_an_interval_that_gives_too_many_slices_is_refused(seconds: int) -> None:
    with pytest.raises(ValueError, match="parts"):
        cut(*DAY, seconds)
