"""Each half alone, in records per CPU second of its process, beside the plain SDK's.

    python -m bench.components [--rows N] [--rounds R]

A tap writes to /dev/null; a target reads a file that the tap wrote and publishes to a fresh
nats-server. Each also runs on no rows at all: what that costs is start-up, and is told apart. The
publisher alone is measured as ``bench.publisher`` does it.
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
from tests.support.nats import cluster

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.processes import Command, Use

SECONDS = 1200
PUBLISHED = 60_000
PLAIN_TAP, PLAIN_TARGET = "plain SDK tap, SQLite", "plain SDK target"
HEAD = "{:29} {:>14} {:>8} {:>15} {:>8} {:>11} {:>8}  {}"
LINE = "{:29} {:14,.0f} {:8.2f} {:15,.0f} {:8.2f} {:11.2f} {:8.0f}  {}"


@dataclass(frozen=True)
class Source:
    """The same rows in each of the forms that a component reads."""

    rows: int
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


def measure(rows: int, rounds: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as left:
        full = left.enter_context(source(Path(folder) / "full", rows))
        empty = left.enter_context(source(Path(folder) / "empty", 0))
        uses: dict[str, list[tuple[Use, Use, str]]] = {}
        for number in range(1, rounds + 1):
            for name in COMPONENTS:
                use, verdict = run(name, full, Path(folder))
                start, _ = run(name, empty, Path(folder))
                uses.setdefault(name, []).append((use, start, verdict))
                print(f"round {number}: {name} {rows / use.cpu:,.0f}/CPU s {verdict}", flush=True)
    return [figure(name, found, rows) for name, found in uses.items()]


COMPONENTS = {
    "tap, SQLite": PLAIN_TAP,
    "tap, Oracle stand-in": PLAIN_TAP,
    PLAIN_TAP: PLAIN_TAP,
    "target": PLAIN_TARGET,
    PLAIN_TARGET: PLAIN_TARGET,
}
"""Each with that of the plain SDK that it is compared with."""


@contextmanager
def source(home: Path, rows: int) -> Iterator[Source]:
    home.mkdir()
    table, messages = home / "events.db", home / "messages"
    fill(table, rows)
    with fresh_server(home, table) as place:
        log = home / "log"
        run_pipeline([tap_command(place)], output=messages, log=log, seconds=SECONDS)
    command = [sys.executable, "-m", "bench.stand_in", str(rows)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as oracle:
        assert oracle.stdout is not None
        yield Source(rows, table, json.loads(oracle.stdout.readline()), messages)
        oracle.communicate(timeout=30)


def run(name: str, source: Source, folder: Path) -> tuple[Use, str]:
    with tempfile.TemporaryDirectory(dir=folder) as home, ExitStack() as left:
        place = left.enter_context(fresh_server(Path(home), source.table))
        command, stdin = command_of(name, place, source)
        log, null = Path(home) / "log", Path(os.devnull)
        usage = run_pipeline([command], output=null, log=log, seconds=SECONDS, stdin=stdin)
        verdict = ""
        if stdin:
            truth = compare(read_ids(place.server, STREAM), ids_in_order(source.table))
            verdict = "" if truth.exact else f"invalid: {truth}"
        return usage.by_role[command.role], verdict


def command_of(name: str, place: Place, source: Source) -> tuple[Command, Path | None]:
    """The command, and what it reads: taps read nothing."""
    if name == "tap, Oracle stand-in":
        return oracle_tap_command(place, source.login), None
    taps = {"tap, SQLite": tap_command, PLAIN_TAP: plain_tap}
    if name in taps:
        return taps[name](place), None
    return {"target": target_command, PLAIN_TARGET: plain_target}[name](place), source.messages


def figure(name: str, found: Sequence[tuple[Use, Use, str]], rows: int) -> Figure:
    cpu = median(use.cpu for use, _, _ in found)
    start = median(use.cpu for _, use, _ in found)
    peak = max(use.megabytes for use, _, _ in found)
    verdict = next((verdict for _, _, verdict in found if verdict), "")
    base = COMPONENTS[name]
    return Figure(name, base, rows / cpu, rows / (cpu - start), start, peak, verdict)


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
