"""The size of a page after trouble."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.page_limit import GOOD, TRIES, PageLimit


@given(st.integers(1, 100_000), st.lists(st.booleans(), max_size=200))
def test_it_is_never_nothing_and_never_more_than_the_settings_say(
    most: int, good: list[bool]
) -> None:
    size = PageLimit(most)
    for is_good in good:
        if is_good:
            size.good()
        else:
            size.shrink(size.rows)
        assert 1 <= size.rows <= most


@given(st.integers(1, 100_000), st.integers(0, TRIES - 1))
def test_after_enough_good_pages_it_is_what_it_was(most: int, failures: int) -> None:
    size = PageLimit(most)
    for _ in range(failures):
        size.shrink(size.rows)
    for _ in range(GOOD * most.bit_length()):
        size.good()
    assert size.rows == most


@given(st.integers(1, 10**9))
def test_a_page_that_never_comes_is_asked_for_a_few_times(most: int) -> None:
    size = PageLimit(most)
    tries = 1
    while size.shrink(size.rows):
        tries += 1
    assert tries <= TRIES


def test_a_single_row_cannot_be_made_smaller() -> None:
    assert not PageLimit(10).shrink(1)
