"""Ranges of ids behave as the set of their ids, whatever the order in which these come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.id_ranges import EmittedIds, IdRanges, Memory

SMALL = st.integers(-12, 12)
PAGES = st.lists(SMALL, max_size=12)
OPERATIONS = st.lists(st.tuples(PAGES, SMALL), max_size=12)


def ranges_of(*ids: int) -> IdRanges:
    return IdRanges.of(ids)


@given(OPERATIONS)
def test_ranges_hold_what_a_set_would_hold_in_as_few_ranges_as_possible(
    operations: list[tuple[list[int], int]],
) -> None:
    ranges, ids = IdRanges(), set[int]()
    for page, gone in operations:
        ranges |= IdRanges.of(page)
        ranges.discard(gone)
        ids = (ids | set(page)) - {gone}
    held = [value for low, high in ranges.ranges() for value in range(low, high + 1)]
    assert held == sorted(ids)
    assert ranges.count == len(ids)
    assert len(ranges) == sum(1 for value in ids if value - 1 not in ids)
    assert all((value in ranges) == (value in ids) for value in range(-14, 15))


@given(st.sets(st.integers() | SMALL))
def test_the_text_of_ranges_brings_them_back(ids: set[int]) -> None:
    ranges = ranges_of(*ids)
    assert IdRanges.decode(ranges.encode()) == ranges


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ((), ""),
        ((7,), "7"),
        ((1, 2, 3), "1-3"),
        ((1452, 1001, 1002), "1001-1002,1452"),
        ((-5, -4, -3, 0), "-5--3,0"),
        ((-1, 0, 1), "-1-1"),
    ],
)
def test_the_text_is_short_and_readable(ids: tuple[int, ...], text: str) -> None:
    assert ranges_of(*ids).encode() == text


@pytest.mark.parametrize(
    "text", [",", "1,", "a", "1-", "5-1", "3,1", "1-3,4", "1-3,2", "1 - 3", "1.5", "+1", "٣", "1--"]
)
def test_a_text_that_is_not_one_of_ranges_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="range"):
        IdRanges.decode(text)


def test_a_copy_goes_its_own_way() -> None:
    ranges = ranges_of(1, 2)
    twin = ranges.copy()
    twin.discard(2)
    assert ranges == ranges_of(1, 2)
    assert twin == ranges_of(1)


@given(st.sets(SMALL), st.integers(0, 6))
def test_the_ranges_that_are_kept_are_the_largest(ids: set[int], limit: int) -> None:
    ranges = ranges_of(*ids)
    sizes = sorted((high - low for low, high in ranges.ranges()), reverse=True)
    ranges.keep_largest(limit)
    assert sorted((high - low for low, high in ranges.ranges()), reverse=True) == sizes[:limit]
    assert IdRanges.decode(ranges.encode()) == ranges
    assert all(value in ids for low, high in ranges.ranges() for value in (low, high))


def test_an_id_is_new_once_in_a_pass_and_known_in_the_next() -> None:
    emitted = EmittedIds(IdRanges(), max_ranges=10)
    assert emitted.admit([5, 7]) == [True, True]
    assert emitted.admit([7, 8]) == [False, True]
    following = EmittedIds(emitted.ranges, max_ranges=10)
    assert following.settle([5, 6]) == [False, True]
    assert following.admit([7, 8, 9]) == [False, False, True]
    following.forget_unseen()
    assert following.ranges == ranges_of(7, 8, 9)
    assert following.memory is Memory.EXACT


@given(st.lists(st.lists(SMALL | st.sampled_from(["a", "b"]), max_size=9), max_size=5))
def test_a_page_says_of_each_id_what_it_would_say_of_it_alone(
    pages: list[list[int | str]],
) -> None:
    emitted, seen = EmittedIds(IdRanges(), max_ranges=99), set[int | str]()
    for page in pages:
        for value, is_new in zip(page, emitted.admit(page), strict=True):
            assert is_new == (value not in seen or isinstance(value, str))
            seen.add(value)


def test_ids_of_rows_that_are_gone_are_forgotten_at_the_end_of_the_pass() -> None:
    emitted = EmittedIds(ranges_of(1, 2, 3), max_ranges=10)
    emitted.admit([2])
    emitted.forget_unseen()
    assert emitted.ranges == ranges_of(2)


def test_too_many_ranges_are_forgotten_and_that_is_said() -> None:
    emitted = EmittedIds(IdRanges(), max_ranges=2)
    assert emitted.admit([1, 3, 4, 6, 7]) == [True] * 5
    assert emitted.ranges == ranges_of(3, 4, 6, 7)
    assert emitted.memory is Memory.TOO_MANY_RANGES
    assert emitted.admit([1]) == [True]


def test_ids_that_are_no_integers_are_new_every_time_and_that_is_said() -> None:
    emitted = EmittedIds(IdRanges(), max_ranges=2)
    assert emitted.admit(["a", "b"]) == [True, True]
    assert emitted.admit(["a"]) == [True]
    assert emitted.memory is Memory.IDS_NOT_INTEGERS
