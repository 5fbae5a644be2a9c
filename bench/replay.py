"""What it costs to replay one case out of a million rows, with and without an index.

    python -m bench.replay [--rows N] [--rounds R]

The tap reads the case out of SQLite, once with an index that begins with CASE_ID and once with
that of the tail alone. Reading is from the first STATE, with which the tap announces what it is
going to read, to the last line; a whole run is the process, with what its imports cost. Medians.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from bench import results
from bench.table import NAME, fill

COMMAND = Path(sys.executable).with_name("tap-oracle-txlog")
CASE = "C000137"
INDEX = f"CREATE INDEX IX_{NAME}_CASE_ID ON {NAME} (CASE_ID, EVENT_TIMESTAMP, ID)"
WITH, WITHOUT = "with an index on CASE_ID", "with the index of the tail alone"


@dataclass(frozen=True)
class Figure:
    """Seconds of wall time; medians."""

    what: str
    events: int
    reading: float
    whole_run: float


def replay(home: Path) -> tuple[int, float, float]:
    """How many events came, how many seconds reading took, and how many the whole run."""
    config = {
        "sqlalchemy_url": f"sqlite:///{home}/events.db",
        "table": NAME,
        "replay": "bench",
        "filter": {"CASE_ID": [CASE]},
    }
    (home / "config.json").write_text(json.dumps(config))
    begun, times, events = time.perf_counter(), list[float](), 0
    command = [str(COMMAND), "--config", str(home / "config.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        for line in process.stdout:
            times.append(time.perf_counter())
            events += line.startswith(b'{"type":"RECORD"')
    assert process.returncode == 0
    return events, times[-1] - times[0], time.perf_counter() - begun


def measure(home: Path, what: str, rounds: int) -> Figure:
    events, reading, whole = zip(*(replay(home) for _ in range(rounds)), strict=True)
    figure = Figure(what, events[0], median(reading), median(whole))
    print(
        f"{what}: {figure.events} events in {figure.reading:.3f} s of reading, "
        f"{figure.whole_run:.2f} s for the whole run",
        flush=True,
    )
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    machine = results.begin()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        home = Path(folder)
        fill(home / "events.db", arguments.rows)
        without = measure(home, WITHOUT, arguments.rounds)
        with closing(sqlite3.connect(home / "events.db")) as connection:
            connection.execute(INDEX)
        figures = [measure(home, WITH, arguments.rounds), without]
    assert all(figure.events for figure in figures)
    kept = {"machine": machine, "rows": arguments.rows, "figures": list(map(asdict, figures))}
    results.keep("replay", kept)


if __name__ == "__main__":
    main()
