"""When a STATE may leave the target.

A Singer STATE promises that all that came before it is safe. Here it is a barrier: it is noted with
the number of the batch that ends with the last record before it, and released when the publisher
has an unbroken prefix of acknowledged batches up to that number. Nothing is drained and nothing
waits: publishing goes on meanwhile.

Pure: time, batch numbers and acknowledgements come in as arguments.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Checkpoint(NamedTuple):
    """A STATE, and the batch it waits for."""

    state: Mapping[str, object]
    barrier: int


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
        self._newest: tuple[Checkpoint, int] | None = None
        self._held: deque[Checkpoint] = deque()
        self._last_records = 0
        self._last_at = -math.inf  # makes the first one due

    def note(self, state: Mapping[str, object], records: int, *, barrier: int) -> None:
        """Take the newest STATE.

        Args:
            state: The STATE.
            records: How many records of the run came before it.
            barrier: The batch that ends with the last of them.
        """
        self._newest = Checkpoint(state, barrier), records

    def due(self, now: float) -> bool:
        """Whether the newest STATE is to be held as a checkpoint now."""
        if self._newest is None:
            return False
        _, records = self._newest
        return (
            records - self._last_records >= self._every_records
            or now >= self._last_at + self._every_seconds
        )

    def deadline(self) -> float:
        """When the newest STATE becomes due by time alone; infinity when there is none."""
        return math.inf if self._newest is None else self._last_at + self._every_seconds

    def hold(self, now: float) -> None:
        """Make the newest STATE, if there is one, a checkpoint."""
        if self._newest is None:
            return
        checkpoint, self._last_records = self._newest
        self._held.append(checkpoint)
        self._newest = None
        self._last_at = now

    def release(self, acked_through: int) -> list[Checkpoint]:
        """The checkpoints that ``acked_through`` covers, oldest first; each is given out once."""
        released = []
        while self._held and self._held[0].barrier <= acked_through:
            released.append(self._held.popleft())
        return released
