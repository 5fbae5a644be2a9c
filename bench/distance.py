"""What distance to the database costs the tap: the same rows read at different network delays.

    python -m bench.distance [--milliseconds 0,2,20,100] [--rows N] [--rounds R]

The tap reads from the tests' stand-in for Oracle, which runs in a process of its own and delays
each answer, and writes to /dev/null. "Beyond start" leaves out what a run without any rows takes:
starting the process, logging on, and the questions that every run asks. All figures are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench import results
from bench.contenders import BIN
from bench.processes import Command, run_pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 600


@contextmanager
def stand_in(rows: int, milliseconds: int) -> Iterator[dict[str, Any]]:
    """The settings that lead to it."""
    command = [sys.executable, "-m", "bench.stand_in", str(rows), str(milliseconds / 1000)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as oracle:
        assert oracle.stdout is not None
        yield json.loads(oracle.stdout.readline())


def measure(rows: int, milliseconds: int, rounds: int, home: Path) -> tuple[float, float]:
    """Seconds of wall time and of the tap's CPU."""
    config, found = home / "tap.json", list[tuple[float, float]]()
    with stand_in(rows, milliseconds) as login:
        config.write_text(json.dumps(login))
        tap = Command("tap", [str(BIN / "tap-oracle-txlog"), "--config", str(config)])
        for _ in range(1 + rounds):
            nowhere = Path(os.devnull)
            usage = run_pipeline([tap], output=nowhere, log=home / "log", seconds=SECONDS)
            found.append((usage.seconds, usage.by_role["tap"].cpu))
    measured = found[1:]  # the first run has the stand-in make its rows
    return median(wall for wall, _ in measured), median(cpu for _, cpu in measured)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.distance", description=__doc__.split("\n")[0])
    parser.add_argument("--milliseconds", default="0,2,20,100")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    facts, found = results.begin(), list[dict[str, float]]()
    print(f"{'ms a call':>9} {'seconds':>8} {'beyond start':>13} {'CPU s':>6} {'beyond start':>13}")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for milliseconds in map(int, arguments.milliseconds.split(",")):
            full, none = (
                measure(rows, milliseconds, arguments.rounds, Path(folder))
                for rows in (arguments.rows, 0)
            )
            more = [a - b for a, b in zip(full, none, strict=True)]
            line = f"{milliseconds:9} {full[0]:8.2f} {more[0]:13.2f} {full[1]:6.2f} {more[1]:13.2f}"
            print(line, flush=True)
            found.append({"ms": milliseconds, "seconds": full[0], "beyond": more[0]})
    results.keep("distance", {"machine": facts, "rows": arguments.rows, "figures": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
