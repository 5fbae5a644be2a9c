"""Fast-ingest batches (ADR-50): each message is stored as it comes, one answer tells of hundreds.

The server closes a batch at the first message that is missing or refused, so what it stores is
always an unbroken beginning, in order, whoever leads the stream meanwhile. An answer on the way
only lets more messages go. What counts is the answer to the end of a batch: where the stream has
moved by just as many messages as were sent, all of them are stored, one after the other.

It may have moved by another number, because some were known to it (their ids are skipped without a
word) or because others write to it. Then the ids are read back.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_nats_jetstream.publisher.epoch import refusal
from target_nats_jetstream.publisher.judge import Lost, NoBatch, NoResponders, Shared, Slow
from target_nats_jetstream.publisher.tail import ids_after
from target_nats_jetstream.publisher.wire import hpub, pub

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from nats.aio.msg import Msg

    from target_nats_jetstream.publisher.epoch import Epoch
    from target_nats_jetstream.publisher.facts import StreamFacts
    from target_nats_jetstream.publisher.work import Work

STRIDE = 250
"""Messages that are sent in one write."""
FLOW = 500
"""Messages for which we ask one answer; the servers' own limit."""
OPEN_ANSWERS = 8
"""Answers that may be due. Three are enough beside the server, a far one takes more."""
MAX_BATCH_MESSAGES = 10_000
"""A batch ends here, so that what is stored is certain now and then, and its ids can be read."""
START, APPEND, END = 0, 1, 3
SLOW_MESSAGES_PER_SECOND = 10_000
"""What a server stores at least, unless it writes each message to the disk by itself."""
SLOW_ANSWERS = 3


@dataclass(slots=True)
class _Batch:
    """A run of positions without a gap: the message at ``start`` has the number 1."""

    id: str
    start: int
    before: int
    """Stream sequence of the last message before it."""
    size: int = 0
    acked: int = 0
    """Number of the last message that is known to have come."""
    answer: bytes = b""
    """To its end."""

    @property
    def end(self) -> int:
        return self.start + self.size


class Pace:
    """Whether the server stores too slowly, told by its answers. Pure.

    Only the time between two answers counts, and only where the server had all that the second one
    tells of when it gave the first: neither the way to it nor our own pauses make it look slow.
    """

    def __init__(self) -> None:
        self._acked, self._sent, self._at = 0, 0, 0.0
        self._slow = 0

    def begin(self) -> None:
        """A new batch: its messages are counted anew."""
        self._acked = self._sent = 0

    def answered(self, acked: int, sent: int, now: float) -> None:
        """An answer came for message ``acked`` of a batch, of which ``sent`` are sent."""
        stored = acked - self._acked
        if stored > 0 and acked <= self._sent:
            is_slow = stored < (now - self._at) * SLOW_MESSAGES_PER_SECOND
            self._slow = self._slow + 1 if is_slow else 0
        self._acked, self._sent, self._at = acked, sent, now

    @property
    def is_slow(self) -> bool:
        """Whether several answers in a row were."""
        return self._slow >= SLOW_ANSWERS


