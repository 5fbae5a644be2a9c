"""Reading back the ids of what is in the stream already.

JetStream recognises an id only within its duplicate window. What a run before this one has stored,
and what an outage has left in doubt, is recognised here, however long ago it was.
"""

from __future__ import annotations

import math
import secrets
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from target_nats_jetstream.publisher.epoch import Doubt
from target_nats_jetstream.publisher.facts import NANOSECONDS, consumer_filter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from nats.aio.msg import Msg

    from target_nats_jetstream.publisher.epoch import Epoch
    from target_nats_jetstream.publisher.facts import StreamFacts

PULL = 5_000
"""Messages asked for at once."""


async def newest_ids(
    epoch: Epoch, facts: StreamFacts, subjects: Sequence[str], newest: int
) -> dict[str, int]:
    """The ids of the ``newest`` messages on ``subjects``, each with its stream sequence.

    Raises:
        Doubt: The stream could not be read.
    """
    only = consumer_filter(facts, subjects)
    span = newest
    while True:
        start = max(facts.first_seq, facts.last_seq - span + 1)
        async with _consumer(epoch, facts, start, only) as (consumer, pending):
            if pending >= newest or start <= facts.first_seq:
                return dict((await _read(epoch, facts.stream, consumer, pending))[-newest:])
        span = _wider(span, newest / max(pending, 1))


def _wider(span: int, factor: float) -> int:
    """The next span to try where messages of others, or gaps, lie between ours.

    What it holds is read wholly, so it grows by what is missing, as if ours were spread evenly; and
    by a quarter at least, because they may not be.
    """
    return math.ceil(span * min(max(factor * 1.05, 1.25), 4))


async def ids_after(
    epoch: Epoch, facts: StreamFacts, subjects: Sequence[str], seq: int
) -> dict[str, int]:
    """The ids of all messages on ``subjects`` that were stored after message ``seq``, each with its
    stream sequence.

    Raises:
        Doubt: The stream could not be read.
    """
    only = consumer_filter(facts, subjects)
    async with _consumer(epoch, facts, seq + 1, only) as (consumer, pending):
        return dict(await _read(epoch, facts.stream, consumer, pending))


@asynccontextmanager
async def _consumer(
    epoch: Epoch, facts: StreamFacts, start: int, only: str | None
) -> AsyncIterator[tuple[str, int]]:
    """A consumer that leaves no trace: its name, and how many messages it has to give."""
    name = f"dedupe_{secrets.token_hex(4)}"
    config: dict[str, Any] = {
        "name": name,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": max(start, 1),
        "ack_policy": "none",
        "headers_only": True,
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": 30 * NANOSECONDS,
    }
    path = f"{facts.stream}.{name}"
    if only is not None:
        config["filter_subject"] = only
        path += f".{only}"
    wanted = {"stream_name": facts.stream, "config": config, "action": "create"}
    created = await epoch.api(f"CONSUMER.CREATE.{path}", wanted)
    try:
        yield name, created["num_pending"]
    finally:
        with suppress(Doubt):  # it goes by itself after inactive_threshold
            await epoch.api(f"CONSUMER.DELETE.{facts.stream}.{name}")


async def _read(epoch: Epoch, stream: str, consumer: str, pending: int) -> list[tuple[str, int]]:
    """Id and sequence of the next ``pending`` messages; fewer when some are removed meanwhile."""
    ids: list[tuple[str, int]] = []
    received, expected = 0, pending

    async def on_message(message: Msg) -> None:
        nonlocal received, expected
        if not message.reply:  # a status instead of a message: there are no more
            expected = received
        else:
            received += 1
            id_ = (message.headers or {}).get("Nats-Msg-Id", "")
            ids.append((id_, message.metadata.sequence.stream))
        epoch.answered()

    async with epoch.inbox(on_message) as inbox:
        while received < expected:
            asked = min(received + PULL, expected)
            epoch.asked()
            request = {"batch": asked - received, "expires": 5 * NANOSECONDS}
            await epoch.pull(f"{stream}.{consumer}", request, f"{inbox}.{asked}")
            while received < min(asked, expected):
                await epoch.news(unanswered=True)
    return ids
