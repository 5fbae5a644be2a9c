"""Sets of row ids: integers as ranges, all others one by one.

They are immutable, and each knows its own text for the state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, cast

from tap_oracle_txlog.rules.id_ranges import IdRanges, Run
from tap_oracle_txlog.rules.packing import pack_others, pack_ranges, unpack_others, unpack_ranges

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from tap_oracle_txlog.rules.position import Position, RowId

MAX_STATE_BYTES: Final = 60_000
"""What the remembered ids may take in the state; beyond it the oldest stretches are left out."""


@dataclass(frozen=True)
class IdSet:
    """Ids of rows: integers as ranges, others one by one."""

    ranges: IdRanges = field(default_factory=IdRanges)
    others: frozenset[RowId] = frozenset()

    def __contains__(self, row_id: RowId) -> bool:
        """Whether the id is one of these."""
        return row_id in self.ranges if isinstance(row_id, int) else row_id in self.others

    def __len__(self) -> int:
        """How many there are."""
        return self.ranges.count + len(self.others)

    def among(self, ids: Collection[RowId]) -> frozenset[RowId]:
        """Which of ``ids`` are of these; cheap where none can be, as in a backlog."""
        if not self.others and set(map(type, ids)) == {int}:
            numbers = cast("Collection[int]", ids)
            if not self.ranges.reaches(min(numbers), max(numbers)):
                return frozenset()
        return frozenset(one for one in ids if one in self)

    def with_rows(self, positions: Sequence[Position]) -> IdSet:
        """These and the ids of ``positions``."""
        ranges = self.ranges.copy()
        ranges.add([row_id for _, row_id in positions if isinstance(row_id, int)])
        others = [row_id for _, row_id in positions if not isinstance(row_id, int)]
        return IdSet(ranges, self.others.union(others) if others else self.others)

    def without(self, ids: Iterable[RowId]) -> IdSet:
        """These without ``ids``."""
        gone = frozenset(ids)
        ranges = self.ranges.copy()
        for row_id in gone:
            if isinstance(row_id, int):
                ranges.discard(row_id)
        return IdSet(ranges, self.others - gone)

    def __or__(self, other: IdSet) -> IdSet:
        """The ids of both."""
        return IdSet(self.ranges | other.ranges, self.others | other.others)

    @cached_property
    def runs(self) -> Sequence[Run]:
        """The integers as runs."""
        return self.ranges.runs()

    @cached_property
    def ids_text(self) -> str:
        """The integers, for the state."""
        return pack_ranges(self.ranges, self.runs)

    @cached_property
    def others_text(self) -> str:
        """The other ids, for the state; only text can come back from it."""
        return pack_others(sorted(one for one in self.others if isinstance(one, str)))

    @property
    def fits(self) -> bool:
        """Whether they are few enough for the state, all at once."""
        return 0 < len(self.ids_text) + len(self.others_text) <= MAX_STATE_BYTES

    @property
    def unwritten(self) -> int:
        """How many of the other ids are no text: those cannot be in a state."""
        return sum(not isinstance(one, str) for one in self.others)

    @classmethod
    def of_text(cls, ids: str, others: str) -> IdSet:
        """The inverse of the two.

        Raises:
            ValueError: The texts are not what they write.
        """
        return cls(unpack_ranges(ids), frozenset(unpack_others(others)))
