"""How far the slices of a backfill are, from their rows in the ledger.

Pure. How many there are, each says in its STATE; those that have no row yet have not begun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from typing_extensions import override

from target_nats_jetstream.slices import number_of
from target_nats_jetstream.status.words import format_length, short

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from target_nats_jetstream.ledger.row import LedgerRow

#: The member of a STATE that says how many slices there are.
COUNT: Final = "slices"


def is_over(row: LedgerRow) -> bool:
    """Whether it is the row of a slice that is complete: nothing more is to come there."""
    return row.status == "SUCCESS" and number_of(row.program_name) is not None


class SliceProgress(NamedTuple):
    """Slices of a backfill as one.

    Args:
        done: How many are complete.
        total: How many there are.
        rows: The records of all of them.
        slowest: The number of the one that has been at work for longest and is not complete.
        left: How long the others take if they are as quick as those that are done; None while that
            is not known.
    """

    done: int
    total: int
    rows: int
    slowest: str | None
    left: timedelta | None

    @classmethod
    def of(cls, rows: Sequence[LedgerRow]) -> SliceProgress | None:
        """The progress of these pipelines; None unless each of them is a slice."""
        if not rows or not all(number_of(row.program_name) for row in rows):
            return None
        done = sum(map(is_over, rows))
        total = max(len(rows), *map(_count, rows))
        unfinished = [row for row in rows if not is_over(row) and row.last_run_time]
        slowest = min(unfinished, key=lambda row: str(row.last_run_time), default=None)
        return cls(
            done,
            total,
            sum(row.records_processed for row in rows),
            None if slowest is None else number_of(slowest.program_name),
            _left(rows, done, total),
        )

    @override
    def __str__(self) -> str:
        """``slices 112/400 · rows 2.8e9 · slowest #0031 · left 3 h``."""
        slowest = "-" if self.slowest is None else f"#{self.slowest}"
        return (
            f"slices {self.done}/{self.total} · rows {short(self.rows)} · slowest {slowest} · "
            f"left {format_length(self.left)}"
        )


def _count(row: LedgerRow) -> int:
    """How many slices there are, as this one knows it."""
    count = row.state.get(COUNT)
    return count if isinstance(count, int) else 0


def _left(rows: Sequence[LedgerRow], done: int, total: int) -> timedelta | None:
    began = [row.last_run_time for row in rows if row.last_run_time]
    seen = [row.updated_at for row in rows if row.updated_at]
    if not (done and began and seen):
        return None
    return (max(seen) - min(began)) * (total - done) / done
