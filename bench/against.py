"""This checkout beside another one: whether a change has made the pair slower.

    python -m bench.against OTHER [--rows N] [--rounds R]

``OTHER`` is the folder of another checkout of this repository in which ``make setup`` has run. Each
round runs both at once, from the same table to a fresh server each: whatever slows the machine down
slows both of them. In turns, the ratios of a machine that is not quiet lie between 0.6 and 1.4.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from bench import results
from bench.contenders import BIN, STREAM, tap_command, target_command
from bench.processes import run_pipeline
from bench.side_by_side import SECONDS_A_ROW, SECONDS_AT_LEAST, fresh_server
from bench.table import fill, ids_in_order
from bench.truth import compare, read_ids
from tools.meltano_run import PAIR

if TYPE_CHECKING:
    from collections.abc import Sequence


class Figures(NamedTuple):
    """Seconds of one run."""

    wall: float
    tap: float
    target: float


def run(commands: Path, table: Path, order: Sequence[int], home: Path) -> Figures:
    """Move the table once, with the pair whose commands are in the folder ``commands``."""
    home.mkdir()
    with fresh_server(home, table) as place:
        pair = [
            replace(command, argv=[str(commands / name), *command.argv[1:]])
            for name, command in zip(PAIR, (tap_command(place), target_command(place)), strict=True)
        ]
        seconds = SECONDS_AT_LEAST + len(order) * SECONDS_A_ROW
        usage = run_pipeline(pair, output=home / "out", log=home / "log", seconds=seconds)
        if not (truth := compare(read_ids(place.server, STREAM), order)).exact:
            sys.exit(f"{commands}: {truth}")
    return Figures(usage.seconds, usage.by_role["tap"].cpu, usage.by_role["target"].cpu)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.against", description=__doc__.split("\n")[0])
    parser.add_argument("other", type=Path)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=12)
    arguments = parser.parse_args()
    facts = results.begin()
    both = BIN, arguments.other.absolute() / ".venv" / "bin"
    ratios: list[Figures] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        table = Path(folder) / "events.db"
        fill(table, arguments.rows)
        order = ids_in_order(table)
        for number in range(arguments.rounds):
            homes = [Path(folder) / f"{number}-{name}" for name in ("this", "other")]
            with ThreadPoolExecutor() as threads:
                found = threads.map(run, both, repeat(table), repeat(order), homes)
            ratios.append(Figures(*(a / b for a, b in zip(*found, strict=True))))
            print(_line(f"round {number + 1}", ratios[-1]), flush=True)
    middle = Figures(*map(median, zip(*ratios, strict=True)))
    print(_line("median", middle))
    results.keep("against", {"machine": facts, "ratios": ratios, "median": middle})
    return 0


def _line(name: str, ratio: Figures) -> str:
    return (
        f"{name:9} this / other: {ratio.wall:.3f} of the time, "
        f"CPU of the tap {ratio.tap:.3f}, of the target {ratio.target:.3f}"
    )


if __name__ == "__main__":
    sys.exit(main())
