"""Every contender moves the same table into a fresh server, in turns; the stream tells the truth.

A round has each contender once and the V7 loop twice, at its beginning and its end: how far these
two are apart is what a difference has to exceed to mean anything. Every second round goes
backwards.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from bench.contenders import CONTENDERS, STREAM, SUBJECT, V7, Contender, Place
from bench.processes import RunFailedError, cpu_of, peak_megabytes, run_pipeline
from bench.truth import Truth, compare, read_ids
from tools.servers.nats import NatsServer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

SECONDS_A_ROW = 1 / 500
SECONDS_AT_LEAST = 60
SERVER = "nats-server"


@dataclass(frozen=True)
class Run:
    """One contender in one round; ``truth`` is None where it failed or is missing.

    Attributes:
        problem: Why it failed or is missing.
        load: The machine's load when it began, that of the run before included.
        cpu: CPU seconds by role.
        megabytes: Peaks of the resident memory by role.
    """

    contender: str
    round: int
    problem: str = ""
    load: float = 0
    seconds: float = 0
    cpu: dict[str, float] = field(default_factory=dict)
    megabytes: dict[str, float] = field(default_factory=dict)
    truth: Truth | None = None

    @property
    def verdict(self) -> str:
        """What was wrong, empty where the rate counts."""
        if self.truth is None:
            return self.problem
        return "" if self.truth.exact else f"invalid: {self.truth}"

    @property
    def client_cpu(self) -> float:
        return sum(seconds for role, seconds in self.cpu.items() if role != SERVER)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


def turns(rounds: int, names: Collection[str] = ()) -> Iterator[tuple[int, Contender]]:
    """The rounds and who runs in them, in order; V7 always runs."""
    chosen = [c for c in CONTENDERS if c.name != V7 and (not names or c.name in names)]
    loop = next(c for c in CONTENDERS if c.name == V7)
    for number in range(1, rounds + 1):
        for contender in (loop, *chosen[:: 1 if number % 2 else -1], loop):
            yield number, contender


@contextmanager
def fresh_server(home: Path, table: Path) -> Iterator[Place]:
    """A server with an empty stream, and a place for a run beside it."""
    with NatsServer(home / "nats") as server:
        server.add_stream(
            STREAM, [SUBJECT], allow_direct=True, allow_atomic=True, allow_batched=True
        )
        yield Place(home, table, server)


def measure(
    contender: Contender, number: int, table: Path, order: Sequence[int], home: Path
) -> Run:
    """One run in the new folder ``home``, which is gone afterwards."""
    if reason := contender.missing():
        return Run(contender.name, number, f"missing: {reason}")
    home.mkdir()
    load = os.getloadavg()[0]
    deadline = SECONDS_AT_LEAST + len(order) * SECONDS_A_ROW
    try:
        with fresh_server(home, table) as place:
            commands, server = contender.prepare(place), place.server
            cpu_before = cpu_of([server.pid])
            usage = run_pipeline(commands, output=home / "out", log=home / "log", seconds=deadline)
            cpu = {role: use.cpu for role, use in usage.by_role.items()}
            megabytes = {role: use.megabytes for role, use in usage.by_role.items()}
            cpu[SERVER] = cpu_of([server.pid]) - cpu_before
            megabytes[SERVER] = peak_megabytes(server.pid)
            truth = compare(read_ids(server, STREAM), order)
    except RunFailedError as error:
        return Run(contender.name, number, f"failed: {error}")
    finally:
        shutil.rmtree(home)
    return Run(contender.name, number, "", load, usage.seconds, cpu, megabytes, truth)
