"""How soon the publisher goes on when a killed nats-server is back.

    python -m bench.restart [--restarts 8] [--away SECONDS] [--json FILE]

While messages are published without a pause, the server is killed with SIGKILL, stays away for as
long as asked, and is started again on its store. The time counts from the start of its process
to the first acknowledgement on a new connection. A long absence costs more: the publisher waits up
to the last delay of ``backoff`` between two tries.

Exit code 1 when the stream does not hold every message once and in order, or when an
acknowledgement took longer than two seconds after a restart at once.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.publisher import SUBJECT, make_messages
from target_nats_jetstream.publisher.publisher import Publisher
from target_nats_jetstream.publisher.settings import NatsSettings
from tools.servers.nats import NatsServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_nats_jetstream.message import Message

STREAM = "BENCH"
SECONDS = 120.0
"""After so long without what is waited for, something is broken."""
MODES = ("fast", "atomic", "window")
BATCH = 500
BETWEEN = 8_000  # messages from one kill to the next
ALLOWED_SECONDS = 2.0


@dataclass(frozen=True)
class Result:
    mode: str
    waits: list[float]
    """Seconds from each restart to the next acknowledgement."""
    connections: int
    stored: int
    exact: bool


def send(publisher: Publisher, messages: Sequence[Message]) -> None:
    for start in range(0, len(messages), BATCH):
        until(publisher, lambda: publisher.has_room)
        publisher.submit(messages[start : start + BATCH])


def until(publisher: Publisher, condition: Callable[[], bool]) -> None:
    """Look every millisecond: what is measured is a tenth of a second.

    Raises:
        TargetError: The publisher has given up.
        TimeoutError: The condition does not come true.
    """
    deadline = time.monotonic() + SECONDS
    while not condition():
        if publisher.failure is not None:
            raise publisher.failure
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.001)


def until_published(publisher: Publisher, count: int) -> None:
    until(publisher, lambda: publisher.counts.published >= count)


def first_ack(publisher: Publisher, server: NatsServer) -> float:
    """Start the server; seconds until a message is acknowledged on a new connection."""
    connections, start = publisher.counts.epochs, time.perf_counter()
    server.start()
    until(publisher, lambda: publisher.counts.epochs > connections)
    until_published(publisher, publisher.counts.published + 1)
    return time.perf_counter() - start


def measure(home: Path, mode: str, restarts: int, away: float) -> Result:
    messages = make_messages(BETWEEN * (restarts + 2))
    waits: list[float] = []
    with NatsServer(home) as server:
        server.add_stream(
            STREAM, [SUBJECT], allow_direct=True, allow_atomic=True, allow_batched=True
        )
        config = {"servers": server.url, "stream": STREAM, "publish_mode": mode}
        publisher = Publisher(NatsSettings.from_config(config, [SUBJECT]), [SUBJECT])
        publisher.start()
        sender = threading.Thread(target=send, args=(publisher, messages), daemon=True)
        sender.start()
        for number in range(1, restarts + 1):
            until_published(publisher, number * BETWEEN)
            server.kill()
            time.sleep(away)
            waits.append(first_ack(publisher, server))
        sender.join(60)
        assert publisher.wait(publisher.submitted, 60), publisher.failure
        connections = publisher.counts.epochs
        publisher.close(timeout=5)
        ids = [stored.id for stored in server.read_stream(STREAM)]
    exact = ids == [message.id for message in messages]
    return Result(mode, waits, connections, len(ids), exact)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.restart", description=__doc__.split("\n")[0])
    parser.add_argument("--restarts", type=int, default=8)
    parser.add_argument("--away", type=float, default=0, help="seconds between kill and start")
    parser.add_argument("--json", type=Path, help="write the single results to this file")
    arguments = parser.parse_args()
    logging.getLogger("target_nats_jetstream").setLevel(logging.ERROR)  # each kill is a warning
    results: list[Result] = []
    for mode in MODES:
        with tempfile.TemporaryDirectory() as home:
            results.append(measure(Path(home), mode, arguments.restarts, arguments.away))
    print(
        f"{arguments.restarts} kills, {arguments.away:g} s away; seconds from the restart to the "
        f"next acknowledgement\n{'':8} {'median':>7} {'worst':>7} {'connections':>12}  truth"
    )
    for one in results:
        truth = f"{one.stored:,} messages, {'each once, in order' if one.exact else 'NOT EXACT'}"
        print(
            f"{one.mode:8} {statistics.median(one.waits):7.3f} {max(one.waits):7.3f} "
            f"{one.connections:12}  {truth}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(one) for one in results], indent=1) + "\n")
    slowest = max(itertools.chain.from_iterable(one.waits for one in results))
    in_time = bool(arguments.away) or slowest <= ALLOWED_SECONDS
    return 0 if in_time and all(one.exact for one in results) else 1


if __name__ == "__main__":
    sys.exit(main())
