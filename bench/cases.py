"""What it costs to put cases together, beside reading their events alone.

    python -m bench.cases [--rows N] [--cases N] [--rounds R]

The pair moves a table of SQLite into JetStream in turns: its events, and its events and cases. All
cases have been quiet for long enough; each has the events of one hour, so that many are open at a
time. The figures are CPU seconds of tap and target, medians; the second ratio is without the time
that a run without rows takes.

Exit code 1 when a message is missing, or when events and cases cost more than twice the events.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median

from bench import results
from tools.servers.nats import NatsServer

BIN = Path(sys.executable).parent
STREAM = "TXLOG_STREAM"
BEGINNING = datetime(2026, 1, 1)  # noqa: DTZ001 - SQLite has no zones
SPAN = 3_600
MOST = 2.0


def fill(path: Path, rows: int, cases: int) -> None:
    """So many events of so many cases, which begin one after the other."""
    chance = Random(1)
    begun = [number * SPAN / 100 for number in range(cases)]
    events = [
        (begun[case] + chance.uniform(0, SPAN), case) for case in (n % cases for n in range(rows))
    ]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE TXLOG_EVENTS (ID INTEGER PRIMARY KEY, CASE_ID VARCHAR(64), EVENT_TYPE"
            " VARCHAR(64), EVENT_DATA TEXT, EVENT_TIMESTAMP TIMESTAMP, CREATED_AT TIMESTAMP)"
        )
        written = (
            (
                number,
                f"C{case:06}",
                "DOCUMENT_ADDED",
                f'{{"amount": {number}, "note": "{"x" * 120}"}}',
                at := f"{BEGINNING + timedelta(seconds=second):%Y-%m-%d %H:%M:%S.%f}",
                at,
            )
            for number, (second, case) in enumerate(sorted(events))
        )
        connection.executemany("INSERT INTO TXLOG_EVENTS VALUES (?, ?, ?, ?, ?, ?)", written)
        for columns in ("EVENT_TIMESTAMP, ID", "CASE_ID, EVENT_TIMESTAMP, ID"):
            name = columns.partition(",")[0]
            connection.execute(f"CREATE INDEX IX_{name} ON TXLOG_EVENTS ({columns})")


def run(
    home: Path, server: NatsServer, settings: dict[str, object]
) -> tuple[dict[str, int], float]:
    """Messages by subject, and the CPU seconds of both processes."""
    server.api(f"STREAM.DELETE.{STREAM}")  # a purged one would know the ids, and store nothing
    server.add_stream(STREAM, ["txlog.>"], allow_batched=True)
    tap = {"sqlalchemy_url": f"sqlite:///{home}/events.db", "table": "TXLOG_EVENTS", **settings}
    target = {"servers": server.url, "subject": "txlog.{stream}"}
    for name, config in (("tap", tap), ("target", target)):
        (home / f"{name}.json").write_text(json.dumps(config))
    before = _cpu()
    first, second = (
        [str(BIN / name), "--config", str(home / f"{name.partition('-')[0]}.json")]
        for name in ("tap-oracle-txlog", "target-nats-jetstream")
    )
    quiet = subprocess.DEVNULL
    with subprocess.Popen(first, stdout=subprocess.PIPE, stderr=quiet) as source:
        ended = subprocess.run(second, stdin=source.stdout, stdout=quiet, stderr=quiet, check=False)
    assert (source.returncode, ended.returncode) == (0, 0)
    took = _cpu() - before
    found = server.api(f"STREAM.INFO.{STREAM}", {"subjects_filter": ">"})
    return found["state"].get("subjects", {}), took


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--cases", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    machine = results.begin()
    ways: dict[str, dict[str, object]] = {
        "no rows": {"start_date": "2100-01-01"},
        "events": {},
        "events and cases": {"assemble_by": "CASE_ID", "assemble_quiet": "2h"},
    }
    cpu: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        home = Path(folder)
        fill(home / "events.db", arguments.rows, arguments.cases)
        with NatsServer(home / "nats") as server:
            server.add_stream(STREAM, ["txlog.>"], allow_batched=True)
            for _ in range(arguments.rounds):
                for way, settings in ways.items():
                    found, seconds = run(home, server, settings)
                    cpu[way].append(seconds)
    nothing, events, both = (median(cpu[way]) for way in ways)
    print(f"CPU: no rows {nothing:.2f} s, events {events:.2f} s, events and cases {both:.2f} s")
    print(f"both cost {both / events:.2f} times the events", end=", ")
    print(f"{(both - nothing) / (events - nothing):.2f} times without what no rows cost")
    results.keep("cases", {"machine": machine, **{way: median(cpu[way]) for way in ways}})
    wanted = {"txlog.TXLOG_EVENTS": arguments.rows, "txlog.TXLOG_CASES": arguments.cases}
    return 1 if both > MOST * events or found != wanted else 0


if __name__ == "__main__":
    sys.exit(main())
