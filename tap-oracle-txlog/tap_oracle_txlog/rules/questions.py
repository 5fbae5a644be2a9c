"""What a pass asks of a table, and the answers it gets.

A pass never reads by itself: it yields one of these questions and is handed an ``Answer``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from tap_oracle_txlog.rules.position import PageDidNotAdvanceError, Position, moves_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_oracle_txlog.rules.id_ranges import Run
    from tap_oracle_txlog.rules.timestamps import Instant

MAX_RUNS: Final = 256
"""More runs than this are not put into a statement: then the keys are fetched and compared here."""

MAX_ROWS_AT: Final = 256
"""No more positions than this are asked for in one ``RowsAt``."""


class Rows(NamedTuple):
    """Ask for a page of rows behind ``after`` and before ``until``, without these ids."""

    after: Position
    until: Instant | None
    known: Sequence[Run] = ()


class Keys(NamedTuple):
    """Ask for a page of positions alone."""

    after: Position
    until: Instant | None


class RowsAt(NamedTuple):
    """Ask for the rows at these positions, which ascend."""

    positions: Sequence[Position]


Question: TypeAlias = "Rows | Keys | RowsAt"


class Answer(NamedTuple):
    """What was found: ``following`` is the position behind the last one, where it was looked at; of
    ``RowsAt`` it is the first one that was not.

    ``more`` is whether another page may hold something.
    """

    positions: Sequence[Position]
    more: bool
    following: Position | None = None

    @property
    def with_following(self) -> Sequence[Position]:
        """All positions that were looked at."""
        if self.following is None:
            return self.positions
        return [*self.positions, self.following]

    def check_order(self, after: Position) -> None:
        """See that the answer lies behind ``after``, in strict order.

        Raises:
            PageDidNotAdvanceError: It does not.
        """
        positions = self.with_following
        if not moves_on(after, positions):
            raise PageDidNotAdvanceError(after, positions)
