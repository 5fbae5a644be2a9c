"""A page is bounded in rows and in bytes, whatever stands in its columns."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.page_size import bounded

if TYPE_CHECKING:
    from collections.abc import Sequence

VALUES = st.none() | st.integers() | st.floats() | st.text(max_size=40) | st.binary(max_size=40)
ROWS = st.lists(st.tuples(st.integers(), VALUES, VALUES), max_size=60)


def length(row: Sequence[Any]) -> int:
    return sum(len(value) for value in row if isinstance(value, str | bytes))


@given(ROWS, st.integers(1, 70), st.integers(1, 400))
def test_a_page_ends_with_the_rows_the_limit_or_the_size(
    table: list[tuple[Any, ...]], limit: int, size: int
) -> None:
    left = iter(table)

    def fetch(count: int) -> list[tuple[Any, ...]]:
        return list(islice(left, count))

    rows, is_cut = bounded(fetch, limit, size)
    assert rows == table[: len(rows)]
    is_large = sum(map(length, rows)) >= size
    assert not is_cut or (len(rows) < limit and is_large)
    assert is_cut or len(rows) == min(limit, len(table))
