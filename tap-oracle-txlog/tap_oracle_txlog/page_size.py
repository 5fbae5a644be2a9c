"""A bound in bytes for a page: rows are fetched a few at a time until they are many or large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PAGE_BYTES: Final = 16 << 20
"""Of text and bytes; other values are small."""

_ROWS_AT_ONCE: Final = 2_000

_R = TypeVar("_R", bound="Sequence[Any]")


def bounded(
    fetch: Callable[[int], Sequence[_R]], limit: int, size: int = PAGE_BYTES
) -> tuple[list[_R], bool]:
    """Up to ``limit`` rows of about ``size`` bytes, one at least, and whether the size ended them.

    The first rows tell how many are asked for next, so that not even these are many when large.
    """
    rows: list[_R] = []
    left, count = size, 1
    while len(rows) < limit and left > 0:
        asked = min(count, limit - len(rows))
        fetched = fetch(asked)
        rows += fetched
        if len(fetched) < asked:
            return rows, False
        read = _size(fetched)
        left -= read
        count = max(1, min(count * 10, _ROWS_AT_ONCE, left * asked // (read + 1)))
    return rows, len(rows) < limit


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
