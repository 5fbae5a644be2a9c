"""``make soak-verify``: compare a table with its stream again and again, while both are written.

    python -m tests.soak_verify [--runs 1000] [--seed 1]

A writer adds rows to a table in SQLite without a pause, some of them up to three seconds late. A
pair follows it into a stream, and is killed now and then: its tap, its target, or both. At the same
time ``tap | target --verify`` compares table and stream, by records and by digests in turn. What it
says to be different is a false finding. In the end a message is removed, which both ways have to
find. Exit code 1 if there was a false finding, or if that message was not found to be missing.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from tests.support.events import EventTable
from tests.support.forking import ForkServer
from tests.support.pair import Pair
from tests.support.verified import Comparing
from tools.servers.nats import NatsServer
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.pair import RunningPair
    from tests.support.verified import Verdict

STREAM = "TXLOG_STREAM"
RUNS: Final = 1000
LATEST: Final = 3.0
"""How much later than its own time a row may be committed (seconds)."""
LOOKBACK: Final = 10
"""More than that, so that no row is lost to a busy machine."""
OLD: Final = 200
"""Rows that are there before all others, so that there is something to compare at once."""
PAUSE: Final = 0.04
KILL_EVERY: Final = 12
"""One comparison in so many has a kill beside it."""
WAYS: Final = {"records": ((), "-90s"), "digests": (("--digest", "10s"), "-10m")}
"""More options of the tap, and since when rows are compared."""
TOLD_EVERY: Final = 100
VICTIMS: Final = ("tap", "target", "both")
TIME: Final = "%Y-%m-%d %H:%M:%S.%f"
EVENT: Final = "INSERT INTO TXLOG_EVENTS VALUES (?, ?, 'PAID', 'soak', ?, ?)"
MODULES: Final = (
    (
        *("tap_oracle_txlog.__main__", "tap_oracle_txlog.tap", "sqlalchemy.dialects.sqlite"),
        "tap_oracle_txlog.sqlalchemy.source",
    ),
    (
        *("target_nats_jetstream.__main__", "target_nats_jetstream.target"),
        *("target_nats_jetstream.verify.verification", "sqlalchemy.dialects.sqlite"),
    ),
)


class Writer:
    """Adds rows from a thread of its own; leaving the block ends it."""

    def __init__(self, table: EventTable, chance: random.Random) -> None:
        self.rows = 0
        self._path = table.path
        self._chance = chance
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _write(self) -> None:
        with closing(sqlite3.connect(self._path, timeout=60)) as connection:
            while not self._ended.wait(PAUSE):
                count = self._chance.randint(1, 4)
                with connection:
                    connection.executemany(EVENT, map(self._row, range(count)))
                self.rows += count

    def _row(self, number: int) -> tuple[object, ...]:
        late = self._chance.choice((0.0, self._chance.uniform(0, LATEST)))
        at = f"{datetime.now(UTC) - timedelta(seconds=late):{TIME}}"
        row = self.rows + number + 1
        return row, f"C{row % 7}", at, at


class Tail:
    """The pair that follows the table, and what becomes of it."""

    def __init__(self, pair: Pair, chance: random.Random) -> None:
        self.kills: Counter[str] = Counter()
        self._pair = pair
        self._chance = chance
        self._running = pair.start()

    def keep(self) -> None:
        """Start it again if one of them has ended, as a supervisor does."""
        if self._running.tap.poll() is not None or self._running.target.poll() is not None:
            self._running.kill()
            self._running = self._pair.start()

    def strike(self) -> None:
        """Kill one of them, or both, at whatever they are."""
        victim = self._chance.choice(VICTIMS)
        self.kills[victim] += 1
        running: RunningPair = self._running
        for name, process in (("tap", running.tap), ("target", running.target)):
            if victim in {name, "both"}:
                process.kill()

    def end(self) -> None:
        self._running.kill()


class Soak:
    """The comparisons, and what they have said.

    Args:
        home: A folder for all files.
        server: Where the stream is.
        seed: Of the rows, the moments and the victims.
    """

    def __init__(self, home: Path, server: NatsServer, seed: int) -> None:
        self.findings = 0
        self.equal = Counter[str]()
        self.server = server
        self._home = home
        self._chance = random.Random(seed)
        self.table = EventTable(home / "events.db")
        self.table.execute("CREATE INDEX IX ON TXLOG_EVENTS (EVENT_TIMESTAMP, ID)")
        self.table.execute("PRAGMA journal_mode = WAL")
        self._start = datetime.now(UTC) - timedelta(seconds=OLD / 2 + LOOKBACK)
        ats = [f"{self._start + timedelta(seconds=n / 2):{TIME}}" for n in range(1, OLD + 1)]
        rows = ((-n, "OLD", at, at) for n, at in enumerate(ats, 1))
        self.table.execute_with(EVENT, *rows)
        ledger = {"ledger_url": f"sqlite:///{home}/ledger.db", "program_name": "SOAK"}
        self._tap: dict[str, Any] = {
            "sqlalchemy_url": self.table.url,
            "table": "TXLOG_EVENTS",
            **ledger,
        }
        self._tap |= {"late_commit_strategy": "lookback", "lookback_seconds": LOOKBACK}
        self._target: dict[str, Any] = {
            "servers": server.url,
            "create_stream": "if_missing",
            **ledger,
        }
        self._target |= {"checkpoint_seconds": 1}

    @contextmanager
    def tail(self) -> Iterator[Tail]:
        """The pair at work, with something in its stream and in its ledger."""
        follow = {"poll_interval_seconds": 0.2, "state_from_ledger": True}
        pair = Pair(self._home, {**self._tap, **follow}, self._target)
        tail = Tail(pair, random.Random(self._chance.random()))
        try:
            wait_until(lambda: len(pair.states) > 1, what="the tail is at work")
            yield tail
        finally:
            tail.end()

    def run(self, runs: int, forks: tuple[ForkServer, ForkServer]) -> tuple[int, Counter[str]]:
        """Compare so many times; how many rows were written meanwhile, and the kills."""
        chance = random.Random(self._chance.random())
        with self.tail() as tail, Writer(self.table, chance) as writer:
            for number, way in enumerate(islice(cycle(WAYS), runs), 1):
                tail.keep()
                comparing = self._compare(way, forks)
                if number % KILL_EVERY == 0:
                    time.sleep(self._chance.uniform(0, 0.3))  # the moment of the kill is random
                    tail.strike()
                self._judge(comparing.verdict(), way)
                if number % TOLD_EVERY == 0:
                    print(f"{number} runs: {self.findings} false findings", flush=True)
            rows = writer.rows
        return rows, tail.kills

    def _compare(
        self, way: str, forks: tuple[ForkServer, ForkServer], since: str | None = None
    ) -> Comparing:
        options, latest = WAYS[way]
        asked = (*options, "--from", since or latest)
        return Comparing(self._home / "verified", self._tap, self._target, *asked, plugins=forks)

    def _judge(self, verdict: Verdict, way: str) -> None:
        """Equal, or nothing that the pipeline has come to: all else is a false finding."""
        self.equal[way] += verdict.is_equal
        nothing = verdict.out.endswith("verify: nothing to compare\n")
        if not verdict.is_equal and not (verdict.codes == (0, 0) and nothing):
            self.findings += 1
            print(f"{way}: {verdict.codes}\n{verdict.out}{verdict.log[-3000:]}")

    def finds_what_is_removed(self, forks: tuple[ForkServer, ForkServer]) -> bool:
        """Remove one of the old messages, but not the first, as limits do; whether both ways miss
        it.
        """
        answer = self.server.api(f"STREAM.MSG.DELETE.{STREAM}", {"seq": OLD // 2})
        assert answer.get("success"), answer
        since = f"{self._start:%Y-%m-%dT%H:%M:%S}"
        verdicts = [self._compare(way, forks, since).verdict() for way in WAYS]
        return [verdict.codes for verdict in verdicts] == [(0, 5), (0, 5)]


@contextmanager
def fork_servers() -> Iterator[tuple[ForkServer, ForkServer]]:
    """Of the tap and the target: a second of imports for each comparison would be most of it."""
    with ExitStack() as stack:
        tap, target = (ForkServer(*modules) for modules in MODULES)
        stack.callback(tap.close)
        stack.callback(target.close)
        yield tap, target


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.soak_verify", description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as home, NatsServer(Path(home) / "nats") as server:
        with fork_servers() as forks:
            soak = Soak(Path(home), server, asked.seed)
            rows, kills = soak.run(asked.runs, forks)
            is_found = soak.finds_what_is_removed(forks)
        messages = server.messages(STREAM)
    print(
        f"soak: runs={asked.runs} equal={dict(soak.equal)} rows={rows} messages={messages} "
        f"kills={kills.total()} {dict(kills)} in {time.monotonic() - begun:.0f} s: "
        f"false findings={soak.findings}, removed message "
        f"{'found' if is_found else 'not found'} by records and digests"
    )
    return 0 if is_found and all(soak.equal[way] for way in WAYS) and not soak.findings else 1


if __name__ == "__main__":
    sys.exit(main())
