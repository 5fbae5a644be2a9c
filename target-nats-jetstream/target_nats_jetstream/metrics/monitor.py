"""The one object that knows how a run stands; it is told of the run and has no say in it.

The numbers are those that the publisher counts anyway. They are put together when somebody asks,
which may be another thread: whatever it reads is replaced as a whole and never changed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from target_nats_jetstream.metrics.instruments import Figures, measures
from target_nats_jetstream.metrics.passes import PassesSoFar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_nats_jetstream.ledger.ledger import Ledger
    from target_nats_jetstream.metrics.instruments import Measure
    from target_nats_jetstream.publisher.publisher import Publisher


class Output(Protocol):
    """A way to show the metrics."""

    def start(self) -> None:
        """Begin; raises a ConfigurationError where it cannot work as it is set."""

    def update(self) -> None:
        """There was a checkpoint, or the end of the run."""

    def close(self) -> None:
        """Release what it holds; idempotent."""


class Monitor:
    """Told by the run: what came from the tap, what left, and how it ended.

    Args:
        pipeline: Whose metrics they are.
        ledger: None where none is kept.
    """

    def __init__(self, pipeline: str, publisher: Publisher, ledger: Ledger | None) -> None:
        self._publisher = publisher
        self._ledger = ledger
        self._so_far = PassesSoFar()
        self._checkpoint_at: float | None = None
        self._success: bool | None = None
        self._acked_through = 0
        self._moved_at = time.monotonic()
        self.pipeline = pipeline
        self.outputs: Sequence[Output] = ()
        """What shows the metrics; set before the run starts."""

    # Told by the run

    def start(self) -> None:
        """Before it connects.

        Raises:
            ConfigurationError: ``health_port`` cannot be had.
        """
        self._moved_at = time.monotonic()
        for output in self.outputs:
            output.start()

    def heard(self) -> None:
        """Something came from the tap. With something still unacknowledged, that is no progress."""
        if self._publisher.acked_through >= self._publisher.submitted:
            self._moved()

    def noted(self, state: Mapping[str, object]) -> None:
        """A STATE came from the tap."""
        self.heard()
        if self.outputs:
            self._so_far.note(state)

    def looked(self) -> None:
        """The run has looked at what is acknowledged."""
        acked = self._publisher.acked_through
        if acked != self._acked_through:
            self._acked_through = acked
            self._moved()

    def checkpoint(self, state: Mapping[str, object]) -> None:
        """A STATE has left, the newest one so far."""
        self._moved()
        if self.outputs:
            self._so_far.release(state)
        self._checkpoint_at = time.time()
        self._update()

    def ended(self, *, success: bool) -> None:
        """The run is over."""
        self._success = success
        self._update()

    def close(self) -> None:
        """Show nothing any more; idempotent."""
        for output in self.outputs:
            output.close()

    def _moved(self) -> None:
        if self._publisher.is_connected:
            self._moved_at = time.monotonic()

    def _update(self) -> None:
        for output in self.outputs:
            output.update()

    # Asked by outputs, from any thread

    def measures(self) -> Iterator[Measure]:
        """All that is known."""
        counts, passes = self._publisher.counts, self._so_far.passes
        return measures(Figures(counts, passes, self._checkpoint_at, self._success))

    @property
    def still_for(self) -> float:
        """Seconds without progress: without a checkpoint or an acknowledgement, and without a sign
        of the tap while all that it sent is acknowledged; or without a connection to NATS.
        """
        return time.monotonic() - self._moved_at

    @property
    def unreached(self) -> list[str]:
        """Whom the run does not reach, for people."""
        reached = {"NATS": self._publisher.is_connected}
        if self._ledger is not None:
            reached["the ledger"] = self._ledger.is_reached
        return [name for name, is_reached in reached.items() if not is_reached]
