"""When a STATE may leave the target.

A Singer STATE promises that all that came before it is safe. Here it is a barrier: it is held with
the number of the batch that carries the last record before it, and released when the publisher has
an unbroken prefix of acknowledged batches up to that number. Nothing is drained and nothing waits:
publishing goes on meanwhile.

Pure: time, batch numbers and acknowledgements come in as arguments.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Checkpoint(NamedTuple):
    """A STATE, the batch it waits for, and how many records of each stream came before it in this
    run.
    """

    state: Mapping[str, object]
    barrier: int
    records: Mapping[str, int]


class Checkpoints:
    """Decides which STATEs become checkpoints, and holds these until they are covered by acks.

    The first STATE of a run is due at once: it proves the whole way to the ledger and to stdout
    before much is published. After it, one is due every ``every_records`` records or
    ``every_seconds`` seconds, whichever comes first. A STATE that is not due is replaced by the
    next one.
    """

    def __init__(self, *, every_records: int, every_seconds: float) -> None:
        self._every_records = every_records
        self._every_seconds = every_seconds
        self._newest: tuple[Mapping[str, object], Mapping[str, int]] | None = None
        self._held: deque[Checkpoint] = deque()
        self._last_records = 0
        self._last_at = -math.inf  # makes the first one due

    def note(self, state: Mapping[str, object], records: Mapping[str, int]) -> None:
        """Take the newest STATE; ``records`` tells how many records of each stream came before
        it.
        """
        self._newest = (state, dict(records))

    def due(self, now: float) -> bool:
        """Whether the newest STATE is to be held as a checkpoint now."""
        if self._newest is None:
            return False
        return (
            sum(self._newest[1].values()) - self._last_records >= self._every_records
            or now >= self._last_at + self._every_seconds
        )

    def deadline(self) -> float:
        """When the newest STATE becomes due by time alone; infinity when there is none."""
        return math.inf if self._newest is None else self._last_at + self._every_seconds

    def hold(self, *, barrier: int, now: float) -> None:
        """Make the newest STATE, if there is one, a checkpoint behind ``barrier``."""
        if self._newest is None:
            return
        state, records = self._newest
        self._held.append(Checkpoint(state, barrier, records))
        self._newest = None
        self._last_records = sum(records.values())
        self._last_at = now

    def release(self, acked_through: int) -> list[Checkpoint]:
        """The checkpoints that ``acked_through`` covers, oldest first; each is given out once."""
        released = []
        while self._held and self._held[0].barrier <= acked_through:
            released.append(self._held.popleft())
        return released
