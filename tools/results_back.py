"""``make results-back``: whether nats-sinks loses or changes an answer on its way into Oracle.

Real are nats-sinks, python-oracledb and nats-server; Oracle is the stand-in, which takes the MERGE
of ``examples/results-back`` by its text and keeps a row for each MESSAGE_ID. The sink is killed
(``kill -9``) while it sends rows, at COMMIT, and after its acknowledgements. nats-server is killed
and Oracle's sessions are dropped as well. Then the table is compared with what was published.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.oracle_stand_in import faults
from tools.oracle_stand_in.server import StandIn
from tools.servers.nats import NatsServer
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from nats.aio.client import Client

    from tools.oracle_stand_in.messages import Bind

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples/results-back"
BIN = ROOT / ".venv-results-back/bin"
STREAM, CONSUMER = "RESULTS", "oracle-results"
ANSWERS_A_ROUND, LAST, TIMED = 200, 500, 2000
SQL = """
import json, sys
from nats_sinks.oracle.sink import OracleSink
sink = OracleSink.from_mapping(json.load(open(sys.argv[1]))["sink"])
print(sink._write_sql_for_policy(sink._policy_for_subject("results.x")).sql)
"""


@dataclass
class ResultsTable:
    """What MERGE keeps, by MESSAGE_ID, and how often it met a row that was there."""

    rows: dict[str, str] = field(default_factory=dict)
    met: Counter[str] = field(default_factory=Counter)

    def merge(self, binds: tuple[Bind, ...]) -> None:
        row = {bind.name: bind.value for bind in binds}
        key = str(row["message_id"])
        if key in self.rows:
            self.met[key] += 1
        else:
            self.rows[key] = str(row["payload_json"])


@dataclass
class Sink:
    """The command, which is started again whenever it has ended."""

    config: Path
    password: str
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        env = os.environ | {"ORACLE_RESULTS_PASSWORD": self.password}
        command = [str(BIN / "nats-sink"), "run", str(self.config)]
        log = (self.config.parent / "sink.log").open("ab")
        self.process = subprocess.Popen(
            command, cwd=self.config.parent, env=env, stdout=log, stderr=log
        )
        log.close()

    @property
    def cpu_seconds(self) -> float:
        """User and system time so far, which a busy machine leaves as it is."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)

    def ended(self) -> None:
        """Wait for the end of the one that was killed."""
        assert self.process is not None
        self.process.wait(120)


def publish(server: NatsServer, begin: int, end: int) -> None:
    """Answers with these numbers; each hundredth is published twice, with the same id."""

    async def ask(client: Client) -> None:
        stream = client.jetstream()
        for number in range(begin, end):
            for time_ in range(1 + (number % 100 == 0)):
                headers = {"Nats-Msg-Id": f"answer:{number}"}
                if time_:
                    await asyncio.sleep(0.12)  # until the window of the stream has passed
                await stream.publish("results.scored", content(number).encode(), headers=headers)

    server.run(ask)


def content(number: int) -> str:
    return json.dumps({"id": number, "score": number % 7}, separators=(",", ":"), sort_keys=True)


def left(server: NatsServer) -> int:
    """Messages that the sink has not acknowledged yet."""
    found = server.api(f"CONSUMER.INFO.{STREAM}.{CONSUMER}")
    if "error" in found:
        return server.messages(STREAM)
    return int(found["num_pending"]) + int(found["num_ack_pending"])


def configured(folder: Path, server: NatsServer, oracle: StandIn) -> Path:
    """The settings of the example, with the servers of this trial and little patience."""
    config: dict[str, Any] = json.loads((EXAMPLE / "sink.json").read_text())
    config["nats"]["url"] = server.url
    config["nats"]["reconnect_time_wait_seconds"] = 0
    config["consumer_management"]["ack_wait_seconds"] = 10
    config["delivery"]["batch_size"] = 50
    config["delivery"]["retry_backoff_max_ms"] = 1000
    config["sink"] |= {"dsn": oracle.dsn, "user": oracle.user}
    path = folder / "sink.json"
    path.write_text(json.dumps(config))
    return path


