from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_nats_jetstream.ledger.ledger import Ledger
from target_nats_jetstream.ledger.settings import LedgerSettings
from tests.target.ledger.places import SqliteFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.target.ledger.places import Place


@pytest.fixture(params=["mariadb", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each database that a ledger can be in: a test that asks for it runs in all of them."""
    if request.param == "sqlite":
        return SqliteFile(tmp_path / "ledger.db")
    mariadb: Place = request.getfixturevalue("mariadb")
    return mariadb


@pytest.fixture
def waits() -> list[float]:
    """The waits that ledgers asked for; nothing is waited for really."""
    return []


@pytest.fixture
def open_ledger(waits: list[float]) -> Iterator[Callable[..., Ledger]]:
    """``open_ledger(place, program_name="P", ...)``: a ledger that is closed with the test."""
    ledgers: list[Ledger] = []

    def open_one(place: Place, **more: object) -> Ledger:
        settings = LedgerSettings.from_config({**place.settings, **more})
        ledgers.append(Ledger(settings, sleep=waits.append))
        return ledgers[-1]

    yield open_one
    for ledger in ledgers:
        ledger.close()
