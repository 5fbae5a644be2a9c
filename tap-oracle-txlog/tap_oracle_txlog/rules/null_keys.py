"""Rows whose replication key is NULL: they have no place in time, so none is ever complete.

Every pass reads all of them, and their ids stay in the state for as long as the rows stay in the
table.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tap_oracle_txlog.rules.id_sets import IdSet
from tap_oracle_txlog.rules.position import PageDidNotAdvanceError, Position, moves_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_oracle_txlog.rules.position import RowId
    from tap_oracle_txlog.rules.progress import Progress


class NullKeyScan:
    """One pass over the rows whose replication key is NULL, by id."""

    def __init__(self, progress: Progress) -> None:
        self.after_id: RowId | None = None
        self.progress = progress
        self._seen = IdSet()

    def admit(self, positions: Sequence[Position]) -> list[bool]:
        """Say of each row of the next page whether it is new; all that are count as emitted then.

        Of the positions only the ids count, all have the same ``at``.

        Raises:
            PageDidNotAdvanceError: The page does not lie behind ``after_id``, in strict order.
        """
        if not positions:
            return []
        after = Position(positions[0].at, self.after_id)
        if not moves_on(after, positions):
            raise PageDidNotAdvanceError(after, positions)
        known = self.progress.null_ids
        new = [one.id not in known for one in positions if one.id is not None]
        self._seen = self._seen.with_rows(positions)
        self.progress = replace(self.progress, null_ids=known.with_rows(positions))
        self.after_id = positions[-1].id
        return new

    def finish(self) -> None:
        """Close the pass: forget the ids of rows that are gone or have got a key since."""
        self.progress = replace(self.progress, null_ids=self._seen)
