"""The publisher beside V7's way, on one server, in turns, with the truth read from the stream.

    python -m bench.publisher [--messages N] [--rounds R] [--sync-always] [--replicas 3]
                              [--json FILE]

V7 published with ``asyncio.gather`` of ``js.publish``, 100 messages at a time. It has the ratio 1;
the other rows are this publisher in its modes. Each round runs every contender once, each time into
a new stream, so that a slow moment of the machine hits all of them; the medians are compared. The
client's CPU is that of this process, the servers' is what the kernel counts. A message has a JSON
payload of about 350 bytes and one header, its id.

Exit code 1 when a stream does not hold every message once, or, but for V7, not in order.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nats

from bench.processes import cpu_of
from target_nats_jetstream.message import Message
from target_nats_jetstream.publisher.publisher import Publisher
from target_nats_jetstream.publisher.settings import NatsSettings
from tools.servers.nats import NatsServer, cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SUBJECT = "bench.events"
GATHERED = 100
BATCH = 1000
V7 = f"gather of {GATHERED} (V7)"


@dataclass(frozen=True)
class Run:
    """One contender in one round."""

    contender: str
    seconds: float
    client_cpu: float
    server_cpu: float
    stored: int
    distinct: int
    inversions: int


def make_messages(count: int) -> list[Message]:
    filler = "x" * 200
    return [
        Message(
            SUBJECT,
            f"TXLOG_EVENTS:{number}:2026-11-22T10:00:00.{number:09}",
            json.dumps(
                {
                    "ID": number,
                    "CASE_ID": f"C-{number % 1000:06}",
                    "EVENT_TYPE": "UPDATED",
                    "EVENT_DATA": filler,
                    "EVENT_TIMESTAMP": f"2026-11-22T10:00:00.{number:09}",
                    "data_type": "TXLOG",
                }
            ).encode(),
        )
        for number in range(count)
    ]


def gather(server: NatsServer, stream: str, messages: Sequence[Message]) -> None:
    """As V7 does it."""

    async def publish() -> None:
        client = await nats.connect(server.url)
        js = client.jetstream(timeout=30)
        for start in range(0, len(messages), GATHERED):
            await asyncio.gather(
                *(
                    js.publish(m.subject, m.payload, headers={"Nats-Msg-Id": m.id}, stream=stream)
                    for m in messages[start : start + GATHERED]
                )
            )
        await client.close()

    asyncio.run(publish())


def own(mode: str) -> Callable[[NatsServer, str, Sequence[Message]], None]:
    """This publisher, as the target uses it."""

    def publish(server: NatsServer, stream: str, messages: Sequence[Message]) -> None:
        config = {"servers": server.url, "stream": stream, "publish_mode": mode}
        publisher = Publisher(NatsSettings.from_config(config, [SUBJECT]), [SUBJECT])
        publisher.start()
        assert publisher.mode == mode
        for start in range(0, len(messages), BATCH):
            while not publisher.has_room:
                publisher.wait(publisher.acked_through + 1, 10)
            publisher.submit(messages[start : start + BATCH])
        assert publisher.wait(publisher.submitted, 120), publisher.failure
        publisher.close(timeout=5)

    return publish


CONTENDERS: dict[str, Callable[[NatsServer, str, Sequence[Message]], None]] = {
    V7: gather,
    "window": own("window"),
    "atomic": own("atomic"),
    "fast": own("fast"),
}


def measure(
    servers: Sequence[NatsServer], name: str, messages: Sequence[Message], replicas: int
) -> Run:
    stream = "BENCH"
    servers[0].add_stream(
        stream,
        [SUBJECT],
        num_replicas=replicas,
        allow_atomic=True,
        allow_batched=True,
        allow_direct=True,
    )
    pids = [server.pid for server in servers]
    server_cpu = cpu_of(pids)
    client_cpu, start = time.process_time(), time.perf_counter()
    CONTENDERS[name](servers[0], stream, messages)
    seconds, client_cpu = time.perf_counter() - start, time.process_time() - client_cpu
    server_cpu = cpu_of(pids) - server_cpu
    ids = [stored.id for stored in servers[0].read_stream(stream)]
    servers[0].api(f"STREAM.DELETE.{stream}")
    order = {message.id: position for position, message in enumerate(messages)}
    positions = [order[id_] for id_ in ids]
    inversions = sum(a > b for a, b in itertools.pairwise(positions))
    return Run(name, seconds, client_cpu, server_cpu, len(ids), len(set(ids)), inversions)


def report(runs: Sequence[Run], count: int) -> None:
    base = statistics.median(run.seconds for run in runs if run.contender == V7)
    head = ("", "msgs/s", "slowest", "fastest", "ratio", "client us", "server us")
    print("\n{:20} {:>9} {:>9} {:>9} {:>6} {:>10} {:>10}  truth".format(*head))
    for name in CONTENDERS:
        own_runs = [run for run in runs if run.contender == name]
        rates = sorted(count / run.seconds for run in own_runs)
        seconds = statistics.median(run.seconds for run in own_runs)
        client = statistics.median(run.client_cpu for run in own_runs) / count * 1e6
        server = statistics.median(run.server_cpu for run in own_runs) / count * 1e6
        inversions = sum(run.inversions for run in own_runs)
        whole = all(run.stored == run.distinct == count for run in own_runs)
        truth = f"{'each once' if whole else 'NOT EXACT'}, {inversions} out of order"
        print(
            f"{name:20} {count / seconds:9,.0f} {rates[0]:9,.0f} {rates[-1]:9,.0f} "
            f"{base / seconds:6.2f} {client:10.1f} {server:10.1f}  {truth}"
        )


def exact(run: Run, count: int) -> bool:
    in_order = run.contender == V7 or not run.inversions
    return run.stored == run.distinct == count and in_order


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.publisher", description=__doc__.split("\n")[0])
    parser.add_argument("--messages", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--replicas", type=int, choices=(1, 3), default=1)
    parser.add_argument("--sync-always", action="store_true", help="fsync before each answer")
    parser.add_argument("--json", type=Path, help="write the single runs to this file")
    arguments = parser.parse_args()
    messages = make_messages(arguments.messages)
    jetstream = "sync_interval: always" if arguments.sync_always else ""
    runs: list[Run] = []
    with (
        tempfile.TemporaryDirectory() as home,
        cluster(Path(home), size=arguments.replicas, jetstream=jetstream) as servers,
    ):
        print(
            f"{arguments.messages:,} messages of {len(messages[0].payload)} bytes, "
            f"R{arguments.replicas}, {jetstream or 'sync_interval: default'}"
        )
        for number in range(1, arguments.rounds + 1):
            for name in CONTENDERS:
                run = measure(servers, name, messages, arguments.replicas)
                runs.append(run)
                print(
                    f"round {number}: {name} {arguments.messages / run.seconds:,.0f}/s", flush=True
                )
    report(runs, arguments.messages)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n")
    return 0 if all(exact(run, arguments.messages) for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
