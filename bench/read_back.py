"""How fast the ids of stored messages are read back, and what they take of memory.

    python -m bench.read_back [--messages N] [--rounds R]

The messages are as the target stores them: an id, `Singer-Pipeline`, `Record-Digest` and 350 bytes.
The figures are messages per second of this process's CPU time, because the server shares the
machine; elapsed time stands beside them. Memory is what a process grows by at its peak: once while
the chunks are dropped as they come, once while all of them are kept.

Exit code 1 when it is slower than 80,000 messages per CPU second.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from target_nats_jetstream.message import Message
from target_nats_jetstream.publisher import inspection
from target_nats_jetstream.publisher.jetstream.read_back import read_after
from target_nats_jetstream.publisher.jetstream.stored import Stored
from target_nats_jetstream.publisher.jetstream.stream import read_stream_info
from target_nats_jetstream.publisher.publisher import Publisher
from target_nats_jetstream.publisher.settings import NatsSettings
from tools.servers.nats import NatsServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_nats_jetstream.publisher.jetstream.epoch import Epoch

SUBJECT = "bench.events"
BATCH = 1_000
WANTED = 80_000


class Result(NamedTuple):
    """One round."""

    seconds: float
    cpu: float
    grown: int
    """Bytes that the process has grown by at its peak."""


def fill(settings: NatsSettings, count: int) -> None:
    publisher = Publisher(settings, [SUBJECT])
    publisher.start()
    for start in range(0, count, BATCH):
        while not publisher.has_room:
            publisher.wait(publisher.acked_through + 1, 10)
        publisher.submit([message(number) for number in range(start, start + BATCH)])
    assert publisher.wait(publisher.submitted, 600), publisher.failure
    publisher.close(timeout=5)


def message(number: int) -> Message:
    digest = hashlib.blake2b(b"%d" % number, digest_size=16).hexdigest()
    headers = {"Singer-Pipeline": "TXLOG_TAIL", "Record-Digest": digest}
    id_ = f"TXLOG_EVENTS:{number}:2026-11-22T10:00:00.{number:09}"
    return Message(SUBJECT, id_, b"x" * 350, headers)


def read(settings: NatsSettings, count: int, *, keep: bool) -> Result:
    """Read all of them back in a new process: one that has read before would not grow."""
    call = f"measure({settings.servers[0]!r}, {count}, keep={keep})"
    code = f"from bench.read_back import measure; {call}"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True
    )
    seconds, cpu, grown = done.stdout.split()
    return Result(float(seconds), float(cpu), int(grown))


def measure(url: str, count: int, *, keep: bool) -> None:
    """Prints seconds, CPU seconds and bytes."""

    async def question(epoch: Epoch) -> None:
        info = await read_stream_info(epoch, settings.stream)
        seen, kept = 0, list[Stored]()
        before, cpu, start = peak(), time.process_time(), time.perf_counter()
        async for chunk in read_after(epoch, info, [SUBJECT], 0):
            seen += len(chunk)
            if keep:
                kept += chunk
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        assert seen == count, (seen, count)
        print(seconds, cpu, peak() - before)

    settings = settings_for(url)
    inspection.ask(settings, question)


def peak() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def settings_for(url: str) -> NatsSettings:
    config = {"servers": url, "stream": "BENCH", "create_stream": "if_missing"}
    return NatsSettings.from_config(config, [SUBJECT])


def rate(count: int, results: Sequence[Result]) -> str:
    cpu = statistics.median(count / result.cpu for result in results)
    wall = statistics.median(count / result.seconds for result in results)
    grown = statistics.median(result.grown for result in results)
    return (
        f"{cpu:9,.0f} per CPU second, {wall:9,.0f} per second, "
        f"{grown / 1e6:7.1f} MB ({grown / count:5.0f} bytes per message)"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.read_back", description=__doc__.split("\n")[0])
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    count = arguments.messages // BATCH * BATCH
    with tempfile.TemporaryDirectory() as home, NatsServer(Path(home)) as server:
        settings = settings_for(server.url)
        fill(settings, count)
        print(f"{count:,} messages", flush=True)
        dropped, kept = list[Result](), list[Result]()
        for _ in range(arguments.rounds):
            dropped.append(read(settings, count, keep=False))
            kept.append(read(settings, count, keep=True))
    print(f"chunks dropped: {rate(count, dropped)}\nchunks kept:    {rate(count, kept)}")
    return 0 if statistics.median(count / result.cpu for result in dropped) >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
