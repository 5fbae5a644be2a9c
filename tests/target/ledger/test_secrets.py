"""No secret of the ledger is ever shown, whatever goes wrong."""

from __future__ import annotations

import io
import logging
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from target_nats_jetstream.errors import TargetError
from target_nats_jetstream.ledger.ledger import Ledger
from target_nats_jetstream.ledger.settings import LedgerSettings
from tests.target.ledger.places import progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.mariadb import MariaDbDatabase

SECRET = "planted-s3cret"
STATE = {"bookmarks": {"TXLOG_EVENTS": "in-the-state"}}


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    """All that any logger says at DEBUG, those of the libraries included."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    names = ("", "sqlalchemy.engine", "sqlalchemy.pool")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def told_about(config: dict[str, Any], output: io.StringIO) -> str:
    """All that can be read about a run that records a state and fails, or cannot begin."""
    settings = LedgerSettings.from_config({**config, "max_retries": 1})
    ledger = Ledger(settings, sleep=lambda _: None)
    print(settings, ledger, ledger.where, file=output)
    try:
        ledger.begin()
        ledger.checkpoint(progress(1, state=STATE))
        ledger.fail("because")
    except TargetError as error:
        print(repr(error), "".join(traceback.format_exception(error)), file=output)
    ledger.close()
    return output.getvalue()


@pytest.mark.parametrize("given", ["settings", "url"])
def test_a_run_does_not_show_its_password_nor_the_state(
    mariadb: MariaDbDatabase, output: io.StringIO, given: str
) -> None:
    config = mariadb.settings if given == "settings" else {"ledger_url": mariadb.url}
    told = told_about(config, output)

    assert f"127.0.0.1:{mariadb.port}/{mariadb.database}" in told
    assert "UPDATE" in told, "the libraries were heard"
    assert mariadb.password not in told
    assert "in-the-state" not in told


@pytest.mark.parametrize(
    "wrong",
    [{"mariadb_password": SECRET}, {"mariadb_port": 1}, {"mariadb_host": "no.such.invalid"}],
)
def test_a_refused_or_failed_login_does_not_show_the_password(
    mariadb: MariaDbDatabase, output: io.StringIO, wrong: dict[str, Any]
) -> None:
    told = told_about({**mariadb.settings, "mariadb_password": SECRET, **wrong}, output)

    assert "cannot write ETL_PRMREC" in told
    assert SECRET not in told
