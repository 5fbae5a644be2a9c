"""The whole way on one machine: a table, Meltano, the pair, a real NATS server, and the proof.

Nothing is taken on trust: at the end the stream is read back and compared with the table, row by
row and in order. The last line says the result; the exit code is 0 only when nothing is missing or
doubled.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from demo.events import add_events, create_table, rows_in_order
from tools.servers.nats import NatsServer, Stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import sqlalchemy as sa

ROOT = Path(__file__).parents[1]
HOME = ROOT / "demo" / ".run"
MELTANO = ROOT / ".venv-meltano" / "bin" / "meltano"
STREAM = "TXLOG_STREAM"
STEPS = 6


class Steps:
    """One line a step; each appears when the step begins and gets its result when it ends."""

    def __init__(self) -> None:
        self._number = 0

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[list[str]]:
        """Announce ``text``; what the block appends to the list is the result."""
        self._number += 1
        print(f"[{self._number}/{STEPS}] {text:<46}", end=" ", flush=True)
        begin, result = time.monotonic(), list[str]()
        yield result
        print(f"{'; '.join(result)} ({time.monotonic() - begin:.1f} s)", flush=True)


def main() -> int:
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    steps = Steps()
    with steps.step("start nats-server") as told:
        server = NatsServer(HOME / "nats").start()
        told.append(server.url)
    try:
        return prove(steps, server)
    finally:
        server.stop()


def prove(steps: Steps, server: NatsServer) -> int:
    with steps.step("fill the table TXLOG_EVENTS") as told:
        engine = create_table(HOME / "events.db")
        told.append(add_events(engine, first_id=1, count=20_000))
    with steps.step("meltano run, the first load") as told:
        meltano_run(1, server)
        told.append(f"{server.messages(STREAM):,} messages in the stream")
    first = rows_in_order(engine)
    with steps.step("add rows, some of them committed late") as told:
        told.append(add_events(engine, first_id=20_001, count=500, late=40))
    with steps.step("meltano run, what is new") as told:
        before = server.messages(STREAM)
        meltano_run(2, server)
        told.append(f"{server.messages(STREAM) - before:,} more, the others were not sent again")
    with steps.step("read the stream back and compare") as told:
        known = {row["ID"] for row in first}
        expected = first + [row for row in rows_in_order(engine) if row["ID"] not in known]
        stored = server.read_stream(STREAM)
        verdict = compare(expected, stored)
        told.append(verdict.pop())
    show(engine, server, stored)
    print(f"demo: rows={len(expected)} messages={len(stored)} {verdict.pop()}")
    return 0 if verdict == ["equal"] else 1


def meltano_run(number: int, server: NatsServer) -> None:
    """Run the pair as a user would, with settings of the demo only."""
    env = os.environ | {
        "MELTANO_PROJECT_ROOT": str(ROOT),
        "MELTANO_ENVIRONMENT": "demo",
        "MELTANO_DATABASE_URI": f"sqlite:///{HOME}/meltano.db",
        "NATS_SERVERS": server.url,
        # Meltano installs the plugins by uv, which else trusts its own list of authorities only;
        # pip, which has installed everything else, asks the system.
        "UV_SYSTEM_CERTS": "1",
        # A .env file with the settings of a real pipeline may lie in the project.
        "MARIADB_HOST": "",
        "PROGRAM_NAME": "",
        "LOG_LEVEL": "",
        "MAX_RECORDS_PER_RUN": "0",
        "BATCH_SIZE": "1000",
    }
    log = HOME / f"meltano-{number}.log"
    command = [str(MELTANO), "run", "tap-oracle-txlog", "target-nats-jetstream"]
    with log.open("wb") as output:
        done = subprocess.run(command, cwd=ROOT, env=env, stdout=output, stderr=output, check=False)
    if done.returncode:
        give_up(log)


def give_up(log: Path) -> NoReturn:
    tail = log.read_text(errors="replace").splitlines()[-25:]
    print(f"\nmeltano run failed; the end of {log.relative_to(ROOT)}:\n" + "\n".join(tail))
    raise SystemExit(1)


def compare(expected: Sequence[dict[str, Any]], stored: Sequence[Stored]) -> list[str]:
    """``equal`` or not, then the counts, then a sentence: to be popped from the end."""
    payloads = [json.loads(message.data) for message in stored]
    for payload in payloads:
        payload.pop("trace_id")
        payload.pop("data_type")
    missing = len({row["ID"] for row in expected} - {payload["ID"] for payload in payloads})
    duplicates = len(payloads) - len({payload["ID"] for payload in payloads})
    is_equal = payloads == list(expected)
    sentence = "equal, row by row and in order" if is_equal else "NOT EQUAL"
    counts = f"missing={missing} duplicates={duplicates}"
    return [*(["equal"] if is_equal else []), counts, sentence]


def show(engine: sa.Engine, server: NatsServer, stored: Sequence[Stored]) -> None:
    """The stream and the row of ETL_PRMREC, as an operator would look at them."""
    import sqlalchemy as sa  # noqa: PLC0415 - after the steps that need no database

    ledger = sa.create_engine(f"sqlite:///{HOME}/ledger.db")
    with ledger.connect() as connection:
        row = connection.execute(sa.text("SELECT * FROM ETL_PRMREC")).mappings().one()
    state = server.stream_info(STREAM)["state"]
    print(f"\n  {STREAM:<22} {state['messages']:,} messages, {state['bytes'] / 2**20:.1f} MiB")
    for name in ("PROGRAM_NAME", "STATUS", "LAST_SUCCESSFUL_TIME", "RECORDS_PROCESSED"):
        print(f"  {'ETL_PRMREC.' + name:<32} {row[name]}")
    print(f"  first message: {stored[0].data.decode()[:150]}…\n")
    ledger.dispose()
    engine.dispose()


if __name__ == "__main__":
    sys.exit(main())
