"""What the image does, in a container: installed as the Dockerfile says, and started by it."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from demo.events import add_events, create_table, rows_in_order
from tests.deploy.container import USER, Container, stages
from tests.run import ROOT
from tools.servers.ports import free_port
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import sqlalchemy as sa

    from tests.deploy.container import Running, Stage
    from tools.servers.nats import NatsServer

pytestmark = pytest.mark.timeout(1800)
STREAM = "TXLOG_STREAM"
STAGES = stages()


class Machine:
    """Where containers run: a source, a ledger and a stream of their own."""

    def __init__(self, home: Path, image: Path, server: NatsServer) -> None:
        self.data = home / "data"
        self.data.mkdir()
        self.events: sa.Engine = create_table(self.data / "events.db")
        self.server = server
        folders = {"txlog": image / "txlog", "project": image / "project", "data": self.data}
        folders["meltano"] = ROOT / ".venv-meltano"
        self._pair = Container(folders, writable=("data",))
        self._meltano = Container(folders, writable=("data", "tmp"))
        self._logs = (home / f"log{number}" for number in count())

    def start(self, **env: str) -> Running:
        """The image of the pair; ``env`` in place of the settings here."""
        stage = STAGES["pair"]
        return self._pair.start(stage.entrypoint, self._env(stage, env), next(self._logs))

    def start_meltano(self, **env: str) -> Running:
        """The image with Meltano, whose environment has another place on this machine."""
        stage = STAGES["meltano"]
        name, *arguments = stage.entrypoint + stage.cmd
        command = ["/opt/meltano/bin/python", f"/opt/meltano/bin/{name}", *arguments]
        return self._meltano.start(command, self._env(stage, env), next(self._logs), stage.cwd)

    def _env(self, stage: Stage, env: Mapping[str, str]) -> dict[str, str]:
        for file in (self.data, *self.data.iterdir()):
            os.chown(file, USER, USER)
        ledger = "sqlite:////opt/data/ledger.db"
        settings = {
            "TAP_ORACLE_TXLOG_SQLALCHEMY_URL": "sqlite:////opt/data/events.db",
            "TAP_ORACLE_TXLOG_TABLE": "TXLOG_EVENTS",
            "TAP_ORACLE_TXLOG_LEDGER_URL": ledger,
            "TARGET_NATS_JETSTREAM_LEDGER_URL": ledger,
            "TARGET_NATS_JETSTREAM_LEDGER_CREATE_TABLE": "true",
            "TARGET_NATS_JETSTREAM_SERVERS": self.server.url,
            "TARGET_NATS_JETSTREAM_CREATE_STREAM": "if_missing",
        }
        return {"HOME": "/opt/txlog", **stage.env, **settings, **env}

    def stored(self) -> list[dict[str, Any]]:
        """The records in the stream, without what the target adds."""
        records = [json.loads(message.data) for message in self.server.read_stream(STREAM)]
        added = {"trace_id", "data_type"}
        return [{k: v for k, v in one.items() if k not in added} for one in records]

    def ledger(self) -> dict[str, Any]:
        connection = sqlite3.connect(self.data / "ledger.db")
        connection.row_factory = sqlite3.Row
        row = connection.execute("SELECT * FROM ETL_PRMREC").fetchone()
        connection.close()
        return dict(row)

    def close(self) -> None:
        self.events.dispose()
        self._pair.close()
        self._meltano.close()


@pytest.fixture
def machine(tmp_path: Path, image: Path, nats_server: NatsServer) -> Iterator[Machine]:
    one = Machine(tmp_path, image, nats_server)
    yield one
    one.close()


def test_the_image_is_started_as_a_user_without_a_name_and_without_a_shell() -> None:
    for name in ("pair", "meltano"):
        assert STAGES[name].user == f"{USER}:{USER}"
        assert STAGES[name].entrypoint
    assert [*STAGES][-1] == "pair"  # what is built without --target


def test_a_container_goes_on_where_the_last_one_ended(machine: Machine) -> None:
    add_events(machine.events, first_id=1, count=1_000)
    first = machine.start()
    assert first.end() == 0, first.log
    assert machine.stored() == rows_in_order(machine.events)
    assert machine.ledger()["STATUS"] == "SUCCESS"
    add_events(machine.events, first_id=1_001, count=50, late=10)
    second = machine.start()
    assert second.end() == 0, second.log
    assert "read=50 published=50 duplicates=0" in second.log
    assert len(machine.stored()) == 1_050


def test_it_ends_by_sigterm_after_the_last_checkpoint(machine: Machine) -> None:
    """No checkpoint is due before the signal: so what the ledger knows was saved after it."""
    add_events(machine.events, first_id=1, count=500)
    running = machine.start(
        TAP_ORACLE_TXLOG_POLL_INTERVAL_SECONDS="0.2",
        TARGET_NATS_JETSTREAM_CHECKPOINT_SECONDS="3600",
    )
    running.until_logged("progress is kept in")
    wait_until(lambda: machine.server.messages(STREAM) == 500, what="500 messages")
    assert machine.ledger()["LAST_SUCCESSFUL_TIME"] is None
    running.signal(signal.SIGTERM)
    assert running.end() == 128 + signal.SIGTERM, running.log
    assert machine.ledger()["LAST_SUCCESSFUL_TIME"] is not None
    again = machine.start()
    assert again.end() == 0, again.log
    assert "done: nothing new since" in again.log
    assert len(machine.stored()) == 500


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"TAP_ORACLE_TXLOG_PAGE_SIZE": "ten"}, 2, "setting `page_size`"),
        ({"TAP_ORACLE_TXLOG_SQLALCHEMY_URL": ""}, 4, "cannot reach Oracle"),
        ({"TARGET_NATS_JETSTREAM_SERVERS": "nats://{unused}"}, 4, "cannot reach NATS"),
    ],
)
def test_it_ends_with_the_code_of_what_went_wrong_first(
    settings: dict[str, str], code: int, words: str, machine: Machine
) -> None:
    unused = f"127.0.0.1:{free_port()}"
    add_events(machine.events, first_id=1, count=5)
    running = machine.start(
        TAP_ORACLE_TXLOG_DSN=f"{unused}/NONE",
        TAP_ORACLE_TXLOG_USER="U",
        TAP_ORACLE_TXLOG_PASSWORD="P",
        TAP_ORACLE_TXLOG_MAX_RETRIES="0",
        TARGET_NATS_JETSTREAM_CONNECT_TIMEOUT="1",
        **{name: value.format(unused=unused) for name, value in settings.items()},
    )
    assert running.end() == code, running.log
    assert words in running.log


def test_meltano_writes_to_tmp_only(machine: Machine) -> None:
    add_events(machine.events, first_id=1, count=1_200)
    running = machine.start_meltano()
    assert running.end() == 0, running.log
    assert machine.stored() == rows_in_order(machine.events)
    assert re.search("read=1200 published=1200", running.log)
