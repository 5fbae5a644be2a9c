"""Where the messages of an input go: to JetStream in a run, to be compared with it otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_nats_jetstream.errors import TargetError
    from target_nats_jetstream.message import Message
    from target_nats_jetstream.publisher.limits import Reason


class Destination(Protocol):
    """From ``start`` to exactly one of ``finish``, ``stop_by_signal`` and ``fail``; then ``close``.

    What is raised by any of them is a TargetError, or ``Stopped`` after a signal.
    """

    def start(self) -> None:
        """Begin, before anything is read."""

    def take(self, messages: Sequence[Message]) -> None:
        """Take messages, in the order of the input."""

    def dead_letter(self, message: Message, reason: Reason, detail: str) -> None:
        """Take a record that cannot be published."""

    def after_ack(self, act: Callable[[], None]) -> None:
        """Call ``act`` once nothing is needed any more of what was taken before."""

    def note(self, state: Mapping[str, object]) -> None:
        """Take a STATE."""

    def idle(self) -> float:
        """Do what is due while there is no input; tells when (time.monotonic) to be called
        again.
        """

    def finish(self, messages: int) -> None:
        """End an input of so many messages."""

    def stop_by_signal(self, signum: int, seconds: float) -> None:
        """Save what can be saved within ``seconds``; never raises."""

    def fail(self, error: TargetError) -> None:
        """Save what can be saved after a failure; never raises."""

    def close(self) -> None:
        """Release all connections; idempotent."""
