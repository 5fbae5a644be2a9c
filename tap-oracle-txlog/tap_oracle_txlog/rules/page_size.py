"""A bound in bytes for a page: rows are fetched a few at a time until they are many or large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PAGE_BYTES: Final = 4 << 20
"""Of text and bytes; other values are small."""

ROWS_AT_ONCE: Final = 2_000

LEAST_ROWS: Final = 2
"""A page holds two rows whatever their size, so that two can be compared."""

_ROWS_AT_FIRST: Final = 10
_PORTIONS: Final = 4
"""A page of large rows is fetched in at least this many portions."""

_ROWS_LOOKED_AT: Final = 500
"""To know the size of a portion; to look at each of its rows costs a tenth of reading them."""

_R = TypeVar("_R", bound="Sequence[Any]")


class PageSize:
    """Bounds the pages of one source, and learns from each how large its rows are.

    It cannot foresee larger rows: the first portion of them has as many rows as the one before.

    Args:
        most: Rows that are fetched at once, at most.
        size: Bytes of a page, about.
    """

    def __init__(self, most: int = ROWS_AT_ONCE, size: int = PAGE_BYTES) -> None:
        self._most = most
        self._size = size
        self.portion = min(_ROWS_AT_FIRST, most)
        """Rows to fetch at once next."""

    def bounded(self, fetch: Callable[[int], Sequence[_R]], limit: int) -> tuple[list[_R], bool]:
        """Return up to ``limit`` rows, and whether they are fewer because of their size.

        Args:
            fetch: The next so many rows of a statement, or those that are left.
            limit: Rows.
        """
        rows: list[_R] = []
        left = self._size
        while len(rows) < limit and (left > 0 or len(rows) < LEAST_ROWS):
            asked = min(self.portion, limit - len(rows))
            fetched = fetch(asked)
            rows += fetched
            left -= self._learn(fetched)
            if len(fetched) < asked:
                return rows, False
        return rows, len(rows) < limit

    def _learn(self, rows: Sequence[Sequence[Any]]) -> int:
        """Set the next portion by the size of these rows, and return that size."""
        size = _size(rows)
        if rows:
            fitting = self._size // _PORTIONS * len(rows) // (size + 1)
            self.portion = max(1, min(self.portion * 10, self._most, fitting))
        return size


def _size(rows: Sequence[Sequence[Any]]) -> int:
    """Characters and bytes in ``rows``, of many rows about."""
    step = 1 + len(rows) // _ROWS_LOOKED_AT
    return step * _size_of_all(rows[::step])


def _size_of_all(rows: Sequence[Sequence[Any]]) -> int:
    total = 0
    for column in zip(*rows, strict=True):  # row by row, it would cost as much as reading
        try:
            total += sum(map(len, column))
        except TypeError:  # a null, or no text at all
            if any(issubclass(kind, str | bytes) for kind in set(map(type, column))):
                total += sum(len(each) for each in column if isinstance(each, str | bytes))
    return total
