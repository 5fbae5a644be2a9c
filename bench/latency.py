"""From a row's commit to its message in the stream, while the tap follows the table.

    python -m bench.latency [--rows N] [--poll SECONDS] [--gap SECONDS]

A writer commits single rows at random moments into the table that the tap looks at every ``--poll``
seconds; the target publishes behind it. The time runs from the moment at which the writer calls
commit to the server's own time of storing; the stream must hold every row once and in order.

A row waits for half an interval on average; the limits, within which the rest of the way has
to stay, are half the interval and 50 ms (p50), and the interval and 200 ms (p99).
"""

from __future__ import annotations

import argparse
import random
import signal
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING

from bench import results
from bench.contenders import STREAM, tap_command, target_command
from bench.processes import end, start_pipeline
from bench.side_by_side import fresh_server
from bench.table import INSERT, fill, ids_in_order, row
from bench.truth import compare, read_ids, read_times
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

    from bench.contenders import Place

SECONDS = 30


def measure(rows: int, poll: float, gap: float) -> list[float]:
    """Milliseconds of each row, ascending."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        home, table = Path(folder), Path(folder) / "events.db"
        fill(table, 0)
        with closing(sqlite3.connect(table)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")  # nobody waits for another's lock
        with fresh_server(home, table) as place:
            commands = [tap_command(place, poll_interval_seconds=poll), target_command(place)]
            log = home / "log"
            processes = start_pipeline(commands, output=home / "states", log=log)
            try:
                return _follow(place, processes, rows, gap)
            finally:
                end(processes)


def _follow(
    place: Place, processes: Sequence[subprocess.Popen[bytes]], rows: int, gap: float
) -> list[float]:
    log = place.home / "log"

    def stored(count: int) -> bool:
        assert all(process.poll() is None for process in processes), log.read_text()
        return place.server.messages(STREAM) == count

    committed = {1: write(place.table, 1)}
    wait_until(lambda: stored(1), seconds=SECONDS, what="the pair has started")
    choose = random.Random(rows)
    for id_ in range(2, rows + 2):
        time.sleep(choose.expovariate(1 / gap))
        committed[id_] = write(place.table, id_)
    wait_until(lambda: stored(rows + 1), seconds=SECONDS, what="all rows are in the stream")
    processes[0].send_signal(signal.SIGTERM)
    for process in processes:
        process.wait(SECONDS)
    truth = compare(read_ids(place.server, STREAM), ids_in_order(place.table))
    assert truth.exact, truth
    times = read_times(place.server, STREAM)
    del committed[1]  # that one waited for the start
    waits = [times[id_] - at for id_, at in committed.items()]
    return sorted(wait.total_seconds() * 1000 for wait in waits)


def write(table: Path, id_: int) -> datetime:
    """Commit a row of this moment; when that began."""
    with closing(sqlite3.connect(table)) as connection:
        connection.execute(INSERT, row(id_, datetime.now(UTC).replace(tzinfo=None)))
        at = datetime.now(UTC)
        connection.commit()
    return at


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.latency", description=__doc__)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--poll", type=float, default=1.0, help="poll_interval_seconds of the tap")
    parser.add_argument("--gap", type=float, default=0.06, help="mean seconds between commits")
    arguments = parser.parse_args()
    facts = results.begin()
    waits = measure(arguments.rows, arguments.poll, arguments.gap)
    cuts = quantiles(waits, n=100, method="inclusive")
    found = {"p50": cuts[49], "p99": cuts[98]}
    poll = arguments.poll * 1000
    limits = {"p50": poll / 2 + 50, "p99": poll + 200}
    for name, wait in found.items():
        print(f"{name} {wait:.0f} ms, limit {limits[name]:.0f} ms")
    milliseconds = [round(wait, 1) for wait in waits]
    result = {"machine": facts, "poll_seconds": arguments.poll, **found, "limits": limits}
    results.keep("latency", {**result, "milliseconds": milliseconds})
    return 1 if any(wait > limits[name] for name, wait in found.items()) else 0


if __name__ == "__main__":
    sys.exit(main())
