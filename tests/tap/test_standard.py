"""The SDK's own tests of a tap, on a SQLite table."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from singer_sdk.testing import get_tap_test_class

from tap_oracle_txlog.tap import TapOracleTxlog
from tests.support.events import Event, EventTable, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

# The SDK discovers the streams when this module is imported: the table has to be there by then.
FOLDER = tempfile.TemporaryDirectory(prefix="standard-")
EVENTS = EventTable(Path(FOLDER.name) / "events.db")
EVENTS.add(*(Event(number, stamp(number // 2, number), "data") for number in range(7)))
CONFIG = {"sqlalchemy_url": EVENTS.url, "table": "TXLOG_EVENTS", "page_size": 3}


@pytest.fixture(scope="session", autouse=True)
def folder() -> Iterator[None]:
    """Remove it at the end: tests that another worker leaves over may come back to this module."""
    yield
    FOLDER.cleanup()


def test_records_can_be_had_without_messages(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    (stream,) = TapOracleTxlog(config=CONFIG).streams.values()
    assert list(stream.get_records(None)) == EVENTS.records()
    assert list(stream._sync_records(write_messages=False)) == EVENTS.records()
    assert capsysbinary.readouterr().out == b""


TestStandard = get_tap_test_class(TapOracleTxlog, config=CONFIG, parse_env_config=False)
