"""Sending what the stream lacks, with the ids that it should have had.

Nothing else changes: no STATE is passed on, and the ledger is not told. Rows are sent one by one in
the order of the input, as a run sends them, and what somebody else has stored meanwhile is not
stored again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from target_nats_jetstream.publisher.publisher import Publisher
from target_nats_jetstream.verify.report import Repair

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_nats_jetstream.message import Message
    from target_nats_jetstream.publisher.settings import NatsSettings

BATCH: Final = 500


def send(
    settings: NatsSettings,
    messages: Sequence[Message],
    pipeline: str,
    *,
    wait: Callable[[Callable[[], bool]], object],
    wake: Callable[[], None],
) -> Repair:
    """Publish ``messages``.

    Args:
        settings: Where to.
        messages: What the stream lacks, in the order of the input.
        pipeline: The name that they carry.
        wait: How the caller waits until a condition holds.
        wake: Called when it may.

    Raises:
        TargetError: Not all could be published; those before are stored. Run it again.
    """
    settings = msgspec.structs.replace(settings, on_error="fail", publish_mode="sync")
    publisher = Publisher(settings, (), pipeline=pipeline, on_progress=wake)
    try:
        window = publisher.start(wait=wait).duplicate_window
        for start in range(0, len(messages), BATCH):
            publisher.submit(messages[start : start + BATCH])
            wait(lambda: _is_over(publisher))
        if publisher.failure is not None:
            raise publisher.failure
        counts = publisher.counts
        return Repair(counts.published, counts.duplicates, window)
    finally:
        publisher.close(timeout=5)


def _is_over(publisher: Publisher) -> bool:
    return publisher.failure is not None or publisher.acked_through == publisher.submitted
