"""Each half alone, in records per CPU second of its process, beside the plain SDK's.

    python -m bench.components [--rows N] [--rounds R]

A tap writes to /dev/null; a target reads a file that the tap wrote and publishes to a fresh
nats-server. Each also runs on no rows at all: that is the cost of start-up, reported separately.
The publisher alone is measured as in ``bench.publisher``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench import publisher, results
from bench.contenders import (
    STREAM,
    Place,
    oracle_tap_command,
    plain_tap,
    plain_target,
    tap_command,
    target_command,
)
from bench.processes import run_pipeline
from bench.side_by_side import fresh_server
from bench.table import fill, ids_in_order
from bench.truth import compare, read_ids
from tools.servers.nats import cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.processes import Command, Use

SECONDS = 1200
PUBLISHED = 60_000
PLAIN_TAP, PLAIN_TARGET = "plain SDK tap, SQLite", "plain SDK target"
HEAD = "{:29} {:>14} {:>8} {:>15} {:>8} {:>11} {:>8}  {}"
LINE = "{:29} {:14,.0f} {:8.2f} {:15,.0f} {:8.2f} {:11.2f} {:8.0f}  {}"


@dataclass(frozen=True)
class Source:
    """The same rows in each of the forms that a component reads."""

    table: Path
    login: Mapping[str, Any]
    messages: Path


@dataclass(frozen=True)
class Figure:
    """One component; rates are records per CPU second, CPU is in seconds.

    Attributes:
        beyond_start: The rate without what a run on no rows costs.
        verdict: What was wrong in the stream, empty where nothing was.
    """

    component: str
    base: str
    rate: float
    beyond_start: float
    start_cpu: float
    megabytes: float
    verdict: str = ""


@dataclass(frozen=True)
class Component:
    """One half of a pair.

    Attributes:
        base: The half of the plain SDK pair that it is compared with.
        reads: Whether it reads the messages of a tap, and fills a stream.
    """

    name: str
    base: str
    command: Callable[[Place, Source], Command]
    reads: bool = False


COMPONENTS = (
    Component("tap, SQLite", PLAIN_TAP, lambda place, _: tap_command(place)),
    Component(
        "tap, Oracle stand-in", PLAIN_TAP, lambda place, of: oracle_tap_command(place, of.login)
    ),
    Component(PLAIN_TAP, PLAIN_TAP, lambda place, _: plain_tap(place)),
    Component("target", PLAIN_TARGET, lambda place, _: target_command(place), reads=True),
    Component(PLAIN_TARGET, PLAIN_TARGET, lambda place, _: plain_target(place), reads=True),
)


@dataclass(frozen=True)
class Ended:
    """A component on all rows, and on none."""

    use: Use
    start: Use
    verdict: str


def measure(rows: int, rounds: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as left:
        full = left.enter_context(source(Path(folder) / "full", rows))
        empty = left.enter_context(source(Path(folder) / "empty", 0))
        ended: dict[Component, list[Ended]] = {one: [] for one in COMPONENTS}
        for number in range(1, rounds + 1):
            for one, found in ended.items():
                use, verdict = run(one, full, Path(folder))
                start, _ = run(one, empty, Path(folder))
                found.append(Ended(use, start, verdict))
                told = f"{rows / use.cpu:,.0f} records/CPU s {verdict}"
                print(f"round {number}: {one.name:24} {told}", flush=True)
    return [figure(one, found, rows) for one, found in ended.items()]


@contextmanager
def source(home: Path, rows: int) -> Iterator[Source]:
    home.mkdir()
    table, messages = home / "events.db", home / "messages"
    fill(table, rows)
    with fresh_server(home, table) as place:
        log = home / "log"
        run_pipeline([tap_command(place)], output=messages, log=log, seconds=SECONDS)
    command = [sys.executable, "-m", "bench.stand_in", str(rows)]
    # It serves until its input is closed, which leaving the block does.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as oracle:
        assert oracle.stdout is not None
        yield Source(table, json.loads(oracle.stdout.readline()), messages)


def run(one: Component, source: Source, folder: Path) -> tuple[Use, str]:
    """What it used, and what is wrong in the stream that it filled."""
    with tempfile.TemporaryDirectory(dir=folder) as home, ExitStack() as left:
        place = left.enter_context(fresh_server(Path(home), source.table))
        command = one.command(place, source)
        usage = run_pipeline(
            [command],
            output=Path(os.devnull),
            log=Path(home) / "log",
            seconds=SECONDS,
            stdin=source.messages if one.reads else None,
        )
        verdict = ""
        if one.reads:
            truth = compare(read_ids(place.server, STREAM), ids_in_order(source.table))
            verdict = "" if truth.exact else f"invalid: {truth}"
        return usage.by_role[command.role], verdict


def figure(one: Component, found: Sequence[Ended], rows: int) -> Figure:
    cpu = median(ended.use.cpu for ended in found)
    start = median(ended.start.cpu for ended in found)
    peak = max(ended.use.megabytes for ended in found)
    verdict = next((ended.verdict for ended in found if ended.verdict), "")
    return Figure(one.name, one.base, rows / cpu, rows / (cpu - start), start, peak, verdict)


def publishers(rounds: int) -> list[Figure]:
    """The publisher in each mode beside V7's gather; starting is not measured."""
    messages = publisher.make_messages(PUBLISHED)
    runs: dict[str, list[publisher.Run]] = {name: [] for name in publisher.CONTENDERS}
    with tempfile.TemporaryDirectory() as home, cluster(Path(home), size=1) as servers:
        for _ in range(rounds):
            for name, done in runs.items():
                done.append(publisher.measure(servers, name, messages, 1))
    figures, base = list[Figure](), f"publisher, {publisher.V7}"
    for name, done in runs.items():
        rate = PUBLISHED / median(run.client_cpu for run in done)
        right = all(publisher.exact(run, PUBLISHED) for run in done)
        verdict = "" if right else "invalid"
        figures.append(Figure(f"publisher, {name}", base, rate, rate, 0, 0, verdict))
    return figures


def table(figures: Sequence[Figure]) -> str:
    rates = {one.component: one for one in figures}
    units = ("", "records/CPU s", "ratio", "beyond start-up", "ratio", "start CPU s", "peak MB")
    lines = [HEAD.format(*units, "ratio to")]
    for one in figures:
        base = rates[one.base]
        ratios = one.rate / base.rate, one.beyond_start / base.beyond_start
        values = one.rate, ratios[0], one.beyond_start, ratios[1], one.start_cpu, one.megabytes
        lines.append(LINE.format(one.component, *values, one.verdict or one.base))
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.components", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    facts = results.begin()
    figures = measure(arguments.rows, arguments.rounds) + publishers(arguments.rounds)
    print(f"\n{arguments.rows:,} rows, {PUBLISHED:,} for the publisher, {arguments.rounds} rounds")
    print(table(figures))
    result = {"machine": facts, "rows": arguments.rows, "figures": [asdict(f) for f in figures]}
    results.keep("components", result)
    return 1 if any(one.verdict for one in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
