"""``python -m bench``: the pair beside what a user would take instead; see docs/benchmark.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench import report, results
from bench.contenders import CONTENDERS
from bench.side_by_side import Run, measure, turns
from bench.table import fill, ids_in_order


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=(), help="contenders beside V7, by name")
    arguments = parser.parse_args()
    if unknown := set(arguments.only) - {contender.name for contender in CONTENDERS}:
        parser.error(f"no contender is called {', '.join(unknown)}")
    facts = results.begin()
    runs = measure_all(arguments.rows, arguments.rounds, arguments.only)
    print(f"\n{arguments.rows:,} rows, {arguments.rounds} rounds")
    print(report.table(report.summarize(runs, arguments.rows)))
    results.keep("side_by_side", report.as_json(facts, arguments.rows, runs))
    ours = {contender.name for contender in CONTENDERS if contender.ours}
    return 1 if any(run.verdict for run in runs if run.contender in ours) else 0


def measure_all(rows: int, rounds: int, names: list[str]) -> list[Run]:
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        table = Path(folder) / "events.db"
        fill(table, rows)
        order = ids_in_order(table)
        for number, contender in turns(rounds, names):
            run = measure(contender, number, table, order, Path(folder) / "run")
            runs.append(run)
            rate = (
                f"{rows / run.seconds:,.0f} rows/s, {run.client_cpu:.1f} CPU s" if run.truth else ""
            )
            print(f"round {number}: {run.contender:18} {rate} {run.verdict}", flush=True)
    return runs


if __name__ == "__main__":
    sys.exit(main())
