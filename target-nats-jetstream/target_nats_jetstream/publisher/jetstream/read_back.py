"""Reading back the ids of what is in the stream already.

JetStream recognises an id only within its duplicate window. What a run before this one has stored,
and what an outage has left in doubt, is recognised here, however long ago it was.

A pull consumer sends the headers only, or payloads too where they are asked for, in bounded chunks:
more is asked for when a chunk has been taken, so that memory does not grow with the stream.
"""

from __future__ import annotations

import math
import secrets
import sys
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_nats_jetstream.publisher.failures import Lost
from target_nats_jetstream.publisher.jetstream.lifetime import EpochEnded
from target_nats_jetstream.publisher.jetstream.stored import header, stored_from
from target_nats_jetstream.publisher.jetstream.stream_info import NANOSECONDS
from target_nats_jetstream.publisher.jetstream.subjects import consumer_filter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from target_nats_jetstream.publisher.jetstream.epoch import Epoch
    from target_nats_jetstream.publisher.jetstream.stored import Stored
    from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo

CHUNK = 5_000
"""Messages that are handed over together; as many again may be on their way."""
CHUNK_BYTES = 4 * 1024 * 1024
"""The same for their headers; far more than those of one message can have."""
PULL_EXPIRES = 1 * NANOSECONDS
"""How long the server keeps a question open when it has no more messages."""
ENDLESS = sys.maxsize

_UNSENT = b"\r\nNats-Pending-Messages:"


async def read_after(
    epoch: Epoch,
    info: StreamInfo,
    subjects: Sequence[str],
    sequence: int,
    *,
    digest_of: Callable[[bytes], str] | None = None,
) -> AsyncGenerator[list[Stored], None]:
    """All messages on ``subjects`` that were stored after message ``sequence``, oldest first.

    Args:
        epoch: The connection.
        info: Of the stream; read a moment ago.
        subjects: Ours.
        sequence: 0 for all of the stream.
        digest_of: What makes ``Stored.payload`` of payloads; None to read headers only.

    Where one filter cannot tell ``subjects`` from others, messages of others are among them. What
    is stored while this is read may be. Leave it early only within ``aclosing``.

    Raises:
        EpochEnded: The stream could not be read to its end.
    """
    only = consumer_filter(info, subjects)
    async with (
        _consumer(epoch, info, sequence + 1, only, digest_of) as consumer,
        aclosing(_chunks(epoch, consumer, ENDLESS)) as chunks,
    ):
        async for chunk in chunks:
            yield chunk


async def read_newest(  # noqa: PLR0913 - where, how many, and from where on
    epoch: Epoch,
    info: StreamInfo,
    subjects: Sequence[str],
    count: int,
    *,
    counted: Callable[[Stored], bool] = lambda _: True,
    before: int = ENDLESS,
) -> AsyncGenerator[list[Stored], None]:
    """The newest messages on ``subjects``, at least ``count`` that are ``counted``, or all.

    It goes back block by block: a block is in order, the one that comes after it is older. A block
    comes in chunks and is read to its end, so there may be more than ``count``.

    Args:
        epoch: The connection.
        info: Of the stream; read a moment ago.
        subjects: Ours.
        count: How many are wanted.
        counted: Which ones count.
        before: Only messages with smaller sequences than this.

    Raises:
        EpochEnded: The stream could not be read.
    """
    only = consumer_filter(info, subjects)
    end, span, beyond = min(before, info.last_seq + 1), count, 0
    upper = before
    while count > 0 and end > info.first_seq:
        start = max(info.first_seq, end - span)
        found = 0
        async with _consumer(epoch, info, start, only) as consumer:
            inside = consumer.pending - beyond
            if inside >= count or start <= info.first_seq:
                async with aclosing(_chunks(epoch, consumer, upper)) as chunks:
                    async for chunk in chunks:
                        found += sum(map(counted, chunk))
                        yield chunk
                end = upper = start
                inside, beyond = found, consumer.pending
        span = _wider(span, count / max(inside, 1))
        count -= found


def _wider(span: int, factor: float) -> int:
    """The next span to try where messages of others, or gaps, lie between ours.

    What it holds is read wholly, so it grows by what is missing, as if ours were spread evenly; and
    by a quarter at least, because they may not be.
    """
    return math.ceil(span * min(max(factor * 1.05, 1.25), 4))


async def stored_after(
    epoch: Epoch, info: StreamInfo, subjects: Sequence[str], sequence: int
) -> dict[str, Stored]:
    """All messages on ``subjects`` that were stored after message ``sequence``, by their ids.

    Raises:
        EpochEnded: The stream could not be read.
    """
    chunks = read_after(epoch, info, subjects, sequence)
    return {stored.id: stored async for chunk in chunks for stored in chunk}


# One consumer


@dataclass(frozen=True, slots=True)
class _Consumer:
    """``<stream>.<name>``, what it has to give, and how much of it at once."""

    path: str
    start: int
    pending: int
    most: int
    most_bytes: int
    digest_of: Callable[[bytes], str] | None


