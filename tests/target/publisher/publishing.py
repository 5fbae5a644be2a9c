"""What the tests of the publisher share: messages, a publisher, and the question for truth."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from target_nats_jetstream.message import Message
from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo
from target_nats_jetstream.publisher.publisher import Publisher
from target_nats_jetstream.publisher.settings import NatsSettings
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.servers.nats import NatsServer

STREAM = "EVENTS"
SUBJECT = "txlog.events"
#: What a stream has to allow for the modes with batches.
BATCHES = {"allow_atomic": True, "allow_batched": True}
#: A stream that allows everything, as its server describes it.
INFO = StreamInfo(
    stream="S",
    subjects=("txlog.>",),
    version=(2, 15, 1),
    max_payload=1_048_576,
    max_msg_size=-1,
    max_msgs=-1,
    max_msgs_per_subject=-1,
    max_bytes=-1,
    max_age=0,
    replicas=1,
    storage="file",
    discard="old",
    retention="limits",
    transformed=False,
    allow_atomic=True,
    allow_batched=True,
    duplicate_window=120,
    messages=0,
    first_seq=0,
    last_seq=0,
)


def settings_for(server: NatsServer | str, **config: object) -> NatsSettings:
    """Settings of a test: a stream of its own, created when missing, and short waits."""
    url = server if isinstance(server, str) else server.url
    defaults = {"servers": url, "stream": STREAM, "create_stream": "if_missing"}
    return NatsSettings.from_config({"connect_timeout": 5, **defaults, **config}, ["txlog.>"])


def messages(count: int, start: int = 0, *, size: int = 50) -> list[Message]:
    """``count`` messages whose ids tell their order."""
    return [
        Message(SUBJECT, f"id-{number}", b"%d:" % number + b"x" * size)
        for number in range(start, start + count)
    ]


@contextmanager
def publishing(server: NatsServer | NatsSettings | str, **config: object) -> Iterator[Publisher]:
    """A started publisher, closed in the end."""
    settings = server if isinstance(server, NatsSettings) else settings_for(server, **config)
    publisher = Publisher(settings, [SUBJECT])
    try:
        publisher.start()
        yield publisher
    finally:
        publisher.close(timeout=10)


def submit(publisher: Publisher, batch: Sequence[Message], *, size: int = 100) -> int:
    """Hand ``batch`` over in pieces of ``size``, as there is room; tells the last number."""
    for start in range(0, len(batch), size):
        wait_until(lambda: publisher.has_room or publisher.failure is not None)
        publisher.submit(batch[start : start + size])
    return publisher.submitted


@contextmanager
def sending(publisher: Publisher, *, size: int = 50, at_once: int = 500) -> Iterator[list[Message]]:
    """Messages are submitted without a pause until the context ends, then all are acknowledged;
    the list has those that were submitted. So whatever strikes meets messages on their way.
    """
    submitted: list[Message] = []
    over = threading.Event()

    def send() -> None:
        while not over.is_set() and publisher.failure is None:
            if publisher.has_room:
                submitted.extend(messages(at_once, len(submitted), size=size))
                publisher.submit(submitted[-at_once:])
            else:
                publisher.wait(publisher.acked_through + 1, 0.1)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield submitted
    finally:
        over.set()
        sender.join(60)
    assert publisher.wait(publisher.submitted, 60), publisher.failure


def publish(publisher: Publisher, batch: Sequence[Message], *, size: int = 100) -> None:
    """Hand over and wait until everything is acknowledged."""
    number = submit(publisher, batch, size=size)
    assert publisher.wait(number, 60), publisher.failure or publisher.counts


def reached(publisher: Publisher, published: int) -> None:
    """Return when so many messages are published."""
    wait_until(
        lambda: publisher.counts.published >= published,
        seconds=60,
        what=f"{published} are published",
    )


def goes_on(publisher: Publisher) -> None:
    """Return when another message is published."""
    reached(publisher, publisher.counts.published + 1)


def reconnects(publisher: Publisher, epochs: int) -> None:
    """Return when there were more than so many connections."""
    wait_until(lambda: publisher.counts.epochs > epochs, what="a new connection")


def elapse(seconds: float) -> None:
    """Let real time go by, for what a server does by its own clock."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end, seconds=seconds + 60)


def open_files() -> int:
    """Open files and sockets of this process."""
    return sum(1 for _ in Path("/dev/fd").iterdir())


def ids(server: NatsServer, stream: str = STREAM) -> list[str]:
    """The ids in the stream, in its order."""
    return [stored.id for stored in server.read_stream(stream)]


def ids_of(batch: Sequence[Message]) -> list[str]:
    return [message.id for message in batch]
