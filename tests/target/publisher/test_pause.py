"""A server that stands still for ten seconds, as under SIGSTOP or in a stalled virtual machine.

Its connections stay open, and what was sent is still read when it goes on, even from a connection
that was given up meanwhile. Ten seconds are also how long a server keeps an atomic batch that it
hears nothing of. All the publishers wait at the same time, so that it is waited for once.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from target_nats_jetstream.errors import TargetError, UnreachableError
from target_nats_jetstream.message import Message
from target_nats_jetstream.publisher.publisher import Publisher
from target_nats_jetstream.publisher.settings import NatsSettings
from tests.target.publisher.publishing import elapse, ids, ids_of, reached, submit
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from tools.servers.nats import NatsServer

PAUSE_SECONDS = 10.5
BATCH = 250


@dataclass(frozen=True)
class Pipeline:
    """A publisher that has a stream of its own."""

    stream: str
    publisher: Publisher
    over: threading.Event = field(default_factory=threading.Event)
    """Set when enough is sent: until then each has messages on their way, whatever comes."""

    @classmethod
    def start(cls, stack: ExitStack, server: NatsServer, stream: str, **config: object) -> Self:
        config |= {"servers": server.url, "stream": stream, "create_stream": "if_missing"}
        settings = NatsSettings.from_config(config, [f"{stream}.>"])
        publisher = Publisher(settings, [f"{stream}.rows"])
        stack.callback(publisher.close, timeout=10)
        publisher.start()
        return cls(stream, publisher)

    def messages(self, start: int, count: int) -> list[Message]:
        numbers = range(start, start + count)
        return [Message(f"{self.stream}.rows", f"id-{n}", b"%d" % n) for n in numbers]

    @property
    def submitted(self) -> list[Message]:
        return self.messages(0, self.publisher.submitted * BATCH)

    def send(self) -> threading.Thread:
        thread = threading.Thread(target=self._send)
        thread.start()
        return thread

    def _send(self) -> None:
        publisher = self.publisher
        with suppress(TargetError):  # the test looks at ``failure``
            while not self.over.is_set() and publisher.failure is None:
                if publisher.has_room:
                    publisher.submit(self.messages(publisher.submitted * BATCH, BATCH))
                else:
                    publisher.wait(publisher.acked_through + 1, 0.1)

    def finish(self) -> None:
        assert self.publisher.wait(self.publisher.submitted, 60), self.publisher.failure


def test_ten_seconds_lose_repeat_and_reorder_nothing_whoever_waits_and_whoever_gives_up(
    nats_server: NatsServer,
) -> None:
    with ExitStack() as stack:

        def start(mode: str, kind: str, **config: object) -> Pipeline:
            stream = f"{kind}_{mode}"
            return Pipeline.start(stack, nats_server, stream, publish_mode=mode, **config)

        modes = ("fast", "atomic", "window")
        patient = [start(mode, "patient", ack_timeout=30) for mode in modes]
        hasty = [start(mode, "hasty", ack_timeout=2) for mode in modes]
        short = {"ack_timeout": 1, "max_outage": 2}
        quitting = [start(mode, "quitting", **short) for mode in modes]
        every = [*patient, *hasty, *quitting]
        senders = [pipeline.send() for pipeline in every]
        for pipeline in every:
            reached(pipeline.publisher, BATCH)

        nats_server.pause()
        elapse(PAUSE_SECONDS)
        wait_until(lambda: all(pipeline.publisher.failure for pipeline in quitting))
        assert not any(pipeline.publisher.failure for pipeline in patient + hasty)
        for pipeline in quitting:
            assert isinstance(pipeline.publisher.failure, UnreachableError)
            assert pipeline.publisher.acked_through < pipeline.publisher.submitted
        nats_server.resume()
        for pipeline in every:
            pipeline.over.set()
        for sender in senders:
            sender.join(60)
        for pipeline in patient + hasty:
            pipeline.finish()
            assert ids(nats_server, pipeline.stream) == ids_of(pipeline.submitted)
        assert all(pipeline.publisher.counts.epochs > 1 for pipeline in hasty)
        *batches, window = (pipeline.publisher.counts.epochs for pipeline in patient)
        assert window == 1, "the pause was shorter than ack_timeout"
        assert max(batches) <= 2, "the server may have dropped the batch that it was sent"

        for pipeline, mode in zip(quitting, modes, strict=True):
            acked = pipeline.publisher.acked_through * BATCH
            stored = ids(nats_server, pipeline.stream)
            assert acked <= len(stored) <= len(pipeline.submitted)
            assert stored == ids_of(pipeline.submitted)[: len(stored)]
            again = start(mode, "quitting")
            submit(again.publisher, pipeline.submitted, size=BATCH)
            again.finish()
            assert again.publisher.counts.duplicates == len(stored)
            assert ids(nats_server, pipeline.stream) == ids_of(pipeline.submitted)