@asynccontextmanager
async def _consumer(
    epoch: Epoch,
    info: StreamInfo,
    start: int,
    only: str | None,
    digest_of: Callable[[bytes], str] | None = None,
) -> AsyncIterator[_Consumer]:
    """A consumer that leaves no trace."""
    name = f"dedupe_{secrets.token_hex(4)}"
    config: dict[str, Any] = {
        "name": name,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": max(start, 1),
        "ack_policy": "none",
        "headers_only": digest_of is None,
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": 30 * NANOSECONDS,
    }
    path = f"{info.stream}.{name}"
    create = path
    if only is not None:
        config["filter_subject"] = only
        create += f".{only}"
    wanted = {"stream_name": info.stream, "config": config, "action": "create"}
    created = await epoch.api(f"CONSUMER.CREATE.{create}", wanted)
    most = created["config"].get("max_batch") or CHUNK  # a limit of the server may be smaller
    try:
        yield _Consumer(
            path,
            max(start, 1),
            created["num_pending"],
            min(most, CHUNK),
            CHUNK_BYTES if digest_of is None else CHUNK_BYTES + info.max_payload,
            digest_of,
        )
    finally:
        with suppress(EpochEnded):  # it goes by itself after inactive_threshold
            await epoch.api(f"CONSUMER.DELETE.{path}")


async def _chunks(
    epoch: Epoch, consumer: _Consumer, end: int
) -> AsyncGenerator[list[Stored], None]:
    """What the consumer has with sequences before ``end``, but for what is removed meanwhile."""
    arrivals = _Arrivals(epoch, consumer, end)
    epoch.asked()  # from here on, only messages put the deadline off
    async with epoch.raw_inbox(arrivals.on_messages) as inbox:
        while arrivals.missing > 0:
            await arrivals.ask(inbox)
            await epoch.wait(unanswered=True)
            if len(arrivals.stored) >= consumer.most or arrivals.missing <= 0:
                chunk, arrivals.stored = arrivals.stored, []
                if chunk:
                    yield chunk
                    epoch.asked()


class _Arrivals:
    """What a consumer was asked for, and what has come."""

    def __init__(self, epoch: Epoch, consumer: _Consumer, end: int) -> None:
        self._epoch = epoch
        self._consumer = consumer
        self._last = end - 1
        self._left = consumer.pending
        self._position = consumer.start - 1
        self._due = 0
        """Messages that were asked for and have not come."""
        self._unsure = False
        """A question ended with messages lacking: there may be no more."""
        self.stored: list[Stored] = []
        """Those that nobody has taken yet."""

    @property
    def missing(self) -> int:
        """How many messages may still come."""
        return min(self._left, self._last - self._position)

    async def ask(self, inbox: str) -> None:
        """Ask for as many as there is room for; the answers come to ``inbox``."""
        if self._unsure:
            if not self._due:
                self._unsure = False
                await self._pull(inbox, 1, {"no_wait": True})
            return
        most, request = (
            self._consumer.most,
            {"expires": PULL_EXPIRES, "max_bytes": self._consumer.most_bytes},
        )
        while (room := min(self.missing, 2 * most - len(self.stored)) - self._due) > 0:
            await self._pull(inbox, min(room, most), request)

    async def _pull(self, inbox: str, batch: int, request: dict[str, Any]) -> None:
        self._due += batch
        await self._epoch.pull(self._consumer.path, {"batch": batch, **request}, f"{inbox}.ids")

    def on_messages(self, messages: list[tuple[bytes, bytes, bytes]]) -> None:
        """Take what the server sends: messages, and statuses, which nobody can reply to."""
        position = self._position
        try:
            for reply, headers, payload in messages:
                if reply:
                    self._on_message(reply, headers, payload)
                else:
                    self._on_status(headers)
        except (ValueError, IndexError):
            self._epoch.end(Lost("reading the stream back ended early: not what was asked for"))
        if self._position > position:
            self._epoch.answered()
        else:
            self._epoch.told()

    def _on_message(self, reply: bytes, headers: bytes, payload: bytes) -> None:
        # $JS.ACK.<stream>.<consumer>.<count>.<sequence>.<count>.<time>.<pending>, and newer ones
        # have domain and account before the stream.
        tokens = reply.split(b".")
        shift = 0 if len(tokens) == 9 else 2
        position = int(tokens[5 + shift])
        if position <= self._position:
            raise ValueError(position)
        self._position = position
        self._left = min(self._left - 1, int(tokens[8 + shift]))
        self._due -= 1
        if self._position <= self._last:
            digest_of = self._consumer.digest_of
            content = "" if digest_of is None else digest_of(payload)
            self.stored.append(stored_from(self._position, headers, content))

    def _on_status(self, headers: bytes) -> None:
        line = headers[9 : headers.find(b"\r\n")].decode(errors="replace")
        unsent = header(headers, _UNSENT)
        if unsent or line.startswith("408"):
            lacking = int(unsent or self._due)
            self._due -= lacking
            self._unsure = lacking > 0
        elif line.startswith("404"):
            self._left = 0
        else:
            self._epoch.end(Lost(f"reading the stream back ended early: {line}"))
