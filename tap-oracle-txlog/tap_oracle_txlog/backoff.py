"""How long to wait before the next attempt. Nobody waits here, and no clock is read."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits of ``delays`` seconds, the last of them again and again, as many as there are retries.

    ``jitter`` (0 to 1) takes off up to half of each wait, so that jobs which lost the same database
    do not come back in the same moment.
    """

    delays: Sequence[float]
    max_retries: int
    jitter: Callable[[], float] = random.random

    def __iter__(self) -> Iterator[float]:
        """The seconds to wait before each retry; ends when no retry is left."""
        for retry in range(self.max_retries):
            yield self.delays[min(retry, len(self.delays) - 1)] * (1 - self.jitter() / 2)