class Fast:
    """Publishes what is outstanding in fast-ingest batches.

    Args:
        singly: Sends the messages before a position one by one, until all are acknowledged.
        subjects: Ours, for reading ids back.
        limit: How many messages may be without an answer.
        patient: Whether to stay in this mode however slow the server is.
    """

    def __init__(  # noqa: PLR0913 - what it needs of its surroundings
        self,
        epoch: Epoch,
        work: Work,
        refill: Callable[[], Awaitable[None]],
        facts: StreamFacts,
        singly: Callable[[int], Awaitable[None]],
        *,
        subjects: Sequence[str],
        limit: int,
        patient: bool,
    ) -> None:
        self._epoch = epoch
        self._work = work
        self._refill = refill
        self._facts = facts
        self._singly = singly
        self._subjects = subjects
        self._limit = limit
        self._patient = patient
        self._asked_flow = min(FLOW, limit)
        self._flow = 1
        """Messages to an answer, as the server wants it."""
        self._last_seq = facts.last_seq
        self._inbox = ""
        self._ids = (f"{secrets.token_hex(4)}{number:x}" for number in itertools.count())
        self._batch = _Batch("", 0, 0)
        self._pace = Pace()

    async def pump(self) -> None:
        """Publish batch by batch, until the epoch is over.

        Raises:
            Doubt: The epoch is over.
        """
        self._inbox = await self._epoch.inbox(self._on_answer)
        while True:
            before = max(self._last_seq, self._work.last_seq)
            self._batch = batch = _Batch(next(self._ids), self._work.outstanding.floor, before)
            self._pace.begin()
            await self._fill(batch)
            await self._end(batch)
            await self._settle(batch)

    async def _fill(self, batch: _Batch) -> None:
        """Send messages as they come, until there are no more or the batch has enough."""
        while True:
            await self._refill()
            size, room = batch.size, self._room(batch)
            self._send(batch, min(STRIDE, room, MAX_BATCH_MESSAGES - size))
            if batch.size > size:
                await self._epoch.breathe()
            elif size and room > 0:
                return
            else:
                await self._epoch.news(unanswered=bool(size))

    def _room(self, batch: _Batch) -> int:
        return batch.acked + min(self._limit, OPEN_ANSWERS * self._flow) - batch.size

    def _send(self, batch: _Batch, count: int) -> None:
        """Send up to ``count`` messages; one that is settled already ends the batch."""
        out, commands = self._work.outstanding, list[bytes]()
        if not batch.size:
            self._epoch.asked()
        for message in out.run(batch.end, count):
            if out.acked(batch.end):
                break
            batch.size += 1
            operation = APPEND if batch.size > 1 else START
            commands += hpub(message, self._reply(batch, operation))
        self._work.sent = max(self._work.sent, batch.end)
        self._epoch.send(commands)

    def _reply(self, batch: _Batch, operation: int) -> str:
        number = batch.size + (operation == END)
        return f"{self._inbox}.{batch.id}.{self._asked_flow}.fail.{number}.{operation}.$FI"

    async def _end(self, batch: _Batch) -> None:
        """End the batch, and wait for the answer to that."""
        last = self._work.outstanding.run(batch.end - 1, 1)[0]
        self._epoch.send([pub(last.subject, self._reply(batch, END))])
        while not batch.answer:
            await self._epoch.news(unanswered=True)

    async def _settle(self, batch: _Batch) -> None:
        """Take the messages of the batch for stored, as far as that is certain.

        Raises:
            Doubt: Another mode fits better from now on.
        """
        work, sequence = self._work, json.loads(batch.answer)["seq"]
        self._last_seq = max(batch.before, sequence)
        if sequence == batch.before + batch.size:
            work.stored_before(batch.end, batch.size, batch.answer)
        else:
            ids = await ids_after(self._epoch, self._facts, self._subjects, batch.before)
            found = work.recognise(ids)
            await self._singly(batch.end)  # those that are left were known; their answers tell
            if self._last_seq > batch.before + found:
                self._epoch.doubt(Shared())
        if self._pace.is_slow and not self._patient:
            self._epoch.doubt(Slow(SLOW_MESSAGES_PER_SECOND))
        self._epoch.check()

    async def _on_answer(self, answer: Msg) -> None:
        batch, doubt = self._batch, self._epoch.doubt
        id_, *_, number, _, _ = answer.subject.removeprefix(f"{self._inbox}.").split(".")
        if id_ != batch.id:
            return  # its end has been answered, there is no news in it
        position = batch.start + int(number) - 1
        about = (position, position + 1) if position < batch.end else (batch.start, batch.end)
        if not answer.data:
            message = self._work.outstanding.run(about[0], 1)[0]
            doubt(NoResponders(message.subject), *about)
            return
        said = json.loads(answer.data)
        if "error" in said:
            doubt(refusal(said["error"]), *about)
        elif said.get("type") == "gap":
            doubt(Lost("a message was lost on the way"))
        elif said.get("type") == "ack":
            batch.acked, self._flow = max(batch.acked, said["seq"]), said["msgs"]
            self._pace.answered(batch.acked, batch.size, asyncio.get_running_loop().time())
            self._epoch.answered()
        elif (said.get("stream"), said.get("batch"), said.get("count")) == (
            self._facts.stream,
            batch.id,
            batch.size,
        ):
            batch.answer = answer.data
            self._epoch.answered()
        else:
            doubt(NoBatch(answer.data.decode()[:200]), batch.start, batch.end)
