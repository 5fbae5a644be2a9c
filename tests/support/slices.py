"""A backfill in slices against real servers: a table, its plan, and ``txlog-slice`` for each part.

Truth is read from nats-server and from the table, never from the code under test.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.support.events import Event, EventTable, stamp
from tests.support.pair import BIN
from tools.servers.cleaner import cleaner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tools.servers.nats import NatsServer

STREAM = "TXLOG_STREAM"
PROGRAM = "M_INTIMECASEAGENT"
SECONDS = 300
SHORTEST_WINDOW = 100_000_000  # nanoseconds: the server's own memory of ids is not what is tested

FAST = {"allow_direct": True, "allow_batched": True}


@dataclass
class Backfill:
    """Slices of one table into one stream.

    Args:
        home: A folder for configs, plan and logs.
        server: Where the messages go.
        ledger: Settings of the ledger, the same for both plugins.
        target: Other settings of the target.
        tap: Other settings of the tap.
        stream: What else the stream is, in JetStream's words.
    """

    home: Path
    server: NatsServer
    ledger: Mapping[str, Any]
    target: Mapping[str, Any] = field(default_factory=dict)
    tap: Mapping[str, Any] = field(default_factory=dict)
    stream: Mapping[str, Any] = field(default_factory=lambda: FAST)

    def __post_init__(self) -> None:
        self.table = EventTable(self.home / "events.db")
        common = {**self.ledger, "program_name": PROGRAM}
        tap = {"sqlalchemy_url": self.table.url, "table": "TXLOG_EVENTS", "page_size": 100}
        target = {
            "servers": self.server.url,
            "subject": "txlog.events.{slice}",
            "batch_size": 50,
            "checkpoint_seconds": 1,
            "dedupe_tail": 50,
        }
        self.server.add_stream(STREAM, ["txlog.>"], duplicate_window=SHORTEST_WINDOW, **self.stream)
        self.configs = {**tap, **common, **self.tap}, {**target, **common, **self.target}
        self._file("tap.json", self.configs[0])
        self._file("target.json", self.configs[1])

    def _file(self, name: str, content: Mapping[str, Any]) -> None:
        (self.home / name).write_text(json.dumps(content))

    def fill(self, rows: int, characters: int = 0) -> None:
        """Rows that get denser and denser, three of one instant each, of at least that size."""
        times = (int(80_000 * (row // 3 * 3 / rows) ** 0.3) for row in range(rows))
        data = (f"row {row}".ljust(characters) for row in range(rows))
        made = zip(range(rows), map(stamp, times), data, strict=True)
        self.table.add(*(Event(*one) for one in made))

    def plan(self, count: int, *options: str) -> list[dict[str, str]]:
        """Make the plan; its slices."""
        command = [
            str(BIN / "tap-oracle-txlog"),
            "--config",
            "tap.json",
            "--plan-slices",
            str(count),
        ]
        done = subprocess.run([*command, *options], cwd=self.home, capture_output=True, check=True)
        (self.home / "plan.json").write_bytes(done.stdout)
        slices: list[dict[str, str]] = json.loads(done.stdout)["slices"]
        return slices

    def start(
        self, index: int | None, *options: str, env: Mapping[str, str] | None = None
    ) -> Slice:
        """Start ``txlog-slice`` with its own process group."""
        place = [] if index is None else [str(index)]
        command = [str(BIN / "txlog-slice"), "plan.json", *place, "--tap-config", "tap.json"]
        command += ["--target-config", "target.json", *options]
        log = self.home / f"slice-{index}.log"
        environment = {
            **os.environ,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            **(env or {}),
        }
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=self.home,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return Slice(process, log)

    def messages(self, part: int | str = "*") -> int:
        """How many the stream has: of all subjects, of one slice, of the ``tail``."""
        name = f"{part:04d}" if isinstance(part, int) else part
        wanted = "txlog.>" if part == "*" else f"txlog.events.{name}"
        info = self.server.api(f"STREAM.INFO.{STREAM}", {"subjects_filter": wanted})
        subjects: dict[str, int] = info["state"].get("subjects") or {}
        return sum(subjects.values())

    def stored(self) -> dict[str, list[int]]:
        """The ids in the stream, by subject and in order."""
        found: dict[str, list[int]] = {}
        for message in self.server.read_stream(STREAM):
            found.setdefault(message.subject, []).append(json.loads(message.data)["ID"])
        return found

    def expected(self, slices: Iterable[Mapping[str, str]]) -> list[list[int]]:
        """The ids of each slice, as the table orders them."""
        where = "EVENT_TIMESTAMP >= '{}' AND EVENT_TIMESTAMP < '{}'"
        bounds = (
            [one[name].replace("T", " ")[:26] for name in ("start_date", "end_date")]
            for one in slices
        )
        return [
            [int(str(row["ID"])) for row in self.table.records(where.format(*pair))]
            for pair in bounds
        ]


class Slice:
    """A unit at work; leaving the block kills it and its plugins."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        cleaner().started(-process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_all()

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def end(self) -> int:
        return self.process.wait(SECONDS)

    def plugins(self) -> dict[str, int]:
        """The processes of tap and target, as far as they run."""
        found = {}
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        with suppress(OSError):
            for pid in map(int, children.read_text().split()):
                line = Path(f"/proc/{pid}/cmdline").read_text()
                name = next((n for n in ("tap_oracle", "target-nats") if n in line), "")
                found[name.partition("_")[0].partition("-")[0]] = pid
        return found

    def kill(self, victim: str) -> None:
        """SIGKILL for the ``unit`` alone, the ``tap`` or the ``target``, if it still runs."""
        pid = self.process.pid if victim == "unit" else self.plugins().get(victim)
        with suppress(ProcessLookupError):
            if pid is not None and self.process.poll() is None:
                os.kill(pid, signal.SIGKILL)

    def kill_all(self) -> None:
        """The unit with its plugins, as when a machine is lost."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(SECONDS)
        if self.process.stdin:
            self.process.stdin.close()
        cleaner().ended(-self.process.pid)


def check_exact(found: Mapping[str, list[int]], expected: Iterable[list[int]]) -> None:
    """Each slice is in its own subject: nothing is missing, twice or out of order."""
    for index, ids in enumerate(expected):
        own = found.get(f"txlog.events.{index:04d}", [])
        twice = [id_ for id_, times in Counter(own).items() if times > 1]
        assert not twice, f"slice {index}: {len(twice)} rows twice, such as {twice[:5]}"
        missing = sorted(set(ids) - set(own))
        assert not missing, f"slice {index}: {len(missing)} rows missing, such as {missing[:5]}"
        inversions = sum(later < earlier for earlier, later in pairwise(map(ids.index, own)))
        assert not inversions, f"slice {index}: {inversions} rows out of order"
        assert own == ids
