"""From a row's commit to its message: of the tail alone, and beside a backfill in slices.

    python -m bench.tail [--rows N] [--workers N] [--samples N] [--poll SECONDS] [--gap SECONDS]

The tail follows the table from where the plan of the slices ends, and a writer commits single rows
at random moments, as ``bench.latency`` does. First nothing else runs; then the slices move the rows
before, so many at a time, and only what is committed while they are at work counts. Each time the
table, the server and the ledgers are new; in the end the stream must hold every row once.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager
from itertools import count, repeat, takewhile
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING

from bench import results
from bench.contenders import STREAM, SUBJECT, Place, tap_command, target_command
from bench.latency import write
from bench.processes import end, start_pipeline
from bench.slices import HAND, command_of, configure, plan
from bench.table import fill
from bench.truth import read_ids, read_times
from tools.servers.nats import NatsServer
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

SECONDS = 120
SLICES = 8
#: How much longer the tail may take beside slices.
LIMIT = 2.0


def measure(home: Path, arguments: argparse.Namespace, *, beside: bool) -> list[float]:
    """Milliseconds of each row, ascending; slices run ``beside`` the tail or do not."""
    home.mkdir()
    fill(home / "events.db", arguments.rows)
    with closing(sqlite3.connect(home / "events.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")  # nobody waits for another's lock
    with ExitStack() as stack:
        server = stack.enter_context(NatsServer(home / "nats"))
        fast = {"allow_direct": True, "allow_atomic": True, "allow_batched": True}
        server.add_stream(STREAM, [f"{SUBJECT}.*"], **fast)
        place = Place(home, home / "events.db", server)
        configure(place)
        (home / "plan.json").write_text(plan(place, SLICES))
        stack.enter_context(tail(place, arguments.poll))
        first = arguments.rows + 1
        write(place.table, first)
        until_stored(place, 1)
        at_work: Iterator[object] = iter(range(arguments.samples))
        if beside:
            at_work = stack.enter_context(slices(place, arguments.workers))
            until_stored(place, 2)
        waits = follow(place, first + 1, arguments.gap, at_work)
        before = arguments.rows if beside else 0
        assert len(read_ids(server, STREAM)) == before + 1 + len(waits)
    return waits


@contextmanager
def tail(place: Place, poll: float) -> Iterator[None]:
    """The pair that follows the table from where the slices end."""
    home = place.home / "tail"
    home.mkdir()
    own = Place(home, place.table, place.server)
    start = json.loads((place.home / "plan.json").read_text())["tail_start_date"]
    commands = [
        tap_command(own, start_date=start, poll_interval_seconds=poll),
        target_command(own, subject=f"{SUBJECT}.{{slice}}"),
    ]
    processes = start_pipeline(commands, output=home / "states", log=home / "log")
    try:
        yield
    finally:
        end(processes)


@contextmanager
def slices(place: Place, workers: int) -> Iterator[Iterator[object]]:
    """Start all slices, so many at a time; what is given ends when they do."""
    with (place.home / "slices.log").open("wb") as log:
        process = subprocess.Popen(
            command_of(HAND, workers),
            cwd=place.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
    assert process.stdin is not None
    process.stdin.write("\n".join(map(str, range(SLICES))).encode())
    process.stdin.close()
    try:
        yield takewhile(lambda _: process.poll() is None, repeat(None))
        assert process.wait() == 0, (place.home / "slices.log").read_text()
    finally:
        end([process])


def until_stored(place: Place, number: int) -> None:
    """Wait until the stream has that many messages at least."""
    wait_until(lambda: place.server.messages(STREAM) >= number, seconds=SECONDS, what="messages")


def follow(place: Place, first: int, gap: float, moments: Iterator[object]) -> list[float]:
    """Commit a row at each of the moments, and wait for them; their milliseconds, ascending."""
    choose = random.Random(first)
    committed: dict[int, datetime] = {}
    for id_, _ in zip(count(first), moments, strict=False):
        time.sleep(choose.expovariate(1 / gap))  # commits come as they like, not at a beat
        committed[id_] = write(place.table, id_)
    tail_has = {"subjects_filter": f"{SUBJECT}.tail"}

    def stored() -> int:
        state = place.server.api(f"STREAM.INFO.{STREAM}", tail_has)["state"]
        return sum((state.get("subjects") or {}).values())

    wait_until(lambda: stored() > len(committed), seconds=SECONDS, what="all rows of the tail")
    times = read_times(place.server, STREAM)
    return sorted((times[id_] - at).total_seconds() * 1000 for id_, at in committed.items())


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.tail", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--samples", type=int, default=1000, help="rows that are committed alone")
    parser.add_argument("--poll", type=float, default=1.0, help="poll_interval_seconds of the tap")
    parser.add_argument("--gap", type=float, default=0.03, help="mean seconds between commits")
    arguments = parser.parse_args()
    found: dict[str, object] = {"machine": results.begin(), "poll_seconds": arguments.poll}
    p99: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name in ("alone", "beside"):
            waits = measure(Path(folder) / name, arguments, beside=name == "beside")
            cuts = quantiles(waits, n=100, method="inclusive")
            found[name] = {"rows": len(waits), "p50": cuts[49], "p99": cuts[98]}
            p99[name] = cuts[98]
            print(f"{name:6} {len(waits):5} rows: p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms")
    ratio = p99["beside"] / p99["alone"]
    print(f"p99 beside {arguments.workers} slices is {ratio:.2f} of that alone, limit {LIMIT}")
    results.keep("tail", found)
    return 1 if ratio > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
