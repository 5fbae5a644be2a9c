"""How long to go on trying: growing waits with jitter, and an end. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


FREE_TRIES: Final = 20
"""Tries in another way that need not wait: more than there are ways, or halves of a batch."""


class Backoff:
    """The tries since there was last any progress.

    Args:
        limit: Seconds after which to give up, as a rule from the first failure.
        delays: Seconds before each try; the last one repeats.
        chance: A number from 0 to 1, anew at each call: many clients must not wait in step.
    """

    def __init__(
        self,
        limit: float,
        *,
        delays: Sequence[float],
        chance: Callable[[], float],
    ) -> None:
        self.limit = limit
        self.tries = 0
        self._delays = delays
        self._chance = chance
        self._since = 0.0
        self._free = FREE_TRIES

    def progress(self) -> None:
        """Forget the failures."""
        self.tries = 0
        self._free = FREE_TRIES

    def is_free(self) -> bool:
        """Whether the next try, which goes another way, need not wait; not so for ever."""
        self._free -= 1
        return self._free >= 0

    def failed(self, now: float, *, since: float | None = None) -> float | None:
        """Seconds to wait before the next try, or None when it is time to give up.

        Args:
            now: The time of the failure.
            since: From when the limit counts, when this is the first failure; else from ``now``.
        """
        if not self.tries:
            self._since = now if since is None else since
        left = self._since + self.limit - now
        wait = self._delays[min(self.tries, len(self._delays) - 1)]
        self.tries += 1
        if left <= 0:
            return None
        return min(wait * (0.5 + self._chance() / 2), left)

    def lasted(self, now: float) -> float:
        """Seconds since the first failure."""
        return now - self._since
