"""Who takes part, and the commands by which each of them moves the table into the stream.

The pair is driven by its public commands and settings only, all at their defaults but for where
things are. A contender's ``prepare`` is not measured.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.processes import Command
from bench.results import BENCH_PYTHON, ROOT
from bench.table import NAME
from tools.meltano_run import MELTANO, PAIR, RUN, MeltanoProject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tools.servers.nats import NatsServer


BIN = Path(sys.executable).parent

STREAM, SUBJECT = "TXLOG_STREAM", "txlog.events"
V7 = "V7 loop"


@dataclass(frozen=True)
class Place:
    """Where one run happens: a folder of its own, the table, and NATS."""

    home: Path
    table: Path
    server: NatsServer

    def write(self, name: str, content: object) -> str:
        path = self.home / name
        path.write_text(json.dumps(content))
        return str(path)


@dataclass(frozen=True)
class Contender:
    """A way from the table to the stream.

    Attributes:
        ours: Whether it is the pair, whose failure is a failure of the benchmark.
        profiled: Whether PROFILE=1 looks at its processes.
        missing: Why it cannot take part, empty if it can.
    """

    name: str
    prepare: Callable[[Place], Sequence[Command]]
    ours: bool = False
    profiled: bool = False
    missing: Callable[[], str] = str


def tap_config(place: Place) -> dict[str, Any]:
    return {"sqlalchemy_url": f"sqlite:///{place.table}", "table": NAME}


def target_config(place: Place) -> dict[str, Any]:
    ledger = f"sqlite:///{place.home}/ledger.db"
    return {"servers": place.server.url, "stream": STREAM, "subject": SUBJECT, "ledger_url": ledger}


def tap_command(place: Place, **settings: object) -> Command:
    config = place.write("tap.json", tap_config(place) | settings)
    return Command("tap", [str(BIN / "tap-oracle-txlog"), "--config", config])


def oracle_tap_command(place: Place, login: Mapping[str, Any]) -> Command:
    config = place.write("tap-oracle.json", login)
    return Command("tap", [str(BIN / "tap-oracle-txlog"), "--config", config])


def target_command(place: Place, **settings: object) -> Command:
    config = place.write("target.json", target_config(place) | settings)
    return Command("target", [str(BIN / "target-nats-jetstream"), "--config", config])


def piped(place: Place) -> list[Command]:
    return [tap_command(place), target_command(place)]


def by_batch(compression: str) -> Callable[[Place], list[Command]]:
    def prepare(place: Place) -> list[Command]:
        files = place.home / "files"
        files.mkdir()
        batch_config = {
            "encoding": {"format": "jsonl", "compression": compression},
            "storage": {"root": files.as_uri()},
        }
        return [
            tap_command(place, batch_config=batch_config),
            target_command(place, batch_config=batch_config),
        ]

    return prepare


def by_meltano(place: Place) -> list[Command]:
    """``meltano run`` in a project whose database exists, as that of any run but the very first."""
    home = place.home / "project"
    home.mkdir()
    project = MeltanoProject(home, {PAIR[0]: tap_config(place), PAIR[1]: target_config(place)})
    made = project.command("state", "list")
    assert made.returncode == 0, made.stderr
    roles = dict(zip((f"/{name}" for name in PAIR), ("tap", "target"), strict=True))
    return [Command("meltano", [str(MELTANO), *RUN, *PAIR], roles, project.env, home)]


def plain_tap(place: Place) -> Command:
    config = place.write("plain-tap.json", {"path": str(place.table)})
    return Command(
        "tap", [sys.executable, "-m", "bench.plain.tap", "--config", config], folder=ROOT
    )


def plain_target(place: Place) -> Command:
    config = place.write("plain-target.json", {"servers": place.server.url, "subject": SUBJECT})
    command = [sys.executable, "-m", "bench.plain.target", "--config", config]
    return Command("target", command, folder=ROOT)


def plain(place: Place) -> list[Command]:
    return [plain_tap(place), plain_target(place)]


def v7(place: Place) -> list[Command]:
    ledger = str(place.home / "ledger.db")
    arguments = [str(place.table), place.server.url, SUBJECT, ledger]
    return [Command("loop", [sys.executable, "-m", "bench.v7", *arguments], folder=ROOT)]


def bridge(place: Place) -> list[Command]:
    arguments = [str(place.table), place.server.url, STREAM, SUBJECT, str(place.home)]
    script = str(Path(__file__).with_name("bridge.py"))
    return [Command("bridge", [str(BENCH_PYTHON), script, *arguments])]


def bridge_is_missing() -> str:
    module = ROOT.glob(".venv-bench/lib/python*/site-packages/mq_bridge")
    return "" if any(module) else "mq-bridge is not in .venv-bench, pip could not install it"


CONTENDERS = (
    Contender("pair, piped", piped, ours=True, profiled=True),
    Contender("pair, meltano run", by_meltano, ours=True),
    Contender("pair, BATCH files", by_batch("none"), ours=True, profiled=True),
    Contender("pair, BATCH gzip", by_batch("gzip"), ours=True),
    Contender("plain SDK pair", plain),
    Contender("mq-bridge", bridge, missing=bridge_is_missing),
    Contender(V7, v7),
)
