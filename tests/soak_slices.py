"""``make soak-slices``: a sliced backfill under random kills, with the tail running beside it.

    python -m tests.soak_slices [--slices 8] [--rows 400000] [--kills 30] [--seed 1] [--replicas 1]
                                [--oracle]

Two workers of Dask run the slices, MariaDB is the ledger. At random moments something is killed: a
worker, a unit alone, a tap or a target alone, a worker's machine (all of its processes), the
scheduler (the command is given once more), a nats-server, or MariaDB. At the end the stream is read
back and compared with the table. Exit code 1 unless each row is there once, in the order of its
slice, and the tail has all rows that were written meanwhile. With ``--oracle``, the pair reads the
same rows from the stand-in for Oracle.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nats.errors

from bench.truth import read_ids
from tests.support.engine import Engine
from tests.support.mariadb import new_database, new_mariadb
from tests.support.pair import BIN, Pair
from tests.support.slices import FAST, PROGRAM, STREAM, Backfill
from tools.oracle_stand_in.events import txlog_events
from tools.oracle_stand_in.server import StandIn
from tools.servers.nats import NatsServer, cluster
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.mariadb import MariaDb
    from tests.support.pair import RunningPair

VICTIMS = ("worker", "unit", "tap", "target", "machine", "scheduler", "nats-server", "mariadb")
SLICES, ROWS, KILLS = 8, 400_000, 30
TAIL_EVERY = 0.05
TABLE, TIMES = "SPC.TXLOG_EVENTS", ("EVENT_TIMESTAMP", "CREATED_AT")
#: Defaults, but for what tells a killed worker from a slow one sooner.
TARGET = {"subject": "txlog.events.{slice}", "batch_size": 1000, "dedupe_tail": 50_000}
REPLICATED = {"allow_direct": True, "allow_atomic": True, "num_replicas": 3}
EVENT = "INSERT INTO TXLOG_EVENTS VALUES (?, 'C', 'PAID', 'tail', ?, ?)"


class Tail:
    """Rows that are written now, and the pair that follows them."""

    def __init__(
        self, backfill: Backfill, oracle: StandIn | None, start: str, first_id: int
    ) -> None:
        self.ids: list[int] = []
        self._backfill = backfill
        self._oracle = oracle
        self._next, self._ended = first_id, threading.Event()
        home = backfill.home / "tail"
        home.mkdir()
        tap, target = ({**one, "program_name": PROGRAM} for one in backfill.configs)
        tap |= {"start_date": start, "poll_interval_seconds": 0.5, "state_from_ledger": True}
        self._pair = Pair(home, tap, target)
        self._running: RunningPair | None = None
        self._writer = threading.Thread(target=self._write)
        self._keeper = threading.Thread(target=self._keep)

    def start(self) -> None:
        self._writer.start()
        self._keeper.start()

    def _write(self) -> None:
        path = self._backfill.table.path
        with closing(sqlite3.connect(path, timeout=60)) as connection:
            while not self._ended.wait(TAIL_EVERY):
                at = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"
                with connection:
                    connection.execute(EVENT, (self._next, at, at))
                if self._oracle is not None:
                    time_of_oracle = f"{at.replace(' ', 'T')}000"
                    table = self._oracle.database.tables[TABLE]
                    table.insert((self._next, "C", "PAID", "tail", time_of_oracle, time_of_oracle))
                self.ids.append(self._next)
                self._next += 1

    def _keep(self) -> None:
        """As a Deployment does: a pair that has ended is started again."""
        while not self._ended.is_set():
            self._running = self._pair.start()
            while self._running.target.poll() is None and not self._ended.wait(0.2):
                pass
            if self._running.target.poll() is not None:
                self._running.kill()

    def stop_writing(self) -> None:
        self._ended.set()
        self._writer.join()
        self._keeper.join()

    def end(self) -> None:
        """Let the pair catch up, and end it."""
        if self._running is None or self._running.target.poll() is not None:
            self._running = self._pair.start()
        deadline = time.monotonic() + 300
        while self._backfill.messages("tail") < len(self.ids) and time.monotonic() < deadline:
            time.sleep(0.5)
        self._running.tap.send_signal(signal.SIGTERM)
        self._running.target.send_signal(signal.SIGTERM)
        self._running.end()


class Soak:
    """The kills, and what they hit.

    Args:
        backfill: A plan that is made.
        nats: The servers of the stream.
        mariadb: The server of the ledger.
        seed: Of the moments and the victims.
    """

    def __init__(
        self, backfill: Backfill, nats: Sequence[NatsServer], mariadb: MariaDb, seed: int
    ) -> None:
        self._backfill = backfill
        self._nats = nats
        self._mariadb = mariadb
        self._chance = random.Random(seed)
        self.kills: Counter[str] = Counter()

    def run(self, rows: int, kills: int) -> float:
        """Run all slices to their end, with so many kills in between; seconds."""
        begun = time.monotonic()
        goals = sorted(self._chance.randint(1, rows) for _ in range(kills))
        engine = Engine(self._backfill, "--local", "2", "--retries", "100")
        try:
            while goals or engine.process.poll() is None:
                if engine.process.poll() is not None:
                    break
                if goals and self._slices_have() >= goals[0] and engine.units():
                    goals.pop(0)
                    engine = self._kill(engine)
                time.sleep(0.2)
            code = engine.end()
            if code:
                print(engine.log[-6000:])
            assert code == 0, f"the engine has ended with {code}"
        finally:
            engine.__exit__()
        return time.monotonic() - begun

    def _slices_have(self) -> int:
        return self._backfill.messages() - self._backfill.messages("tail")

    def _answers(self) -> bool:
        try:
            return self._backfill.messages() >= 0
        except (nats.errors.Error, OSError, KeyError):
            return False

    def _kill(self, engine: Engine) -> Engine:
        victim = self._chance.choice(VICTIMS)
        self.kills[victim] += 1
        servers: dict[str, Callable[[], None]] = {
            "nats-server": lambda: again(self._chance.choice(self._nats)),
            "mariadb": lambda: again(self._mariadb),
        }
        if victim in servers:
            servers[victim]()
            wait_until(self._answers, what="the stream answers")
        elif victim == "scheduler":
            engine.process.kill()
            engine.__exit__()
            return Engine(self._backfill, "--local", "2", "--retries", "100")
        else:
            unit, worker = self._chance.choice([*engine.units().items(), (0, 0)][:-1] or [(0, 0)])
            for pid in victims(victim, unit, worker):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        return engine


def again(server: NatsServer | MariaDb) -> None:
    """Kill a server, and start it again after a moment."""
    server.kill()
    time.sleep(1)
    server.start()


def victims(name: str, unit: int, worker: int) -> list[int]:
    """The processes that go; none where the slice has ended meanwhile."""
    plugins = children(unit)
    if not unit:
        return []
    return {
        "worker": [worker],
        "unit": [unit],
        "tap": plugins[:1],
        "target": plugins[1:],
        "machine": [worker, unit, *plugins],
    }[name]


def children(pid: int) -> list[int]:
    """The tap and the target of a unit."""
    with suppress(OSError):
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    return []


def judge(ids: list[int], expected: list[list[int]]) -> tuple[int, int, int]:
    """How many rows are missing and twice, and how many follow a later one of their slice."""
    times = Counter(ids)
    known = {id_ for part in expected for id_ in part}
    missing = len(known - times.keys())
    twice = sum(count - 1 for count in times.values())
    inversions = 0
    for part in expected:
        places = {id_: place for place, id_ in enumerate(part)}
        own = [places[id_] for id_ in ids if id_ in places]
        inversions += sum(later < earlier for earlier, later in pairwise(own))
    return missing, twice + len(times.keys() - known), inversions


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.soak_slices", description=__doc__.split("\n")[0])
    parser.add_argument("--slices", type=int, default=SLICES)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replicas", type=int, choices=(1, 3), default=1)
    parser.add_argument("--oracle", action="store_true", help="read from the stand-in for Oracle")
    asked = parser.parse_args()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if asked.replicas == 1:
            servers = [stack.enter_context(NatsServer(home / "nats"))]
        else:
            servers = stack.enter_context(cluster(home / "nats"))
        mariadb = new_mariadb()
        stack.callback(mariadb.remove)
        mariadb.start()
        database = stack.enter_context(new_database(mariadb))
        target = {**TARGET, "servers": ",".join(server.url for server in servers)}
        stream = FAST if asked.replicas == 1 else REPLICATED
        tap: dict[str, Any] = {"page_size": 10_000}
        oracle = stack.enter_context(StandIn()) if asked.oracle else None
        if oracle is not None:
            tap |= {"sqlalchemy_url": None, "table": None, **oracle.login}
        backfill = Backfill(home, servers[0], database.settings, target, tap, stream)
        return soak(backfill, oracle, servers, mariadb, asked)


def mirror(backfill: Backfill, oracle: StandIn) -> None:
    """Let the stand-in have the rows of the table, which stays what they are compared with."""
    rows = [
        (*list(row.values())[:4], *[f"{str(row[name])[:26]}000" for name in TIMES])
        for row in backfill.table.records()
    ]
    oracle.database.create(txlog_events()).generate(len(rows), rows.__getitem__)


def soak(
    backfill: Backfill,
    oracle: StandIn | None,
    servers: Sequence[NatsServer],
    mariadb: MariaDb,
    asked: argparse.Namespace,
) -> int:
    backfill.fill(asked.rows)
    if oracle is not None:
        mirror(backfill, oracle)
    backfill.table.execute("CREATE INDEX IX ON TXLOG_EVENTS (EVENT_TIMESTAMP, ID)")
    backfill.table.execute("PRAGMA journal_mode = WAL")
    slices = backfill.plan(asked.slices)
    expected = backfill.expected(slices)
    assert sum(map(len, expected)) == asked.rows
    tail = Tail(backfill, oracle, slices[-1]["end_date"], asked.rows + 1)
    tail.start()
    kills = Soak(backfill, servers, mariadb, asked.seed)
    try:
        seconds = kills.run(asked.rows, asked.kills)
    finally:
        tail.stop_writing()
    tail.end()
    missing, twice, inversions = judge(
        list(read_ids(backfill.server, STREAM)), [*expected, tail.ids]
    )
    status = [str(BIN / "target-nats-jetstream"), "--config", "target.json", "--status"]
    shown = subprocess.run(
        [*status, "--program", f"{PROGRAM}#%"], cwd=backfill.home, capture_output=True, check=False
    )
    print(next((line for line in shown.stdout.decode().splitlines() if "slices " in line), ""))
    print(
        f"soak: {'oracle ' if oracle else ''}replicas={asked.replicas} slices={asked.slices} "
        f"rows={asked.rows} "
        f"tail={len(tail.ids)} kills={sum(kills.kills.values())} {dict(kills.kills)} "
        f"in {seconds:.0f} s: missing={missing} twice={twice} inversions={inversions}"
    )
    return 1 if missing or twice or inversions else 0


if __name__ == "__main__":
    sys.exit(main())
