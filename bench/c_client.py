"""The publisher beside the C client, by the method of ``bench.publisher``.

    python -m bench.c_client [--messages N] [--rounds R] [--libnats DIR] [--json FILE]

The C client (libnats, ``js_PublishAsync``) is compiled at the start and gets the same messages from
a file. Its seconds and CPU seconds are its own, from connecting to the last acknowledgement and
without reading the file; its rate is 100 %. It needs ``cc`` and libnats: ``apt-get install
libnats-dev``, or ``--libnats`` and the folder in which that package, its library and libprotobuf-c1
are unpacked (``dpkg -x``).

Exit code 1 when a stream does not hold every message once and in order.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.publisher import CONTENDERS, Run, exact, make_messages, measure
from tools.servers.nats import NatsServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_nats_jetstream.message import Message

C = "C js_PublishAsync"
MODES = ("window", "atomic", "fast")


@dataclass
class CClient:
    """The compiled program, a contender like the others; it tells its own times."""

    program: Path
    feed: Path
    libraries: str
    seconds: float = 0
    cpu: float = 0

    @classmethod
    def compile(cls, folder: Path, usr: Path, messages: Sequence[Message]) -> CClient:
        found = [*usr.glob("lib/*/libnats.so"), *usr.glob("lib/libnats.so")]
        if not found or not shutil.which("cc"):
            sys.exit("cc and libnats are needed: apt-get install gcc libc6-dev libnats-dev")
        libraries = str(found[0].parent)
        program, feed = folder / "c_client", folder / "messages"
        source = Path(__file__).with_name("c_client.c")
        places = [f"-I{usr / 'include'}", f"-L{libraries}", f"-Wl,-rpath-link,{libraries}"]
        command = [
            "cc",
            "-O2",
            "-Wall",
            "-Wextra",
            "-o",
            str(program),
            str(source),
            *places,
            "-lnats",
        ]
        subprocess.run(command, check=True)
        lines = [str(len(messages))]
        for message in messages:
            lines += [message.subject, message.id, message.payload.decode()]
        feed.write_text("\n".join(lines) + "\n")
        return cls(program, feed, libraries)

    def __call__(self, server: NatsServer, _stream: str, _messages: Sequence[Message]) -> None:
        env = os.environ | {"LD_LIBRARY_PATH": self.libraries}
        command = [str(self.program), server.url, str(self.feed)]
        said = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout
        told = json.loads(said)
        self.seconds, self.cpu = told["seconds"], told["cpu"]


def report(runs: Sequence[Run], count: int) -> None:
    base = statistics.median(run.seconds for run in runs if run.contender == C)
    head = ("", "msgs/s", "slowest", "fastest", "of C", "client us", "server us")
    print("\n{:20} {:>9} {:>9} {:>9} {:>6} {:>10} {:>10}  truth".format(*head))
    for name in (C, *MODES):
        own = [run for run in runs if run.contender == name]
        rates = sorted(count / run.seconds for run in own)
        seconds = statistics.median(run.seconds for run in own)
        client = statistics.median(run.client_cpu for run in own) / count * 1e6
        server = statistics.median(run.server_cpu for run in own) / count * 1e6
        truth = "each once, in order" if all(exact(run, count) for run in own) else "NOT EXACT"
        print(
            f"{name:20} {count / seconds:9,.0f} {rates[0]:9,.0f} {rates[-1]:9,.0f} "
            f"{base / seconds:6.0%} {client:10.1f} {server:10.1f}  {truth}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.c_client", description=__doc__.split("\n")[0])
    parser.add_argument("--messages", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--libnats", type=Path, default=Path("/"), help="where it is unpacked")
    parser.add_argument("--json", type=Path, help="write the single runs to this file")
    arguments = parser.parse_args()
    messages = make_messages(arguments.messages)
    runs: list[Run] = []
    with tempfile.TemporaryDirectory() as home, NatsServer(Path(home) / "nats") as server:
        client = CClient.compile(Path(home), arguments.libnats / "usr", messages)
        CONTENDERS[C] = client
        for number in range(1, arguments.rounds + 1):
            for name in (C, *MODES):
                run = measure([server], name, messages, 1)
                if name == C:
                    run = replace(run, seconds=client.seconds, client_cpu=client.cpu)
                runs.append(run)
                rate = arguments.messages / run.seconds
                print(f"round {number}: {name} {rate:,.0f}/s", flush=True)
    report(runs, arguments.messages)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n")
    return 0 if all(exact(run, arguments.messages) for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
