"""``python -m bench``: the pair beside what a user would take instead; see docs/benchmark.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench import report, results
from bench.contenders import CONTENDERS
from bench.profile import profile
from bench.side_by_side import Run, measure, turns
from bench.table import fill, ids_in_order


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--profile", action="store_true", help="one more run of the pair, sampled")
    parser.add_argument("--only", nargs="*", default=(), help="contenders beside V7, by name")
    arguments = parser.parse_args()
    if unknown := set(arguments.only) - {contender.name for contender in CONTENDERS}:
        parser.error(f"no contender is called {', '.join(unknown)}")
    facts = results.begin()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        table = Path(folder) / "events.db"
        fill(table, arguments.rows)
        runs = measure_all(table, arguments.rounds, arguments.only)
        worked = {run.contender for run in runs if run.truth} if arguments.profile else set()
        profiles = [profile(c, table) for c in CONTENDERS if c.profiled and c.name in worked]
    print(f"\n{arguments.rows:,} rows, {arguments.rounds} rounds")
    print(report.table(report.summarize(runs, arguments.rows)))
    print(*profiles, sep="\n")
    results.keep("side_by_side", report.as_json(facts, arguments.rows, runs))
    ours = {contender.name for contender in CONTENDERS if contender.ours}
    return 1 if any(run.verdict for run in runs if run.contender in ours) else 0


def measure_all(table: Path, rounds: int, names: list[str]) -> list[Run]:
    runs, order = list[Run](), ids_in_order(table)
    for number, contender in turns(rounds, names):
        run = measure(contender, number, table, order, table.with_name("run"))
        runs.append(run)
        rate = len(order) / run.seconds if run.truth else 0
        told = f"{rate:,.0f} rows/s, {run.client_cpu:.1f} CPU s" if rate else ""
        print(f"round {number}: {run.contender:18} {told} {run.verdict}", flush=True)
    return runs


if __name__ == "__main__":
    sys.exit(main())
