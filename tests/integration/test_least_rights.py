"""What the two commands print for an administrator is enough to run the pair, and no more."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pymysql

    from tests.support.mariadb import MariaDb
    from tools.servers.nats import NatsServer

TAP, TARGET = (
    Path(sys.executable).with_name(name) for name in ("tap-oracle-txlog", "target-nats-jetstream")
)
PASSWORD = "s3cret"


def printed(command: Path, folder: Path, config: dict[str, Any], *options: str) -> str:
    """What a command prints for an administrator; there is never a password in it."""
    file = folder / "printed.json"
    file.write_text(json.dumps(config))
    done = subprocess.run(
        [command, "--config", file, *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert PASSWORD not in done.stdout + done.stderr
    return done.stdout


@dataclass
class Pair:
    """The pair and its settings, in a folder."""

    folder: Path
    tap: dict[str, Any]
    target: dict[str, Any]

    def run(self) -> tuple[int, int, str]:
        """The exit codes of tap and target, and the target's log."""
        for name in ("tap", "target"):
            (self.folder / f"{name}.json").write_text(json.dumps(getattr(self, name)))
        singer = self.folder / "singer"
        with singer.open("wb") as out:
            tap = subprocess.run(
                [TAP, "--config", self.folder / "tap.json"], stdout=out, timeout=300, check=False
            )
        with singer.open("rb") as messages:
            target = subprocess.run(
                [TARGET, "--config", self.folder / "target.json"],
                stdin=messages,
                capture_output=True,
                timeout=300,
                check=False,
            )
        return tap.returncode, target.returncode, target.stderr.decode()


@dataclass
class Names:
    """Those of the database and of its two users, odd ones where SQL allows it."""

    database: str
    reader: str
    writer: str

    @property
    def users(self) -> list[str]:
        return ["'{}'@'%'".format(user.replace("'", "''")) for user in (self.reader, self.writer)]


@pytest.fixture
def names(mariadb_server: MariaDb) -> Iterator[Names]:
    tag = secrets.token_hex(4)
    found = Names(f"d`b %_{tag}", f"re'ader {tag}", f'wri"ter_{tag}')
    place = found.database.replace("`", "``")
    made = [f"CREATE USER {user} IDENTIFIED BY '{PASSWORD}'" for user in found.users]
    mariadb_server.execute(f"CREATE DATABASE `{place}`", *made)
    yield found
    dropped = [f"DROP USER {user}" for user in found.users]
    mariadb_server.execute(f"DROP DATABASE `{place}`", *dropped)


