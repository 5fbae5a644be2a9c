"""A page is bounded in rows and in bytes, whatever stands in its columns."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.rules.page_size import PageSize

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VALUES = st.none() | st.integers() | st.floats() | st.text(max_size=40) | st.binary(max_size=40)
ROWS = st.lists(st.tuples(st.integers(), VALUES, VALUES), max_size=60)


def length(row: Sequence[Any]) -> int:
    return sum(len(value) for value in row if isinstance(value, str | bytes))


@given(st.lists(st.tuples(ROWS, st.integers(1, 70)), max_size=3), st.integers(1, 400))
def test_a_page_ends_with_the_rows_the_limit_or_the_size(
    pages: list[tuple[list[tuple[Any, ...]], int]], size: int
) -> None:
    page_size = PageSize(most=20, size=size)
    for table, limit in pages:
        left = iter(table)

        def fetch(count: int, left: Iterator[tuple[Any, ...]] = left) -> list[tuple[Any, ...]]:
            return list(islice(left, count))

        rows, is_cut = page_size.bounded(fetch, limit)
        assert rows == table[: len(rows)]
        is_large = sum(map(length, rows)) >= size and len(rows) >= 2
        assert not is_cut or (len(rows) < limit and is_large)
        assert is_cut or len(rows) == min(limit, len(table))


def test_rows_are_fetched_the_fewer_at_a_time_the_larger_they_are() -> None:
    page_size = PageSize(most=100, size=4_000)
    asked: list[int] = []

    def fetch(count: int) -> list[tuple[str]]:
        asked.append(count)
        return [("x" * characters,)] * count

    characters = 1
    assert page_size.bounded(fetch, 300) == ([("x",)] * 300, False)
    assert asked == [10, 100, 100, 90]
    asked.clear()
    characters = 200
    rows, is_cut = page_size.bounded(fetch, 300)
    assert (len(rows), is_cut, asked) == (100, True, [100])
    page_size.bounded(fetch, 300)
    assert asked == [100, 4, 4, 4, 4, 4]
