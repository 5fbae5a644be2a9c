"""Each error of a database is told as what the operator can do about it."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from typing import TYPE_CHECKING

import pymysql
import pytest
from sqlalchemy.exc import OperationalError

from target_nats_jetstream.errors import (
    AccessDeniedError,
    ConfigurationError,
    TargetError,
    UnreachableError,
)
from target_nats_jetstream.ledger.database import Database
from target_nats_jetstream.ledger.errors import ERRORS, kind_of
from target_nats_jetstream.ledger.ledger import Ledger
from target_nats_jetstream.ledger.settings import LedgerSettings
from tests.target.ledger.places import SqliteFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    OpenLedger = Callable[..., Ledger]

EXPECTED: dict[type[TargetError], set[int | str]] = {
    UnreachableError: {
        1040, 1053, 1203, 1205, 1213, 1290, 1317, 1836, 1927, 2002, 2003, 2006, 2013, 4031,
        "SQLITE_BUSY", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_LOCKED",
    },
    AccessDeniedError: {1044, 1045, 1129, 1130, 1142, 1143, 1698},
    ConfigurationError: {
        1046, 1049, 1146, 1364, 2026, 2027, 2034, 2059, 2061,
        "SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_READONLY",
    },
}  # fmt: skip


def test_the_table_of_errors_is_the_expected_one() -> None:
    codes = {kind: {c for c, m in ERRORS.items() if m.error is kind} for kind in EXPECTED}

    assert codes == EXPECTED


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (code, kind)
        for kind, codes in EXPECTED.items()
        for code in sorted(code for code in codes if isinstance(code, int))
    ],
)
def test_a_number_of_the_server_is_found_in_the_drivers_error(
    code: int, kind: type[TargetError]
) -> None:
    error = OperationalError("UPDATE ...", {}, pymysql.err.OperationalError(code, "because"))

    found, cause = kind_of(error)
    assert found.error is kind
    assert cause == f"because ({code})"


def test_a_lost_connection_is_known_by_its_loss_whatever_its_number() -> None:
    origin = pymysql.err.InterfaceError(0, "")
    lost = OperationalError("UPDATE ...", {}, origin, connection_invalidated=True)
    refused = OperationalError("UPDATE ...", {}, origin)

    assert kind_of(lost)[0].error is UnreachableError
    assert kind_of(refused)[0].error is TargetError


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"ledger_url": "mysql://u:p@127.0.0.1:1/d?nope=s3cret"}, "has an option that the driver"),
        ({"ledger_url": "mysql://u:p@127.0.0.1:1/d?charset=s3cret"}, "has an option that the driv"),
        ({"ledger_url": "mysql://u:p@a..b/d"}, "the host has no valid name"),
        ({"ledger_url": f"mysql://u:p@{'a' * 64}/d"}, "the host has no valid name"),
        ({"mariadb_host": "a..b", "mariadb_database": "d", "mariadb_user": "u"}, "the host has no"),
    ],
)
def test_a_host_or_an_option_that_nobody_can_use_is_a_setting_to_correct(
    config: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Ledger(LedgerSettings.from_config(config)).check()

    assert complaint in str(caught.value)
    assert "Check `mariadb_host`, or `ledger_url`" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("error", [RecursionError, NotImplementedError, RuntimeError])
def test_a_fault_of_the_program_is_no_answer_of_the_database(
    tmp_path: Path, error: type[RuntimeError]
) -> None:
    settings = LedgerSettings.from_config({"ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}"})
    (attempt,) = itertools.islice(Database(settings, sleep=lambda _: None).attempts(), 1)
    with pytest.raises(error), attempt:
        raise error


def test_an_sqlite_file_in_no_folder_is_a_setting_to_correct(
    tmp_path: Path, open_ledger: OpenLedger
) -> None:
    with pytest.raises(ConfigurationError, match=r"unable to open database file.*`ledger_url`"):
        open_ledger(SqliteFile(tmp_path / "no" / "ledger.db")).begin()


def test_a_file_that_is_no_database_is_a_setting_to_correct(
    tmp_path: Path, open_ledger: OpenLedger
) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be looked at" * 50)

    with pytest.raises(ConfigurationError, match="not a database"):
        open_ledger(SqliteFile(tmp_path / "notes.txt")).begin()


def test_a_read_only_file_is_a_setting_to_correct(tmp_path: Path) -> None:
    SqliteFile(tmp_path / "ledger.db").execute("CREATE TABLE OTHER (ID INT)")
    url = f"sqlite:///file:{tmp_path / 'ledger.db'}?mode=ro&uri=true"
    ledger = Ledger(LedgerSettings.from_config({"ledger_url": url}))

    with pytest.raises(ConfigurationError, match="readonly database"):
        ledger.begin()
    ledger.close()


def test_a_locked_file_is_tried_again(
    tmp_path: Path, open_ledger: OpenLedger, waits: list[float]
) -> None:
    place = SqliteFile(tmp_path / "ledger.db")
    ledger = open_ledger(place, ledger_timeout=0.1, max_retries=2)
    ledger.begin()
    with contextlib.closing(sqlite3.connect(place.path)) as person:
        person.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnreachableError, match=r"database is locked \(3 tries\)"):
            ledger.succeed()

    assert waits == [0.1, 0.2]
