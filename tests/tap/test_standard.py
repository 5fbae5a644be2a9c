"""The SDK's own tests of a tap, on an embedded table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from singer_sdk.testing import get_tap_test_class

from tap_oracle_txlog.tap import TapOracleTxlog
from tests.support.events import Event, EventTable, stamp

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = {"sqlalchemy_url": "sqlite://", "table": "TXLOG_EVENTS", "page_size": 3}


@pytest.fixture(scope="module", autouse=True)
def events(tmp_path_factory: pytest.TempPathFactory) -> EventTable:
    """The SDK wants the config when this module is imported; the table is there in time."""
    folder: Path = tmp_path_factory.mktemp("standard")
    table = EventTable(folder / "events.db")
    table.add(*(Event(number, stamp(number // 2, number), "data") for number in range(7)))
    CONFIG["sqlalchemy_url"] = table.url
    return table


def test_records_can_be_had_without_messages(
    events: EventTable, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    (stream,) = TapOracleTxlog(config=CONFIG).streams.values()
    assert list(stream.get_records(None)) == events.records()
    assert list(stream._sync_records(write_messages=False)) == events.records()
    assert capsysbinary.readouterr().out == b""


TestStandard = get_tap_test_class(TapOracleTxlog, config=CONFIG, parse_env_config=False)
