"""Ranges of ids behave as the set of their ids, whatever the order in which these come."""

from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.rules.id_ranges import IdRanges
from tap_oracle_txlog.rules.packing import (
    pack_numbers,
    pack_others,
    pack_ranges,
    unpack_numbers,
    unpack_others,
    unpack_ranges,
)

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


@given(st.lists(st.sets(SMALL | st.integers()), max_size=6))
def test_ids_that_are_added_page_by_page_are_those_of_all_pages(pages: list[set[int]]) -> None:
    ranges = IdRanges()
    for page in pages:
        ranges.add(sorted(page))
    assert ranges == ranges_of(*(one for page in pages for one in page))


@given(st.sets(SMALL), st.integers(2, 9))
def test_runs_are_the_ids_whatever_their_distances(ids: set[int], step: int) -> None:
    spread = {one * step for one in ids} | ids
    runs = ranges_of(*spread).runs()
    assert sorted(one for low, high, by in runs for one in range(low, high + 1, by)) == sorted(
        spread
    )


def test_ids_in_steps_are_one_run() -> None:
    assert IdRanges.of(range(1_001, 2_000, 10)).encode() == "1001-1991/10"


@pytest.mark.parametrize("text", ["1-9/3", "1-7/0", "1-99999999999/2", "9-1/2"])
def test_a_step_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="range"):
        IdRanges.decode(text)


# The text in the state


@given(st.sets(SMALL | st.integers()))
def test_packed_ranges_come_back(ids: set[int]) -> None:
    ranges = ranges_of(*ids)
    assert unpack_ranges(pack_ranges(ranges, ranges.runs())) == ranges


@given(st.lists(st.text()), st.lists(st.integers(0, 2**32 - 1)))
def test_packed_texts_and_numbers_come_back(texts: list[str], numbers: list[int]) -> None:
    if all(text.isprintable() for text in texts):
        assert unpack_others(pack_others(texts)) == texts
    assert list(unpack_numbers(pack_numbers(numbers))) == numbers


@pytest.mark.parametrize("step", [1, 2, 10, 1_000_003])
def test_300_000_ids_of_equal_distance_are_a_short_text(step: int) -> None:
    ranges = IdRanges.of(range(7, 7 + 300_000 * step, step))
    assert len(pack_ranges(ranges, ranges.runs())) < 40


@pytest.mark.parametrize("text", ["z:", "z:!", "z:eJw=", "z:AAAA", "z:eJwDAAAAAAE=x"])
def test_packed_text_that_is_damaged_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="compressed ids"):
        unpack_ranges(text)
    with pytest.raises(ValueError, match="compressed ids"):
        unpack_others(text)


def test_a_text_that_unpacks_to_more_than_any_state_is_refused() -> None:
    bomb = "z:" + base64.b64encode(zlib.compress(bytes(100_000_000))).decode()
    with pytest.raises(ValueError, match="have no end"):
        unpack_ranges(bomb)


def test_checks_that_are_damaged_are_refused() -> None:
    for text in ("!", "AAA", "AAAAAAA="):
        with pytest.raises(ValueError, match="checks of rows"):
            unpack_numbers(text)
