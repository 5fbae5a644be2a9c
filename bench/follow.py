"""What follow mode costs: rows fetched for one that is new, statements, bytes, CPU, and delay.

    python -m bench.follow [--rates 100,1000,5000] [--seconds S] [--window SECONDS]

A writer commits rows ten times a second into a table that has a window of rows in it already; the
tap polls once a second. The window is what a transaction that stays open for so long makes of it
(3600 for an hour). The delay is from the commit to stdout, the poll interval included.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

BATCHES_A_SECOND = 10
PAYLOAD = "x" * 100


@dataclass
class Writer:
    """Commits rows at a rate, and knows when each was committed."""

    path: Path
    rate: int
    committed: dict[int, float] = field(default_factory=dict)
    rows: int = 0

    def fill(self, window: int) -> None:
        with sqlite3.connect(self.path) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE E (ID INTEGER PRIMARY KEY, T DATETIME, V TEXT)")
            connection.execute("CREATE INDEX IX ON E (T, ID)")
            start = _now() - dt.timedelta(seconds=window)
            for second in range(window):
                self._insert(connection, start + dt.timedelta(seconds=second), self.rate)
        connection.close()

    def write(self, seconds: int) -> None:
        connection = sqlite3.connect(self.path, timeout=30)
        begun, count = time.monotonic(), max(1, self.rate // BATCHES_A_SECOND)
        for number in range(seconds * BATCHES_A_SECOND):
            first = self.rows + 1
            self._insert(connection, _now(), count)
            connection.commit()
            self.committed |= dict.fromkeys(range(first, self.rows + 1), time.time())
            time.sleep(max(0.0, begun + (number + 1) / BATCHES_A_SECOND - time.monotonic()))
        connection.close()

    def _insert(self, connection: sqlite3.Connection, at: dt.datetime, count: int) -> None:
        text = f"{at:%Y-%m-%d %H:%M:%S.%f}"
        rows = [(self.rows + n, text, PAYLOAD) for n in range(1, count + 1)]
        connection.executemany("INSERT INTO E VALUES (?,?,?)", rows)
        self.rows += count


@dataclass
class Seen:
    """What came out of the tap, and when."""

    at: dict[int, float] = field(default_factory=dict)
    size: int = 0

    def read(self, tap: subprocess.Popen[bytes]) -> None:
        assert tap.stdout is not None
        for line in tap.stdout:
            self.size += len(line)
            if line.startswith(b'{"type":"RECORD"'):
                self.at[int(re.search(rb'"ID":(\d+)', line)[1])] = time.time()  # type: ignore[index]


def measure(rate: int, seconds: int, window: int, folder: Path) -> dict[str, float]:
    writer, seen = Writer(folder / f"{rate}.db", rate), Seen()
    writer.fill(window)
    before = writer.rows
    config = folder / "config.json"
    config.write_text(json.dumps(_config(writer.path, window)))
    with (folder / "err").open("wb") as err:
        command = [str(Path(sys.executable).parent / "tap-oracle-txlog"), "--config", str(config)]
        tap = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err)
        reader = threading.Thread(target=seen.read, args=(tap,))
        reader.start()
        _wait_for(lambda: len(seen.at) >= before)
        cpu, size, begun = _cpu(tap.pid), seen.size, time.monotonic()
        mark = (folder / "err").stat().st_size
        writer.write(seconds)
        _wait_for(lambda: len(seen.at) >= writer.rows)
        minutes = (time.monotonic() - begun) / 60
        cpu = _cpu(tap.pid) - cpu
        tap.send_signal(signal.SIGTERM)
        reader.join()
        tap.wait()
    log = (folder / "err").read_bytes()[mark:].decode()
    pages = [int(one) for one in re.findall(r"page of (\d+) rows", log)]
    keys = [int(one) for one in re.findall(r"(\d+) keys compared", log)]
    passes = log.count("limited by")
    delays = [seen.at[one] - at for one, at in writer.committed.items()]
    return {
        "rows/new": sum(pages) / (writer.rows - before),
        "keys/new": sum(keys) / (writer.rows - before),
        "statements/min": (len(pages) + len(keys) + 2 * passes) / minutes,
        "MB/min": (seen.size - size) / minutes / 1e6,
        "CPU %": cpu / minutes / 60 * 100,
        "p99 s": quantiles(delays, n=100)[98],
    }


def _config(path: Path, window: int) -> dict[str, object]:
    return {
        "sqlalchemy_url": f"sqlite:///{path}",
        "table": "E",
        "replication_key": "T",
        "id_column": "ID",
        "poll_interval_seconds": 1,
        "lookback_seconds": window,
        "log_level": "DEBUG",
    }


def _wait_for(condition: object) -> None:
    while not condition():  # type: ignore[operator]
        time.sleep(0.05)


def _cpu(pid: int) -> float:
    ticks = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.follow", description=__doc__.split("\n")[0])
    parser.add_argument("--rates", default="100,1000,5000")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--window", type=int, default=300)
    options = parser.parse_args()
    for number, rate in enumerate(map(int, options.rates.split(","))):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            found = measure(rate, options.seconds, options.window, Path(folder))
        if not number:
            print("rows/s", *(f"{name:>14}" for name in found))
        print(f"{rate:6}", *(f"{value:14.2f}" for value in found.values()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
