"""Many messages in flight, each with an answer of its own; with a window of one: sync.

The order holds because one connection carries the messages in order and a new one starts at the
first that is not acknowledged. Works with every JetStream server.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from target_nats_jetstream.publisher.failures import NoResponders, Refused
from target_nats_jetstream.publisher.jetstream.epoch import refusal
from target_nats_jetstream.publisher.jetstream.wire import hpub, pipeline_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nats.aio.msg import Msg

    from target_nats_jetstream.publisher.intake import Intake
    from target_nats_jetstream.publisher.jetstream.epoch import Epoch

STRIDE = 64
"""Messages that are sent in one write, before answers are read: with many more, client and server
work in turns instead of side by side."""
STREAM_MISMATCH = 10060


class Window:
    """Publishes what is outstanding, at most ``limit`` messages without an answer."""

    def __init__(
        self,
        epoch: Epoch,
        intake: Intake,
        refill: Callable[[], Awaitable[None]],
        *,
        stream: str,
        limit: int,
    ) -> None:
        self._epoch = epoch
        self._intake = intake
        self._refill = refill
        self._limit = limit
        self._stored = b'{"stream":%s' % json.dumps(stream).encode()
        self._skip = 0
        self._whose = pipeline_line(intake.pipeline)

    async def pump(self, until: int | None = None) -> None:
        """Publish until everything before position ``until`` is acknowledged; for ever without it.

        Raises:
            EpochEnded: The epoch is over.
        """
        out = self._intake.outstanding
        async with self._epoch.inbox(self._on_answer) as inbox:
            self._skip = len(inbox) + 1
            position = out.floor
            while until is None or out.floor < until:
                await self._refill()
                end = out.end if until is None else until
                room = min(out.floor + self._limit, end) - position
                if room > 0:
                    if position == out.floor:
                        self._epoch.asked()
                    position = self._send(inbox, position, min(room, STRIDE))
                    await self._epoch.drain()
                else:
                    await self._epoch.wait(unanswered=position > out.floor)

    def _send(self, inbox: str, position: int, count: int) -> int:
        """Send ``count`` messages from ``position`` on, but acknowledged ones; returns the next."""
        intake = self._intake
        acked, commands = intake.outstanding.acked, list[bytes]()
        for message in intake.outstanding.messages(position, count):
            if not acked(position):
                commands += hpub(message, f"{inbox}.{position}", whose=self._whose)
            position += 1
        intake.sent = max(intake.sent, position)
        self._epoch.send(commands)
        return position

    async def _on_answer(self, answer: Msg) -> None:
        position = int(answer.subject[self._skip :])
        if self._intake.outstanding.acked(position):
            self._epoch.told()  # the same again is no progress
        elif answer.data.startswith(self._stored):
            self._intake.stored(position, answer.data)
            self._epoch.answered()
        else:
            self._epoch.end(self._failure(position, answer), position, position + 1)

    def _failure(self, position: int, answer: Msg) -> NoResponders | Refused:
        if not answer.data:
            message = self._intake.outstanding.messages(position, 1)[0]
            return NoResponders(message.subject)
        said = json.loads(answer.data)
        if "error" in said:
            return refusal(said["error"])
        return Refused(400, STREAM_MISMATCH, f"stored by stream {said.get('stream')}")
