"""What ``metrics_file`` costs the target at full speed, in CPU seconds beside a run without.

    python -m bench.metrics [--rows N] [--rounds R]

The target reads a file that the tap wrote, and publishes to a fresh nats-server: with the setting
and without it, in turns. Each also runs on no rows at all. That is the cost of start-up, which
includes loading the Prometheus client, and is reported separately.

The difference between two whole runs is smaller than what the machine makes of them. So the same
STATEs also go through the part of the target that keeps the metrics, alone, with the file and
without: that difference is all that a run does more.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

from bench import results
from bench.contenders import STREAM, tap_command, target_command
from bench.processes import run_pipeline
from bench.side_by_side import fresh_server
from bench.table import fill, ids_in_order
from bench.truth import compare, read_ids
from target_nats_jetstream.metrics.file import MetricsFile
from target_nats_jetstream.metrics.monitor import Monitor
from target_nats_jetstream.publisher.outstanding import PublishCounts

SECONDS, CHECKPOINT_RECORDS = 1200, 10_000
SETTINGS: dict[str, dict[str, str]] = {
    "without": {},
    "with": {"metrics_file": "txlog.prom"},
}


@dataclass(frozen=True)
class Figure:
    """One way to run the target: medians, in CPU seconds; ``start`` is that of a run on no rows."""

    metrics_file: str
    cpu: float
    lowest: float
    highest: float
    start: float

    @property
    def beyond_start(self) -> float:
        return self.cpu - self.start


def measure(rows: int, rounds: int) -> tuple[list[Figure], float]:
    """The figures, and the CPU seconds of the metrics alone."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        home = Path(folder)
        full, empty = (messages(home / str(count), count) for count in (rows, 0))
        found: dict[str, list[float]] = {name: [] for name in SETTINGS}
        starts: dict[str, list[float]] = {name: [] for name in SETTINGS}
        for number in range(1, rounds + 1):
            for name in SETTINGS:
                found[name].append(run(home, full, name))
                starts[name].append(run(home, empty, name))
            told = ", ".join(f"{name} {cpus[-1]:.2f} CPU s" for name, cpus in found.items())
            print(f"round {number}: {told}", flush=True)
        alone = median(of_metrics(full) for _ in range(rounds))
    figures = [
        Figure(name, median(cpus), min(cpus), max(cpus), median(starts[name]))
        for name, cpus in found.items()
    ]
    return figures, alone


def messages(home: Path, rows: int) -> Path:
    """What the tap writes of so many rows; the table stands beside it."""
    home.mkdir()
    fill(home / "events.db", rows)
    with fresh_server(home, home / "events.db") as place:
        written = home / "messages"
        run_pipeline([tap_command(place)], output=written, log=home / "log", seconds=SECONDS)
    return written


def of_metrics(written: Path) -> float:
    """What the metrics of a run that reads these messages cost with a file more than without."""
    steps, records = list[tuple[Any, bool]](), 0
    with written.open("rb") as lines:
        for line in lines:
            if line.startswith(b'{"type":"RECORD"'):
                records += 1
            elif line.startswith(b'{"type":"STATE"'):
                due = records >= CHECKPOINT_RECORDS or not steps
                steps.append((json.loads(line)["value"], due))
                records = 0 if due else records
    counts = PublishCounts()
    publisher: Any = SimpleNamespace(counts=counts, acked_through=0, submitted=0, is_connected=True)
    with_file, without = (Monitor("M", publisher, None) for _ in range(2))
    with_file.outputs = [MetricsFile(str(written.with_name("txlog.prom")), with_file)]
    return _cpu(with_file, steps) - _cpu(without, steps)


def _cpu(monitor: Monitor, steps: list[tuple[Any, bool]]) -> float:
    begun = time.process_time()
    for state, due in steps:
        monitor.noted(state)
        if due:
            monitor.checkpoint(state)
    monitor.ended(success=True)
    return time.process_time() - begun


def run(folder: Path, stdin: Path, name: str) -> float:
    """The CPU seconds of the target.

    Raises:
        ValueError: The stream or the file is not as it should be.
    """
    with tempfile.TemporaryDirectory(dir=folder) as home:
        settings = {key: str(Path(home) / value) for key, value in SETTINGS[name].items()}
        with fresh_server(Path(home), stdin.with_name("events.db")) as place:
            command = target_command(place, **settings)
            log, output = Path(home) / "log", Path(os.devnull)
            usage = run_pipeline([command], output=output, log=log, seconds=SECONDS, stdin=stdin)
            order = ids_in_order(place.table)
            truth = compare(read_ids(place.server, STREAM), order)
        for path in settings.values():
            if "txlog_messages_published_total{" not in Path(path).read_text():
                msg = "the file has no metrics"
                raise ValueError(msg)
    if not truth.exact:
        msg = f"invalid: {truth}"
        raise ValueError(msg)
    return usage.by_role[command.role].cpu


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.metrics", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    facts = results.begin()
    figures, alone = measure(arguments.rows, arguments.rounds)
    print(f"\n{arguments.rows:,} rows, {arguments.rounds} rounds, CPU s of the target")
    print(f"{'metrics_file':14} {'CPU s':>7} {'low-high':>13} {'start-up':>9} {'the rest':>10}")
    for one in figures:
        spread = f"{one.lowest:.2f}-{one.highest:.2f}"
        cells = f"{one.cpu:7.2f} {spread:>13} {one.start:9.2f} {one.beyond_start:10.2f}"
        print(f"{one.metrics_file:14} {cells}")
    without, with_file = figures
    cost = with_file.beyond_start / without.beyond_start - 1
    at_start = with_file.start - without.start
    share = alone / without.beyond_start
    print(f"between whole runs: {cost:+.1%} beyond start-up, and {at_start:.2f} s at the start")
    print(f"metrics_file costs {share:.2%} at full speed ({alone * 1e3:.0f} ms, measured alone)")
    result = {"machine": facts, "rows": arguments.rows, "cost": cost, "at_start": at_start}
    result |= {"alone": alone, "share": share}
    results.keep("metrics", {**result, "figures": [asdict(one) for one in figures]})
    return 0


if __name__ == "__main__":
    sys.exit(main())
