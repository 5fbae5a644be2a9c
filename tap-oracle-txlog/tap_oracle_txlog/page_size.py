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
        total, largest = _sizes(fetched)
        left -= total
        count = max(1, min(count * 10, _ROWS_AT_ONCE, left // (largest + 1)))
    return rows, len(rows) < limit


def _sizes(rows: Sequence[Sequence[Any]]) -> tuple[int, int]:
    """Of all rows together, and what none is larger than.

    By column, because row by row it would cost as much as reading them.
    """
    total = largest = 0
    for column in zip(*rows, strict=True):
        is_text = [issubclass(kind, str | bytes) for kind in set(map(type, column))]
        if any(is_text):
            sized = column if all(is_text) else _texts(column)
            total += sum(map(len, sized))
            largest += max(map(len, sized))
    return total, largest


def _texts(column: Sequence[Any]) -> list[str | bytes]:
    return [each for each in column if isinstance(each, str | bytes)]
