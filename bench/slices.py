"""What Dask costs beside the same slices started by hand, and how long a plan takes to make.

    python -m bench.slices [--rows N] [--slices N] [--workers N] [--rounds R]

The slices of one plan are run into a fresh server and a fresh ledger, in turns: by ``xargs``, which
starts as many at a time, and by ``python -m tap_oracle_txlog.dask --local``. Start and end of the
engine count. Afterwards the stream is compared with the table. Wall time, and CPU of all processes;
medians. The plan is of 1,000 slices, and its time is that of the command.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench import results
from bench.contenders import BIN, STREAM, SUBJECT, Place, tap_config, target_config
from bench.results import ROOT
from bench.table import fill
from bench.truth import read_ids
from tools.servers.nats import NatsServer

if TYPE_CHECKING:
    from collections.abc import Sequence

DASK = ROOT / ".venv-dask/bin/python"
HAND, ENGINE = "by hand", "by Dask"
CONFIGS = ("--tap-config", "tap.json", "--target-config", "target.json")
TARGET = ("--target", str(BIN / "target-nats-jetstream"))
PLANNED = 1_000


@dataclass(frozen=True)
class Figure:
    """Seconds."""

    way: str
    wall: float
    cpu: float


def configure(place: Place) -> None:
    """The settings of both plugins, with one ledger."""
    target = target_config(place) | {"subject": f"{SUBJECT}.{{slice}}"}
    ledger = {"ledger_url": target["ledger_url"], "ledger_table": "ETL_PRMREC"}
    place.write("tap.json", tap_config(place) | ledger)
    place.write("target.json", target | ledger)


def plan(place: Place, count: int) -> str:
    """A plan with so many slices."""
    command = [str(BIN / "tap-oracle-txlog"), "--config", "tap.json", "--plan-slices", str(count)]
    return subprocess.run(
        command, cwd=place.home, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ).stdout.decode()


def command_of(way: str, workers: int) -> list[str]:
    """What runs all slices of the plan, of which their numbers come in."""
    if way == HAND:
        slices = [str(BIN / "txlog-slice"), *CONFIGS, *TARGET, "plan.json"]
        return ["xargs", "-n", "1", "-P", str(workers), *slices]
    dask = [str(DASK), "-m", "tap_oracle_txlog.dask", "plan.json", "--local", str(workers)]
    return [*dask, "--", *CONFIGS, *TARGET]


def run(way: str, place: Place, workers: int, count: int) -> Figure:
    """All slices, in one of the ways."""
    numbers = "\n".join(map(str, range(count)))
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        command_of(way, workers),
        cwd=place.home,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
        input=numbers.encode(),
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Figure(way, wall, cpu)


def measure(way: str, home: Path, arguments: argparse.Namespace) -> Figure:
    """One run into a server and a ledger of its own; the stream has each row once."""
    home.mkdir()
    with NatsServer(home / "nats") as server:
        fast = {"allow_direct": True, "allow_atomic": True, "allow_batched": True}
        server.add_stream(STREAM, [f"{SUBJECT}.*"], **fast)
        place = Place(home, home.parent / "events.db", server)
        configure(place)
        (home / "plan.json").write_text(plan(place, arguments.slices))
        figure = run(way, place, arguments.workers, arguments.slices)
        assert sorted(read_ids(server, STREAM)) == list(range(1, arguments.rows + 1))
    print(f"{way:8} {figure.wall:6.1f} s, {figure.cpu:6.1f} CPU s", flush=True)
    return figure


def time_of_plan(home: Path) -> tuple[float, float]:
    """Wall and CPU seconds that a plan of many slices takes."""
    with NatsServer(home / "nats") as server:
        place = Place(home, home / "events.db", server)
        configure(place)
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        assert len(json.loads(plan(place, PLANNED))["slices"]) == PLANNED
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def middle(figures: Sequence[Figure], way: str) -> Figure:
    """The medians of one way."""
    ours = [figure for figure in figures if figure.way == way]
    return Figure(way, median(one.wall for one in ours), median(one.cpu for one in ours))


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.slices", description=__doc__)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--slices", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    machine = results.begin()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        home = Path(folder)
        fill(home / "events.db", arguments.rows)
        planned = time_of_plan(home)
        print(f"{PLANNED:,} slices planned in {planned[0]:.1f} s, {planned[1]:.1f} CPU s")
        figures = [
            measure(way, home / f"{number}-{way}", arguments)
            for number in range(arguments.rounds)
            for way in ((HAND, ENGINE) if number % 2 else (ENGINE, HAND))
        ]
    hand, engine = middle(figures, HAND), middle(figures, ENGINE)
    print(
        f"Dask takes {engine.wall / hand.wall:.2f} of the time by hand, and "
        f"{engine.cpu / hand.cpu:.2f} of its CPU"
    )
    kept = {"machine": machine, "planned": planned, "figures": list(map(asdict, figures))}
    results.keep("slices", kept)
    return 0


if __name__ == "__main__":
    sys.exit(main())
