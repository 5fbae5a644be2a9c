"""Positions: where a row stands in the order of (replication key, id), and what that order forbids.

Two things can make a pass wrong without anybody noticing: a page that does not move forward, and an
id that occurs twice. Both are errors here.
"""

from __future__ import annotations

from functools import partial
from itertools import islice, pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from tap_oracle_txlog.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tap_oracle_txlog.rules.timestamps import Instant

RowId: TypeAlias = "int | str | None"

_id = attrgetter("id")
_REMEDY: Final = "Choose an id_column that is unique and never NULL"


class Position(NamedTuple):
    """The place of a row. ``id`` is None only for the place before every row of that instant."""

    at: Instant
    id: RowId

    @classmethod
    def before(cls, at: Instant) -> Position:
        """The place before every row of ``at``."""
        return cls(at, None)

    @classmethod
    def of_rows(cls, ats: Iterable[Instant], ids: Iterable[RowId]) -> list[Position]:
        """The places of the rows of a page."""
        make: Callable[[tuple[object, ...]], Position] = partial(tuple.__new__, cls)
        return list(map(make, zip(ats, ids, strict=True)))  # a third of the cost of calling `cls`

    def follows(self, other: Position) -> bool:
        """Whether this place is later than ``other``.

        Text ids of one instant are in the order of the database's collation, which is not known
        here: of two different ones each follows the other.
        """
        if self.at != other.at:
            return self.at > other.at
        if self.id is None or other.id is None:
            return self.id is not None
        if isinstance(self.id, int) and isinstance(other.id, int):
            return self.id > other.id
        return self.id != other.id


class PageDidNotAdvanceError(DataError):
    """A page does not lie behind the place it was asked for: reading on would be a loop."""

    def __init__(self, after: Position, page: Sequence[Position]) -> None:
        reason = (
            f"cannot continue after {_shown(after)}: the page from {_shown(page[0])} to "
            f"{_shown(page[-1])} does not move strictly forward"
        )
        super().__init__(reason, _REMEDY)


class NotUniqueError(DataError):
    """Two rows in the table share an id, so there is no telling which of them was emitted."""

    def __init__(self, row_id: RowId, table: str) -> None:
        super().__init__(
            f"the `id_column` of {table} holds {row_id!r} in more than one row", _REMEDY
        )


def moves_on(after: Position, positions: Sequence[Position]) -> bool:
    """Whether the positions lie behind ``after``, each behind the one before it."""
    if not positions[0].follows(after) or positions[-1] == after:
        return False
    following = islice(positions, 1, None)
    if isinstance(positions[0].id, int):
        return all(map(tuple.__lt__, positions, following))
    return all(later.follows(earlier) for earlier, later in pairwise(positions))


def twins(positions: Sequence[Position]) -> tuple[Position, Position] | None:
    """Two of the positions that have the same id, if there are any."""
    if len(set(map(_id, positions))) == len(positions):
        return None
    seen: dict[RowId, Position] = {}
    for one in positions:
        if one.id in seen:
            return seen[one.id], one
        seen[one.id] = one
    return None


def in_order(position: Position) -> tuple[Instant, bool, int | str]:
    """The key by which positions are sorted."""
    return (position.at, position.id is not None, position.id if position.id is not None else 0)


def _shown(position: Position) -> str:
    return f"({position.at}, {position.id})"
