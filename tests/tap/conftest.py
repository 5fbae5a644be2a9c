"""An empty event table, and the command to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.events import EventTable
from tests.support.forking import ForkServer
from tests.tap.command import Tap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def table(tmp_path: Path) -> EventTable:
    return EventTable(tmp_path / "events.db")


@pytest.fixture(scope="session")
def taps() -> Iterator[ForkServer]:
    server = ForkServer(
        "tap_oracle_txlog.__main__",
        "tap_oracle_txlog.tap",
        "tap_oracle_txlog.sqlalchemy.source",
        "tap_oracle_txlog.ledger",
        "sqlalchemy.dialects.sqlite",
    )
    yield server
    server.close()


@pytest.fixture
def tap(tmp_path: Path, taps: ForkServer, table: EventTable) -> Tap:
    return Tap(tmp_path, taps, {"sqlalchemy_url": table.url, "table": "TXLOG_EVENTS"})