@contextlib.contextmanager
def administrator(server: MariaDb, names: Names) -> Iterator[pymysql.cursors.Cursor]:
    with (
        contextlib.closing(server.root()) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("USE `{}`".format(names.database.replace("`", "``")))
        yield cursor


@pytest.fixture
def pair(tmp_path: Path, mariadb_server: MariaDb, names: Names) -> Pair:
    ledger = {
        "mariadb_host": mariadb_server.host,
        "mariadb_port": mariadb_server.port,
        "mariadb_database": names.database,
        "mariadb_password": PASSWORD,
        "program_name": "P",
    }
    host = f"{mariadb_server.host}:{mariadb_server.port}"
    quoted = names.reader.replace("'", "%27").replace(" ", "%20")
    source = {
        "sqlalchemy_url": f"mysql+pymysql://{quoted}:{PASSWORD}@{host}/{names.database}",
        "table": "EVENTS",
        "replication_key": "AT",
        "state_from_ledger": True,
        "max_retries": 0,
    }
    return Pair(
        tmp_path,
        {**source, **ledger, "mariadb_user": names.reader},
        {
            **ledger,
            "mariadb_user": names.writer,
            "ledger_create_table": False,
            "run_history": True,
            "max_retries": 0,
            "user": "etl",
            "password": PASSWORD,
            "stream": "EVENTS",
            "subject": "txlog.{stream}",
            "on_error": "dead_letter",
        },
    )


def prepare(pair: Pair, names: Names, server: MariaDb) -> None:
    """As an administrator does it: the tables, and what is printed for the users."""
    ddl = json.loads(printed(TARGET, pair.folder, pair.target, "--print-ddl", "--json"))
    statements = [
        "CREATE TABLE EVENTS (ID BIGINT PRIMARY KEY, AT DATETIME(6))",
        "INSERT INTO EVENTS VALUES (1, '2026-01-01 00:00:01'), (2, '2026-01-01 00:00:02')",
        ddl["table"],
        ddl["history_table"],
        *printed(TAP, pair.folder, pair.tap, "--print-grants").splitlines(),
        *printed(TARGET, pair.folder, pair.target, "--print-grants").splitlines(),
    ]
    with administrator(server, names) as cursor:
        for statement in statements:
            cursor.execute(statement)


def nats_for(pair: Pair, make_nats: Callable[..., NatsServer]) -> NatsServer:
    """A server with the printed permissions and streams, and nothing else."""
    permissions = printed(TARGET, pair.folder, pair.target, "--print-nats-permissions")
    server = make_nats(
        config=f"authorization {{ users: [ {{ user: etl, password: {PASSWORD}\n{permissions} }}\n"
        "{ user: all, password: pw } ] }",
        connect={"user": "all", "password": "pw"},
    )
    ddl = json.loads(printed(TARGET, pair.folder, pair.target, "--print-ddl", "--json"))
    for stream in ddl["streams"]:
        assert "error" not in server.api(f"STREAM.CREATE.{stream['name']}", stream)
    pair.target["servers"] = server.url
    return server


def test_the_pair_runs_with_what_is_printed(
    pair: Pair, names: Names, mariadb_server: MariaDb, make_nats: Callable[..., NatsServer]
) -> None:
    prepare(pair, names, mariadb_server)
    server = nats_for(pair, make_nats)

    tap, target, log = pair.run()
    assert (tap, target) == (0, 0), log
    assert "in mode fast: stream and server allow it" in log
    assert "WARNING" not in log
    with administrator(mariadb_server, names) as cursor:
        cursor.execute("INSERT INTO EVENTS VALUES (3, '2026-01-01 00:00:03')")
    tap, target, log = pair.run()
    assert (tap, target) == (0, 0), log
    with administrator(mariadb_server, names) as cursor:
        cursor.execute("SELECT STATUS, RECORDS_PROCESSED FROM ETL_PRMREC_RUNS ORDER BY RUN_ID")
        assert cursor.fetchall() == (("SUCCESS", 2), ("SUCCESS", 1))
    assert [json.loads(stored.data)["ID"] for stored in server.read_stream("EVENTS")] == [1, 2, 3]
    assert set(server.api("STREAM.NAMES")["streams"]) == {"EVENTS", "EVENTS_DLQ"}


@pytest.mark.parametrize("right", ["SELECT", "INSERT", "UPDATE"])
def test_each_right_of_the_ledger_is_needed(
    pair: Pair,
    names: Names,
    mariadb_server: MariaDb,
    make_nats: Callable[..., NatsServer],
    right: str,
) -> None:
    prepare(pair, names, mariadb_server)
    nats_for(pair, make_nats)
    with administrator(mariadb_server, names) as cursor:
        cursor.execute(f"REVOKE {right} ON ETL_PRMREC FROM {names.users[1]}")
    _, code, log = pair.run()
    assert code == 3, log
    assert "Grant the user SELECT, INSERT and UPDATE on the table" in log


def test_with_a_right_to_create_it_the_table_is_created(
    pair: Pair, names: Names, mariadb_server: MariaDb, make_nats: Callable[..., NatsServer]
) -> None:
    pair.target["ledger_create_table"] = True
    prepare(pair, names, mariadb_server)
    with administrator(mariadb_server, names) as cursor:
        cursor.execute("DROP TABLE ETL_PRMREC, ETL_PRMREC_RUNS")
    nats_for(pair, make_nats)
    tap, target, log = pair.run()
    assert (tap, target) == (0, 0), log
