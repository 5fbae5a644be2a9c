"""The pair under a real ``meltano run``, from Oracle's protocol to a real JetStream."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tap_oracle_txlog.rules.timestamps import instant, plus
from tests.support.verified import assert_verified
from tools.meltano_run import MeltanoProject
from tools.oracle_stand_in.events import event

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tools.oracle_stand_in.server import StandIn
    from tools.servers.nats import NatsServer

pytestmark = pytest.mark.timeout(1800)
STREAM = "TXLOG_STREAM"


@pytest.fixture
def project(tmp_path: Path, oracle: StandIn, nats_server: NatsServer) -> MeltanoProject:
    return MeltanoProject(
        tmp_path,
        {
            "tap-oracle-txlog": oracle.login | {"page_size": 100},
            "target-nats-jetstream": {
                "servers": nats_server.url,
                "create_stream": "if_missing",
                "ledger_url": f"sqlite:///{tmp_path}/ledger.db",
            },
        },
    )


def published(server: NatsServer) -> list[tuple[int, str | None]]:
    """Id and payload of each message, in the order of the stream."""
    rows = [json.loads(message.data) for message in server.read_stream(STREAM)]
    return [(row["ID"], row["EVENT_DATA"]) for row in rows]


def rows(ids: Iterable[int], minute: int) -> list[tuple[Any, ...]]:
    """Three to an instant; every tenth has a payload of 40 kB, every seventh none."""
    payload = json.dumps({"note": "façade 結案 " * 2_500}, ensure_ascii=False)
    data = {0: payload, 7: None}
    return [
        event(id_, f"2026-01-01T12:{minute:02}:{id_ // 3 % 60:02}.123456", data.get(id_ % 10, "{}"))
        for id_ in ids
    ]


def test_each_run_publishes_what_is_new_and_what_came_late_and_nothing_twice(
    tmp_path: Path, oracle: StandIn, project: MeltanoProject, nats_server: NatsServer
) -> None:
    begun = time.monotonic()
    noon = instant("2026-01-01T12:10:00.000000000")
    oracle.database.clock = lambda: plus(noon, time.monotonic() - begun)
    table = oracle.database.tables["SPC.TXLOG_EVENTS"]
    late = oracle.database.begin(started="2026-01-01T12:07:58.000000000")
    late.insert(table, *rows(range(900, 910), minute=8))
    first = rows(range(450), minute=1) + rows(range(500, 600), minute=9)
    table.insert(*first)
    project.run()
    expected = [(row[0], row[3]) for row in sorted(first, key=lambda row: (row[4], row[0]))]
    assert published(nats_server) == expected

    assert "done: nothing new since" in project.run()
    assert published(nats_server) == expected

    late.commit()
    table.insert(*rows(range(600, 610), minute=30))
    log = project.run()
    assert "delivered 10 late-committed rows" in log
    assert oracle.password not in log
    new = [*rows(range(900, 910), minute=8), *rows(range(600, 610), minute=30)]
    assert published(nats_server) == expected + [(row[0], row[3]) for row in new]
    assert_verified(tmp_path, oracle.login, {"servers": nats_server.url}, rows=len(first + new))


@pytest.mark.parametrize(
    "asked", [("tap-oracle-txlog", "--doctor"), ("tap-oracle-txlog:doctor", "--strict")]
)
def test_the_doctor_answers_under_meltano_with_its_exit_code_where_discovery_would_fail(
    oracle: StandIn, project: MeltanoProject, asked: tuple[str, ...]
) -> None:
    project.env["TAP_ORACLE_TXLOG_PASSWORD"] = "never-shown"
    done = project.command("invoke", *asked)
    assert done.returncode == 3
    assert done.stdout.startswith("Connection  [FAIL]  login         Oracle refuses the login")
    assert "never-shown" not in done.stdout + done.stderr
    assert len(oracle.logons) == 1


def test_the_doctor_of_the_target_answers_under_meltano(
    project: MeltanoProject, nats_server: NatsServer
) -> None:
    done = project.command("invoke", "target-nats-jetstream:doctor")
    assert done.returncode == 0, done.stderr
    assert f"at {nats_server.url}, nats-server" in done.stdout
    nats_server.kill()
    assert project.command("invoke", "target-nats-jetstream:doctor").returncode == 4


def test_the_settings_are_checked_under_meltano(project: MeltanoProject) -> None:
    project.env["TARGET_NATS_JETSTREAM_BACKOF"] = "1"
    done = project.command("invoke", "target-nats-jetstream:check-config")
    assert done.returncode == 2, done.stderr
    line, last = done.stdout.splitlines()
    assert line.endswith("_BACKOF. Did you mean TARGET_NATS_JETSTREAM_BACKOFF?")
    assert last == "1 mistake"
    done = project.command("invoke", "tap-oracle-txlog:check-config", "--json")
    assert done.returncode == 0, done.stdout
