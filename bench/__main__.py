"""``python -m bench``: the pair beside what a user would take instead; see docs/benchmark.md."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from bench import machine, report
from bench.contenders import CONTENDERS, ROOT
from bench.side_by_side import Run, measure, turns
from bench.table import fill, ids_in_order

RESULTS = ROOT / "bench" / "results"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="names of contenders, with semicolons")
    arguments = parser.parse_args()
    names = [name.strip() for name in arguments.only.split(";") if name.strip()]
    if unknown := set(names) - {contender.name for contender in CONTENDERS}:
        parser.error(f"no contender is called {', '.join(unknown)}")
    facts = machine.describe()
    print(", ".join(f"{name} {value}" for name, value in facts.items()), flush=True)
    runs = measure_all(arguments.rows, arguments.rounds, names)
    print(f"\n{arguments.rows:,} rows, {arguments.rounds} rounds")
    print(report.table(report.summarize(runs, arguments.rows)))
    RESULTS.mkdir(exist_ok=True)
    result = RESULTS / "side_by_side.json"
    result.write_text(json.dumps(report.as_json(facts, arguments.rows, runs), indent=1) + "\n")
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
