"""A bound in bytes for a page: rows are fetched a few at a time until they are many or large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PAGE_BYTES: Final = 4 << 20
"""Of text and bytes; other values are small."""

ROWS_AT_ONCE: Final = 2_000

LEAST_ROWS: Final = 2

_ROWS_AT_FIRST: Final = 10
_PORTIONS: Final = 4
"""A page of large rows is fetched in so many portions, at least."""

_R = TypeVar("_R", bound="Sequence[Any]")


class PageSize:
    """Bounds the pages of one source, and learns from each how large its rows are.

    Where rows suddenly get much larger, one portion of them is of as many as before.

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
        """Up to ``limit`` rows of about that size, and whether the size ended them.

        Two rows come whatever their size, so that whoever compares two of them gets both.

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
        """Take in how large these are; tells it."""
        size = _size(rows)
        if rows:
            fitting = self._size // _PORTIONS * len(rows) // (size + 1)
            self.portion = max(1, min(self.portion * 10, self._most, fitting))
        return size


def _size(rows: Sequence[Sequence[Any]]) -> int:
    """Characters and bytes in ``rows``, by column: row by row, it would cost as much as reading."""
    total = 0
    for column in zip(*rows, strict=True):
        try:
            total += sum(map(len, column))
        except TypeError:  # a null, or no text at all
            if any(issubclass(kind, str | bytes) for kind in set(map(type, column))):
                total += sum(len(each) for each in column if isinstance(each, str | bytes))
    return total