def strike(kind: int, sink: Sink, server: NatsServer, oracle: StandIn, nth: int) -> None:
    """Arrange for what happens in a round, and wait until the sink is dead."""
    if kind == 0:
        oracle.faults.set("execute", faults.run(sink.kill), statement="change", nth=nth)
    elif kind == 1:
        oracle.faults.set("commit", faults.run(sink.kill), nth=nth)
    else:
        pending = left(server)
        wait_until(lambda: left(server) < pending, what="an acknowledgement")
        sink.kill()
    sink.ended()


def trial(kills: int, folder: Path) -> int:
    table = ResultsTable()
    with NatsServer(folder / "nats") as server, StandIn() as oracle:
        server.add_stream(STREAM, ["results.>"], duplicate_window=100_000_000)
        server.add_stream("RESULTS_DLQ", ["results_dlq.>"])
        sink = Sink(configured(folder, server, oracle), oracle.password)
        oracle.accept(statement(sink), table.merge)
        oracle.accept("alter session disable parallel dml", lambda _: None)
        try:
            killed(kills, sink, server, oracle)
            rate = undisturbed(kills, sink, server, oracle)
        finally:
            sink.kill()
            sink.ended()
        return judge(kills, table, rate, server, oracle)


def statement(sink: Sink) -> str:
    """The MERGE that the sink makes of its settings."""
    env = os.environ | {"ORACLE_RESULTS_PASSWORD": sink.password}
    command = [str(BIN / "python"), "-c", SQL, str(sink.config)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


def killed(kills: int, sink: Sink, server: NatsServer, oracle: StandIn) -> None:
    """Rounds, each of which ends with the sink's death, and each tenth with that of the server."""
    chance = random.Random(1)
    for number in range(kills):
        publish(server, number * ANSWERS_A_ROUND, (number + 1) * ANSWERS_A_ROUND)
        sink.start()
        strike(number % 3, sink, server, oracle, chance.choice([1, 2]))
        if number % 10 == 9:
            server.kill()
            server.start()


def undisturbed(kills: int, sink: Sink, server: NatsServer, oracle: StandIn) -> str:
    """The rest, with connections to Oracle that are lost at first; how fast a last load was."""
    sink.start()
    for nth in (1, 3, 5):
        oracle.faults.set("commit", faults.drop(), nth=nth)
    wait_until(lambda: left(server) == 0, seconds=300, what="the rest")
    begin = kills * ANSWERS_A_ROUND
    publish(server, begin, begin + LAST)
    wait_until(lambda: left(server) == 0, seconds=300, what="the last load")
    sink.kill()
    sink.ended()
    publish(server, begin + LAST, begin + LAST + TIMED)
    sink.start()
    wait_until(lambda: left(server) < TIMED, what="the first of the timed load")
    before, began, cpu = left(server), time.monotonic(), sink.cpu_seconds
    wait_until(lambda: left(server) == 0, seconds=300, what="the timed load")
    seconds, cpu = time.monotonic() - began, sink.cpu_seconds - cpu
    return f"{before / seconds:.0f} rows/s, {1000 * cpu / before:.1f} CPU s for 1,000 rows"


def judge(kills: int, table: ResultsTable, rate: str, server: NatsServer, oracle: StandIn) -> int:
    expected = {f"answer:{n}": content(n) for n in range(kills * ANSWERS_A_ROUND + LAST + TIMED)}
    missing = len(expected.keys() - table.rows.keys())
    changed = sum(table.rows[key] != expected.get(key) for key in table.rows)
    letters = server.messages("RESULTS_DLQ")
    again = table.met.total() - (server.messages(STREAM) - len(expected))
    print(
        f"results-back: kills={kills} answers={len(expected)} rows={len(table.rows)} "
        f"missing={missing} changed={changed} dead_letters={letters} "
        f"delivered_again={again} undisturbed: {rate}"
    )
    told = [*oracle.trouble, *oracle.unmatched]
    sys.stderr.writelines(f"{line}\n" for line in told)
    return int(bool(missing or changed or letters or told))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=30)
    with tempfile.TemporaryDirectory() as name:
        sys.exit(trial(parser.parse_args().kills, Path(name)))
