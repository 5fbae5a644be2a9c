"""How long the doctors take where all is well: that of the tap, that of the target, and both.

    python -m bench.doctor [--rounds R]

The tap's asks an SQLite table, and the Oracle stand-in; the target's a nats-server and an SQLite
ledger. All run on this machine, so what a network adds is not in it. In turns; beside the wall time
stands the CPU time, which is what is left of it where nothing else runs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from bench import results
from bench.contenders import oracle_tap_command, piped, tap_command, target_command
from bench.processes import run_pipeline
from bench.side_by_side import fresh_server
from bench.table import fill

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.contenders import Place
    from bench.processes import Command

ROWS, SECONDS, GOAL = 1_000, 60, 3.0
SQLITE, ORACLE, TARGET = "tap, SQLite", "tap, Oracle stand-in", "target"


class Took(NamedTuple):
    """Seconds of wall time, and of CPU."""

    seconds: float
    cpu: float


@dataclass(frozen=True)
class Figure:
    """Seconds of wall time, and of CPU; medians."""

    doctor: str
    seconds: float
    lowest: float
    highest: float
    cpu: float

    @classmethod
    def of(cls, doctor: str, took: Sequence[Took]) -> Figure:
        """The figure of several rounds."""
        walls, cpus = zip(*took, strict=True)
        return cls(doctor, median(walls), min(walls), max(walls), median(cpus))


def measure(rounds: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, stand_in() as login:
        home = Path(folder)
        fill(home / "events.db", ROWS)
        with fresh_server(home, home / "events.db") as place:
            run(place, *piped(place))  # so that there is something to look at
            doctors = {
                SQLITE: asked(tap_command(place)),
                ORACLE: asked(oracle_tap_command(place, login)),
                TARGET: asked(target_command(place)),
            }
            found: dict[str, list[Took]] = {name: [] for name in doctors}
            for _ in range(rounds):
                for name, command in doctors.items():
                    found[name].append(run(place, command))
    found["whole path, SQLite"] = _sums(found[SQLITE], found[TARGET])
    found["whole path, Oracle stand-in"] = _sums(found[ORACLE], found[TARGET])
    return [Figure.of(name, took) for name, took in found.items()]


@contextmanager
def stand_in() -> Iterator[dict[str, Any]]:
    """What leads the tap to an Oracle stand-in with some rows."""
    command = [sys.executable, "-m", "bench.stand_in", str(ROWS)]
    # It serves until its input is closed, which leaving the block does.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as oracle:
        assert oracle.stdout is not None
        yield json.loads(oracle.stdout.readline())


def asked(command: Command) -> Command:
    """The doctor of a plugin, with the settings of a run."""
    return replace(command, argv=[*command.argv, "--doctor"])


def run(place: Place, *commands: Command) -> Took:
    """How long it took; a doctor that finds a failure is an error here."""
    output, log = place.home / "output", place.home / "log"
    usage = run_pipeline(commands, output=output, log=log, seconds=SECONDS)
    return Took(usage.seconds, sum(use.cpu for use in usage.by_role.values()))


def _sums(ones: Sequence[Took], others: Sequence[Took]) -> list[Took]:
    """Each round as ``make doctor`` does it: one after the other."""
    return [
        Took(one.seconds + other.seconds, one.cpu + other.cpu)
        for one, other in zip(ones, others, strict=True)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.doctor", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    facts = results.begin()
    figures = measure(rounds)
    print(f"\nthe doctor, {rounds} rounds{'':14} {'wall s':>7} {'low-high':>12} {'CPU s':>6}")
    for one in figures:
        spread = f"{one.lowest:.2f}-{one.highest:.2f}"
        print(f"{one.doctor:33} {one.seconds:7.2f} {spread:>12} {one.cpu:6.2f}")
    results.keep("doctor", {"machine": facts, "figures": [asdict(one) for one in figures]})
    slowest = max(one.seconds for one in figures)
    print(f"the whole path takes {slowest:.2f} s at most (goal: {GOAL:g} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
